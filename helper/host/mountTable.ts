/** The answer to `mounts/list`: which mounts there are in the mount namespace of a process. */

import { Failure, reasonOf } from '../failure.ts';
import { close, openDirectory, readLinkText, readNamespaceLink } from '../kernel/files.ts';
import { AT_FDCWD } from '../kernel/numbers.ts';
import { parseMountinfo } from '../proc/mountinfo.ts';
import type { MountsListResult } from '../protocol/mounts.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import type { NamespaceIndex } from './namespaceIndex.ts';
import { type NamespaceTable, tableOfNamespace, tableThrough } from './namespaceRoot.ts';
import { readProcessIn } from './processReader.ts';
import { rootHint } from './rootHint.ts';
import { unreadable } from './unreadable.ts';

const MAX_SENT_BYTES = 4 * 1024 * 1024;

/**
 * `index` knows who else is in that mount namespace. Throws a `Failure`: `gone` when the process has ended or the pid is another's,
 * `permission` when it may not be read.
 */
export function listMounts(process: ProcessRef | undefined, index: NamespaceIndex): MountsListResult {
  if (process === undefined) return sent(readable(tableThrough(AT_FDCWD, '/proc/self/'), said('theHost')));
  const { pid, startTime } = process;
  const directory = openDirectory(AT_FDCWD, `/proc/${pid}`);
  if (directory < 0) throw gone(pid);
  try {
    if (readProcessIn(directory)?.startTime !== startTime) throw gone(pid);
    const mountNamespace = readNamespaceLink(directory, 'ns/mnt');
    const table = tableOfNamespace({ directory, mountNamespace, others: index.get(mountNamespace) });
    const root = readLinkText(directory, 'root');
    return { ...sent(readable(table, said('theProcess', pid))), root: typeof root === 'string' ? root : unreadable(root) };
  } finally {
    close(directory);
  }
}

function gone(pid: number): Failure {
  return new Failure('gone', said('processHasEnded', pid), { hint: said('refreshViewAndChooseAnotherProcess') });
}

function readable(table: ReturnType<typeof tableOfNamespace> | number, whose: Said): NamespaceTable {
  const result = typeof table === 'number' ? unreadable(table) : table;
  if (!('unknown' in result)) return result;
  const { errno } = result;
  const reason = errno === undefined ? result.unknown : reasonOf(errno);
  throw new Failure(reason, said('mountsCannotBeRead', whose, errno ?? reason), {
    ...(errno === undefined ? {} : { errno }),
    hint: reason === 'permission' ? rootHint() : said('itMayBeEnding'),
  });
}

function sent({ mountinfo, complete }: NamespaceTable): MountsListResult {
  const lines = mountinfo.split('\n').filter((line) => line !== '');
  const fitting = withinBytes(lines);
  return { mounts: parseMountinfo(fitting.join('\n')), omitted: lines.length - fitting.length, complete };
}

function withinBytes(lines: string[]): string[] {
  let total = 0;
  const end = lines.findIndex((line) => {
    total += line.length;
    return total > MAX_SENT_BYTES;
  });
  return end === -1 ? lines : lines.slice(0, end);
}
