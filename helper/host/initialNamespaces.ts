/** The namespaces that the kernel made at boot, which nothing needs to pin. */

import { close, openDirectory, readBytes, readNamespaceLink } from '../kernel/files.ts';
import { AT_FDCWD, PF_KTHREAD } from '../kernel/numbers.ts';
import { parseStat } from '../proc/stat.ts';
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../protocol/namespaces.ts';

/** Fixed numbers (include/linux/proc_ns.h); `net` and `mnt` have theirs only since Linux 6.18. */
const INITIAL: Partial<Record<NamespaceKind, number>> = {
  ipc: 0xefffffff,
  uts: 0xeffffffe,
  user: 0xeffffffd,
  pid: 0xeffffffc,
  cgroup: 0xeffffffb,
  time: 0xeffffffa,
};

/** kthreadd lives in all of them. It is pid 2 of the initial pid namespace, and elsewhere not to be seen. */
const KTHREADD = '/proc/2';

function readInitial(): Partial<Record<NamespaceKind, number>> {
  const directory = openDirectory(AT_FDCWD, KTHREADD);
  if (directory < 0) return INITIAL;
  const initial = { ...INITIAL };
  const bytes = readBytes(directory, 'stat');
  const stat = typeof bytes === 'number' ? undefined : parseStat(bytes.toString('utf8'));
  if (stat !== undefined && (stat.flags & PF_KTHREAD) !== 0) {
    for (const kind of NAMESPACE_KINDS) {
      const ino = readNamespaceLink(directory, `ns/${kind}`);
      if (ino > 0) initial[kind] = ino;
    }
  }
  close(directory);
  return initial;
}

const initial = readInitial();

/** False also when it cannot be told: an ordinary user on an old kernel cannot see which net namespace is the first. */
export function isInitial({ kind, ino }: { kind: NamespaceKind; ino: number }): boolean {
  return initial[kind] === ino;
}
