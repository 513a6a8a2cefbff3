/** Reading a small file below the root directory of a process, which the process may have made to do harm. */
import fs from 'node:fs';
import { AT_FDCWD, close, duplicate, O_PATH, openAt } from '../kernel/files.ts';
import { openInRootNow } from '../kernel/openat2.ts';
import type { JobTable } from '../reading/answering.ts';
import { deviceOnTheWay } from '../reading/blockedCall.ts';
import { job } from '../reading/job.ts';
import { openInRoot } from '../reading/openInRoot.ts';
import { readers } from '../reading/readers.ts';

const ReadFileInRoot = job<{ root: number; path: string; limit: number }, Uint8Array | undefined>('readFileInRoot');

/**
 * The first `limit` bytes of the regular file at `path` as seen from `root`; undefined when there is none that may be read. Rejects with a `Failure`, `busy`, when
 * its file system does not answer.
 */
export async function readFileInRoot(root: number, path: string, limit: number): Promise<Buffer | undefined> {
  const device = deviceOnTheWay(root, path);
  const content = await readers.ask(ReadFileInRoot, () => {
    const own = duplicate(root);
    return { params: { root: own, path, limit }, descriptors: [own], path, ...(device === undefined ? {} : { device }) };
  });
  return content && Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}

/** `path` as seen from `root`, opened with `O_PATH`; undefined when there is none, or no answer. */
export function findInRoot(root: number, path: string): Promise<number | undefined> {
  return openInRoot(root, path, O_PATH).catch(() => undefined);
}

export function answerFileInRoot(jobs: JobTable): void {
  jobs.on(ReadFileInRoot, ({ root, path, limit }) => {
    const file = openInRootNow(root, path, O_PATH);
    if (file < 0) return undefined;
    try {
      // Opening a device or a pipe has effects of its own; only a regular file is opened for reading.
      return fs.fstatSync(file).isFile() ? readStart(file, limit) : undefined;
    } finally {
      close(file);
    }
  });
}

function readStart(file: number, limit: number): Uint8Array | undefined {
  const opened = openAt(AT_FDCWD, `/proc/self/fd/${file}`, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  if (opened < 0) return undefined;
  try {
    const content = Buffer.alloc(limit);
    return new Uint8Array(content.subarray(0, fs.readSync(opened, content, 0, limit, 0)));
  } catch {
    return undefined;
  } finally {
    close(opened);
  }
}
