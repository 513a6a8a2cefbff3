/** Ports of the host that lead into a sandbox: connections are taken here, and relayed to its address. TCP. */
import net from 'node:net';
import { Failure, isSystemError } from '../failure.ts';
import type { PortForward } from '../protocol/sandboxes.ts';

export interface ForwardedPorts {
  close(): void;
}

const LOCAL = '127.0.0.1';

/** Resolves when all of them are listened on; rejects with a `Failure`, and listens on none, when one cannot be. */
export async function forwardPorts(ports: readonly PortForward[], address: string): Promise<ForwardedPorts> {
  const servers: net.Server[] = [];
  const connections = new Set<net.Socket>();
  const close = () => {
    for (const server of servers) server.close();
    for (const connection of connections) connection.destroy();
  };
  try {
    for (const port of ports)
      servers.push(await listen(port, (client) => relay(client, port.containerPort, address, connections)));
    return { close };
  } catch (error) {
    close();
    throw error;
  }
}

function listen({ hostPort, hostAddress = LOCAL }: PortForward, connected: (client: net.Socket) => void): Promise<net.Server> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, connected);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = isSystemError(error) ? error.code : String(error);
      reject(
        new Failure(
          code === 'EADDRINUSE' ? 'busy' : 'permission',
          `The port ${hostPort} of ${hostAddress} cannot be used: ${code}.`,
          {
            errno: code,
            hint: 'Choose another "hostPort".',
          },
        ),
      );
    });
    server.listen(hostPort, hostAddress, () => resolve(server));
  });
}

function relay(client: net.Socket, port: number, address: string, connections: Set<net.Socket>): void {
  const server = net.connect({ port, host: address, allowHalfOpen: true });
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    connections.add(one);
    one.on('error', () => other.destroy());
    one.on('close', () => {
      connections.delete(one);
      other.destroy();
    });
    one.pipe(other);
  }
}
