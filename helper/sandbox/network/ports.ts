/** Ports of the host that lead into a sandbox: connections, or datagrams, are taken here, and relayed to its address. */
import dgram from 'node:dgram';
import net from 'node:net';
import { Failure, inFieldLater, isSystemError } from '../../failure.ts';
import type { PortForward } from '../../protocol/sandboxes.ts';
import { said } from '../../saying.ts';

export interface ForwardedPorts {
  close(): void;
}

/** Addresses inside. */
export interface Inside {
  ipv4: string;
  ipv6?: string;
}

const LOCAL = '127.0.0.1';
/** How long answers are waited for after the last datagram of a peer, as conntrack does for a stream of UDP. */
const PEER_MILLIS = 120_000;
/** Of one port; of more, the one that was silent for longest is forgotten. */
const MAX_PEERS = 256;

/** Resolves when all of them are listened on; rejects with a `Failure`, that names the index of one that cannot be, and listens on none then. */
export async function forwardPorts(ports: readonly PortForward[], inside: Inside): Promise<ForwardedPorts> {
  const forwarded: ForwardedPorts[] = [];
  const close = () => {
    for (const one of forwarded) one.close();
  };
  try {
    for (const [index, port] of ports.entries()) {
      const forward = port.protocol === 'udp' ? forwardDatagrams : forwardConnections;
      forwarded.push(await inFieldLater([index, 'hostPort'], () => forward(port, addressFor(port, inside))));
    }
    return { close };
  } catch (error) {
    close();
    throw error;
  }
}

/** What comes by IPv6 goes on by it, as far as there is that inside. */
function addressFor({ hostAddress = LOCAL }: PortForward, { ipv4, ipv6 }: Inside): string {
  return net.isIPv6(hostAddress) ? (ipv6 ?? ipv4) : ipv4;
}

/** What cannot be listened on, in words. */
function refusal({ hostPort, hostAddress = LOCAL, protocol = 'tcp' }: PortForward, error: unknown): Failure {
  const code = isSystemError(error) ? error.code : String(error);
  return new Failure(
    code === 'EADDRINUSE' ? 'busy' : 'permission',
    said('portCannotBeUsed', protocol.toUpperCase(), hostPort, hostAddress, code),
    { errno: code, hint: said('chooseAnotherPort') },
  );
}

function forwardConnections(port: PortForward, address: string): Promise<ForwardedPorts> {
  const connections = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) =>
    relay(client, port.containerPort, address, connections),
  );
  const close = () => {
    server.close();
    for (const connection of connections) connection.destroy();
  };
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(refusal(port, error)));
    // Beside `::` the same port of every IPv4 address can be asked for.
    const at = { port: port.hostPort, host: port.hostAddress ?? LOCAL, ipv6Only: true };
    server.listen(at, () => resolve({ close }));
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

function forwardDatagrams(port: PortForward, address: string): Promise<ForwardedPorts> {
  const host = socketFor(port.hostAddress ?? LOCAL);
  const peers = new Peers(host, port.containerPort, address);
  const close = () => {
    host.close();
    peers.close();
  };
  return new Promise((resolve, reject) => {
    host.once('error', (error) => {
      host.close();
      reject(refusal(port, error));
    });
    host.bind(port.hostPort, port.hostAddress ?? LOCAL, () => {
      host.removeAllListeners('error');
      host.on('error', () => undefined);
      host.on('message', (message, from) => peers.take(message, from));
      resolve({ close });
    });
  });
}

function socketFor(address: string): dgram.Socket {
  return net.isIPv6(address) ? dgram.createSocket({ type: 'udp6', ipv6Only: true }) : dgram.createSocket('udp4');
}

/** Those that have sent a datagram, each with a socket of its own, so that the sandbox can tell them apart and answers find back. */
class Peers {
  private readonly sockets = new Map<string, { socket: dgram.Socket; timer: NodeJS.Timeout }>();
  private readonly host: dgram.Socket;
  private readonly port: number;
  private readonly address: string;

  constructor(host: dgram.Socket, port: number, address: string) {
    this.host = host;
    this.port = port;
    this.address = address;
  }

  take(message: Buffer, from: dgram.RemoteInfo): void {
    const name = `${from.address} ${from.port}`;
    const peer = this.sockets.get(name) ?? this.open(name, from);
    // The one that was silent for longest comes first.
    this.sockets.delete(name);
    this.sockets.set(name, peer);
    peer.timer.refresh();
    peer.socket.send(message, this.port, this.address);
    const [longestSilent] = this.sockets.keys();
    if (this.sockets.size > MAX_PEERS) this.forget(longestSilent!);
  }

  close(): void {
    for (const name of [...this.sockets.keys()]) this.forget(name);
  }

  private open(name: string, { address, port }: dgram.RemoteInfo): { socket: dgram.Socket; timer: NodeJS.Timeout } {
    const socket = socketFor(this.address);
    socket.on('error', () => this.forget(name));
    socket.on('message', (answer, from) => {
      // Anybody can send to this socket.
      if (from.address !== this.address || from.port !== this.port) return;
      this.sockets.get(name)?.timer.refresh();
      this.host.send(answer, port, address);
    });
    const timer = setTimeout(() => this.forget(name), PEER_MILLIS);
    timer.unref();
    return { socket, timer };
  }

  private forget(name: string): void {
    const peer = this.sockets.get(name);
    if (peer === undefined) return;
    this.sockets.delete(name);
    clearTimeout(peer.timer);
    peer.socket.close();
  }
}
