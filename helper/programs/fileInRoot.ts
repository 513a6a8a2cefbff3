/** Reading a small file below the root directory of a process, which the process may have made to do harm. */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { close, O_PATH } from '../kernel/files.ts';
import { openInRoot } from '../kernel/openat2.ts';

const fstat = promisify(fs.fstat);

/** A file system served by a process may never answer; the thread that asks it is lost until that process ends. */
const DEADLINE_MILLIS = 2000;
/** Of the four threads that Node has for this, so many may be lost; then no such file is read any more. */
const MAX_LOST = 2;
let lost = 0;

/** True while a thread waits for a file system that does not answer: the process cannot end in an orderly way then. */
export function hasLostThreads(): boolean {
  return lost > 0;
}

/** The first `limit` bytes of the regular file at `path` as seen from `root`; undefined when there is none, or no answer. */
export function readFileInRoot(root: number, path: string, limit: number): Promise<Buffer | undefined> {
  return withinDeadline(async () => {
    const file = await openInRoot(root, path, O_PATH);
    try {
      // Opening a device or a pipe has effects of its own; only a regular file is opened for reading.
      if (!(await fstat(file)).isFile()) return undefined;
      return await readStart(file, limit);
    } finally {
      close(file);
    }
  });
}

/** `path` as seen from `root`, opened with `O_PATH`; undefined when there is none, or no answer. */
export function findInRoot(root: number, path: string): Promise<number | undefined> {
  return withinDeadline(() => openInRoot(root, path, O_PATH));
}

async function readStart(file: number, limit: number): Promise<Buffer> {
  const opened = await fs.promises.open(`/proc/self/fd/${file}`, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const content = Buffer.alloc(limit);
    const { bytesRead } = await opened.read(content, 0, limit, 0);
    return content.subarray(0, bytesRead);
  } finally {
    await opened.close();
  }
}

async function withinDeadline<T>(work: () => Promise<T>): Promise<T | undefined> {
  if (lost >= MAX_LOST) return undefined;
  let timer: NodeJS.Timeout | undefined;
  let late = false;
  const done = work()
    .catch(() => undefined)
    .finally(() => {
      clearTimeout(timer);
      if (late) lost -= 1;
    });
  const deadline = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      late = true;
      lost += 1;
      resolve(undefined);
    }, DEADLINE_MILLIS);
  });
  return Promise.race([done, deadline]);
}
