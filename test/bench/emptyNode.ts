/** A Node that does nothing: what anything on it takes at the least, on this machine as it is now. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Until it has started and ended. */
export async function startEmptyNode(): Promise<void> {
  await run(process.execPath, ['-e', '']);
}

/** What is resident of one that waits. */
export async function emptyNodeMegabytes(): Promise<number> {
  return await withEmptyNode(residentMegabytes);
}

/** What all of its threads have had of a processor by the time that it waits. */
export async function emptyNodeCpuMillis(): Promise<number> {
  return await withEmptyNode(cpuMillis);
}

async function withEmptyNode<T>(measure: (pid: number) => T): Promise<T> {
  const child = spawn(process.execPath, ['-e', "console.log('on'); process.stdin.resume();"], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    return measure(child.pid!);
  } finally {
    child.stdin.end();
    await once(child, 'exit');
  }
}

/** proc_pid_status(5). */
export function residentMegabytes(pid: number): number {
  return Number(/^VmRSS:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Of all its threads, by the scheduler's count in nanoseconds. */
export function cpuMillis(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e6)
    .reduce((sum, millis) => sum + millis, 0);
}
