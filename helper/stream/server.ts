/** The stream socket: lets a client that shows a terminal's token, and is of the right user, attach to that terminal. */
import net from 'node:net';
import { peerCredentials } from '../kernel/peerCredentials.ts';
import { log, logError } from '../log.ts';
import { english, said } from '../saying.ts';
import { makeSocketFolder, removeDeadFolders } from './folder.ts';
import { encodeFrame, type Frame, FrameDecoder } from './frame.ts';

/** Something to attach to, by a token that is good for one time. */
export interface Attachable {
  /** Takes over the connection; `decoder` may hold the beginning of the next frame, `frames` followed the first. */
  attach(connection: net.Socket, decoder: FrameDecoder, size: { columns: number; rows: number }, frames: Iterable<Frame>): void;
}

export interface StreamServer {
  /** Path of the socket. */
  readonly path: string;
  /** Accepts no more connections and removes the socket and its folder. */
  close(): void;
}

const HANDSHAKE_MILLIS = 10_000;
const MAX_CONNECTIONS = 1024;

/** Starts listening. `take` gives what a token stands for, once. */
export async function listen(take: (token: Uint8Array) => Attachable | undefined): Promise<StreamServer> {
  const folder = await makeSocketFolder();
  const client = clientUid();
  const server = net.createServer({ pauseOnConnect: true }, (connection) => receive(connection, client, take));
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(folder.socket, () => resolve());
  });
  server.on('error', (error) => logError('the stream socket', error));
  if (client !== process.geteuid!()) folder.giveTo(client);
  removeDeadFolders().catch((error) => logError('folders of helpers that are gone', error));
  return {
    path: folder.socket,
    close: () => {
      server.close();
      folder.remove();
    },
  };
}

/** Whom the helper works for: who called sudo, else its own user. Only sudo, being root, can tell a root process that. */
function clientUid(): number {
  const uid = process.geteuid!();
  const caller = process.env.SUDO_UID;
  return uid === 0 && caller !== undefined && /^[0-9]{1,10}$/.test(caller) ? Number(caller) : uid;
}

function receive(connection: net.Socket, client: number, take: (token: Uint8Array) => Attachable | undefined): void {
  connection.on('error', () => connection.destroy());
  const uid = peerUid(connection);
  if (uid !== client && uid !== 0) {
    log('warn', `refused a connection of uid ${uid} to the stream socket`);
    connection.destroy();
    return;
  }
  const decoder = new FrameDecoder();
  const timer = setTimeout(() => connection.destroy(), HANDSHAKE_MILLIS);
  connection.once('close', () => clearTimeout(timer));
  const onData = (chunk: Buffer) => {
    try {
      const frames = decoder.push(chunk);
      const { value: first } = frames.next();
      if (first === undefined) return;
      clearTimeout(timer);
      connection.off('data', onData);
      connection.pause();
      const attachable = first.type === 'attach' ? take(first.token) : undefined;
      if (first.type !== 'attach' || attachable === undefined) refuse(connection);
      else attachable.attach(connection, decoder, first, frames);
    } catch (error) {
      log('warn', `a client of the stream socket: ${String(error)}`);
      connection.destroy();
    }
  };
  connection.on('data', onData);
  connection.resume();
}

function refuse(connection: net.Socket): void {
  connection.end(encodeFrame({ type: 'error', message: english(said('terminalIsNotWaiting')) }));
}

function peerUid(connection: net.Socket): number {
  return peerCredentials(descriptorOf(connection)).uid;
}

/** The descriptor of an open socket, which Node gives to nobody and so has to be asked of its handle. */
export function descriptorOf(connection: net.Socket): number {
  const handle = (connection as unknown as { _handle?: { fd?: number } })._handle;
  return handle?.fd ?? -1;
}
