/** The answer to `mounts/list`: which mounts a process sees. */
import { Failure, reasonOf } from '../failure.ts';
import { AT_FDCWD, close, openDirectory, readText } from '../kernel/files.ts';
import { errnoName } from '../kernel/libc.ts';
import { parseMountinfo } from '../proc/mountinfo.ts';
import type { MountsListResult } from '../protocol/mounts.ts';
import type { ProcessRef } from '../protocol.ts';
import { readProcessIn } from './processReader.ts';

/** `fs.mount-max` allows a namespace 100,000 mounts, of which each may have options of many kilobytes. */
const MAX_MOUNTINFO_BYTES = 32 * 1024 * 1024;
const MAX_SENT_BYTES = 4 * 1024 * 1024;

/** Throws a `Failure`: `gone` when the process has ended or the pid is another's, `permission` when it may not be read. */
export function listMounts(process: ProcessRef | undefined): MountsListResult {
  if (process === undefined) return tableIn(AT_FDCWD, '/proc/self/mountinfo', 'the host');
  const { pid, startTime } = process;
  const directory = openDirectory(AT_FDCWD, `/proc/${pid}`);
  if (directory < 0) throw gone(pid);
  try {
    if (readProcessIn(directory)?.startTime !== startTime) throw gone(pid);
    return tableIn(directory, 'mountinfo', `process ${pid}`);
  } finally {
    close(directory);
  }
}

function gone(pid: number): Failure {
  return new Failure('gone', `Process ${pid} has ended.`, { hint: 'Refresh the view and choose another process.' });
}

function tableIn(directory: number, path: string, whose: string): MountsListResult {
  const text = readText(directory, path, MAX_MOUNTINFO_BYTES);
  if (typeof text === 'number') {
    const errno = errnoName(-text);
    const reason = reasonOf(errno);
    throw new Failure(reason, `The mounts of ${whose} cannot be read: ${errno}.`, {
      errno,
      hint: reason === 'permission' ? 'Restart the helper as root.' : 'It may be ending; a zombie has no mounts any more.',
    });
  }
  const lines = text.split('\n').filter((line) => line !== '');
  const sent = withinBytes(lines);
  return { mounts: parseMountinfo(sent.join('\n')), omitted: lines.length - sent.length };
}

function withinBytes(lines: string[]): string[] {
  let total = 0;
  const end = lines.findIndex((line) => {
    total += line.length;
    return total > MAX_SENT_BYTES;
  });
  return end === -1 ? lines : lines.slice(0, end);
}
