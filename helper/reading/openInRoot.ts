/** Opening a path inside a root that is not trusted, and whose file systems may not answer. */

import { duplicate } from '../kernel/files.ts';
import { SyscallError } from '../kernel/libc.ts';
import { EAGAIN } from '../kernel/numbers.ts';
import { openCachedInRoot, openInRootNow } from '../kernel/openat2.ts';
import type { JobTable } from './answering.ts';
import { deviceOnTheWay } from './blockedCall.ts';
import { job } from './job.ts';
import { readers } from './readers.ts';

const OpenInRoot = job<{ root: number; path: string; flags: number }, { errno?: number }>('openInRoot');

/**
 * A descriptor (close-on-exec) of `path` as a process chrooted to `root` would open it: see `openInRootNow`. What the kernel knows by itself is opened at once,
 * when only a path is opened (`O_PATH`), which asks no file system. Rejects with a `SyscallError` when it cannot be opened, and with a `Failure`, `busy`, when its
 * file system does not answer.
 */
export async function openInRoot(root: number, path: string, flags: number): Promise<number> {
  const cached = openCachedInRoot(root, path, flags);
  if (cached >= 0) return cached;
  if (cached !== -EAGAIN) throw new SyscallError('openat2', -cached, path);
  const device = deviceOnTheWay(root, path);
  let opened: number | undefined;
  const prepare = () => {
    const own = duplicate(root);
    return { params: { root: own, path, flags }, descriptors: [own], path, ...(device === undefined ? {} : { device }) };
  };
  const { errno } = await readers.ask(OpenInRoot, prepare, { take: ([descriptor]) => (opened = descriptor) });
  if (opened !== undefined) return opened;
  throw new SyscallError('openat2', errno ?? 0, path);
}

export function answerOpenInRoot(jobs: JobTable): void {
  jobs.on(OpenInRoot, ({ root, path, flags }, { give }) => {
    const opened = openInRootNow(root, path, flags);
    if (opened < 0) return { errno: -opened };
    give(opened);
    return {};
  });
}
