/** Reads a small file below the root directory of a process, on a reader thread: fileInRoot.ts asks for it. */

import fs from 'node:fs';
import { close, openAt } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import { openInRootNow } from '../kernel/openat2.ts';
import type { JobTable } from '../reading/answering.ts';
import { ReadFileInRoot } from './fileInRoot.ts';

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
