/**
 * Whose a namespace is that several are in. The kernel does not say who made one; who has been in it for longest did, since others can only
 * join what exists. A daemon that is older than a container may have joined that one's network (setns(2)), though nobody takes its root
 * and its pids from another without being started anew: so who is inside by those comes before who is not.
 */
import { leadsBefore } from './containerGroup.ts';
import { isOwn } from './hostNamespaces.ts';
import type { NamespaceIndex } from './namespaceIndex.ts';
import { KIND_INDEX, type ProcessRecord } from './processRecord.ts';

/** What makes a process be elsewhere than on the host: its files, else its pids. */
export const PLACES = [KIND_INDEX.mnt, KIND_INDEX.pid];
/** The namespaces by which is told where a process belongs, the most telling first. */
export const BY_WEIGHT = [
  ...PLACES,
  ...(['net', 'user', 'ipc', 'uts', 'cgroup', 'time'] as const).map((kind) => KIND_INDEX[kind]),
];

/** A chain of parents is finite, but one read while processes are reparented might seem not to be. */
export const MAX_ANCESTORS = 64;

/** Whether it has other files or other pids than the host. The nested pids may be read of everybody's, namespaces only of one's own. */
export function isInside(record: ProcessRecord): boolean {
  return record.nestedPids.length > 0 || PLACES.some((kind) => isOwn(record, kind));
}

/** Of one moment of the index. */
export class NamespaceHomes {
  private readonly index: NamespaceIndex;
  private readonly known = new Map<number, ProcessRecord | undefined>();

  constructor(index: NamespaceIndex) {
    this.index = index;
  }

  /** Who made the namespace with this number, as far as that one is still in it; undefined when nobody is. */
  of(ino: number): ProcessRecord | undefined {
    if (this.known.has(ino)) return this.known.get(ino);
    const members = this.index.get(ino)?.members ?? new Map<number, ProcessRecord>();
    let home: ProcessRecord | undefined;
    for (const record of members.values()) if (home === undefined || isNearer(record, home)) home = record;
    // What it was started in it did not make.
    for (let depth = 0; home !== undefined && depth < MAX_ANCESTORS; depth += 1) {
      const parent = members.get(home.parentPid);
      if (parent === undefined) break;
      home = parent;
    }
    this.known.set(ino, home);
    return home;
  }

  /** Who made the most telling of a process's namespaces that are not the host's; undefined when it has none of these kinds. */
  ofProcess(record: ProcessRecord, kinds: readonly number[] = BY_WEIGHT): ProcessRecord | undefined {
    const kind = kinds.find((candidate) => isOwn(record, candidate));
    const ino = kind === undefined ? undefined : record.namespaces[kind];
    return typeof ino === 'number' ? this.of(ino) : undefined;
  }
}

function isNearer(one: ProcessRecord, other: ProcessRecord): boolean {
  const inside = isInside(one);
  return inside === isInside(other) ? leadsBefore(one, other) : inside;
}
