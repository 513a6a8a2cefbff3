/**
 * Reads the mounts of mount namespaces that no process is in (a bind mount or a descriptor keeps them): only a thread that
 * enters can see them. Entering takes a thread's own root directory, so a Worker does it, and ends afterwards.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { AT_FDCWD, close, O_PATH, openAt, openDirectory, readText } from '../kernel/files.ts';
import { enterMountNamespace, unshareFileSystem } from '../kernel/setns.ts';

/** One namespace to visit, by descriptor; `open` is a mount point there to be opened too. */
export interface Visit {
  descriptor: number;
  open?: string;
}

export interface Visited {
  /** `/proc/thread-self/mountinfo` as it reads inside; undefined when the namespace could not be entered. */
  mountinfo: string | undefined;
  /** `O_PATH` descriptor of what was found at `open`, of this process, for the caller to close. */
  opened: number | undefined;
}

export interface VisitOrder {
  role: 'visitMountNamespaces';
  visits: Visit[];
  port: MessagePort;
  done: Int32Array;
}

const MAX_MOUNTINFO_BYTES = 8 * 1024 * 1024;
/** A Worker starts in some 40 ms; a file system in there that never answers must not hold the helper for ever. */
const PATIENCE_MILLIS = 3000;

/** Waits for the Worker: who asks is in the middle of one reading of the host. Empty when it took too long. */
export function visitMountNamespaces(visits: Visit[]): Visited[] {
  if (visits.length === 0) return [];
  const { port1, port2 } = new MessageChannel();
  const done = new Int32Array(new SharedArrayBuffer(4));
  const order: VisitOrder = { role: 'visitMountNamespaces', visits, port: port2, done };
  const worker = new Worker(process.argv[1]!, { workerData: order, transferList: [port2], stdout: true, stderr: true });
  worker.unref();
  worker.on('error', () => undefined);
  const finished = Atomics.wait(done, 0, 0, PATIENCE_MILLIS) !== 'timed-out';
  const received = finished ? receiveMessageOnPort(port1) : undefined;
  port1.close();
  void worker.terminate();
  return (received?.message as Visited[] | undefined) ?? [];
}

/** The Worker's side. */
export function carryOutVisits({ visits, port, done }: VisitOrder): void {
  // Held from outside: `/proc` inside may be another one, or missing.
  const self = openDirectory(AT_FDCWD, '/proc/thread-self');
  const results: Visited[] = [];
  try {
    unshareFileSystem();
    for (const visit of visits) results.push(carryOut(visit, self));
  } finally {
    close(self);
    port.postMessage(results);
    Atomics.store(done, 0, 1);
    Atomics.notify(done, 0);
  }
}

function carryOut({ descriptor, open }: Visit, self: number): Visited {
  try {
    enterMountNamespace(descriptor);
  } catch {
    return { mountinfo: undefined, opened: undefined };
  }
  const mountinfo = readText(self, 'mountinfo', MAX_MOUNTINFO_BYTES);
  const opened = open === undefined ? -1 : openAt(AT_FDCWD, open, O_PATH);
  return { mountinfo: typeof mountinfo === 'string' ? mountinfo : undefined, opened: opened < 0 ? undefined : opened };
}
