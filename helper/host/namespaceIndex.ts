/** Which processes are in each namespace, and which hold it otherwise: kept up to date record by record. */
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind, Pin } from '../protocol/namespaces.ts';
import { type HeldNamespace, type ProcessRecord, refOf } from './processRecord.ts';

/** A namespace that some process is in or holds. */
export interface IndexedNamespace {
  readonly kind: NamespaceKind;
  readonly ino: number;
  readonly members: Map<number, ProcessRecord>;
  /** Pins by the pid of the process that has them. */
  readonly pins: Map<number, Pin[]>;
  /** The member with the lowest pid; undefined when it has to be looked for. See `leaderOf`. */
  leader: ProcessRecord | undefined;
}

/** The member with the lowest pid, for a pid namespace its init. It is remembered, for the host's have thousands of members. */
export function leaderOf(namespace: IndexedNamespace): ProcessRecord | undefined {
  if (namespace.leader !== undefined) return namespace.leader;
  for (const member of namespace.members.values()) {
    if (namespace.leader === undefined || member.pid < namespace.leader.pid) namespace.leader = member;
  }
  return namespace.leader;
}

export class NamespaceIndex {
  private readonly byIno = new Map<number, IndexedNamespace>();
  private appeared = new Set<number>();
  private readonly unread = new Map<number, ProcessRecord>();
  private readonly unexamined = new Map<number, ProcessRecord>();

  get namespaces(): Iterable<IndexedNamespace> {
    return this.byIno.values();
  }

  /** Processes whose own namespaces could not be read. */
  get unreadable(): ReadonlyMap<number, ProcessRecord> {
    return this.unread;
  }

  /** Processes that could hide a pin: not all of their namespaces, descriptors and threads could be read. */
  get unexaminedProcesses(): ReadonlyMap<number, ProcessRecord> {
    return this.unexamined;
  }

  /** Numbers are unique among all kinds at one time (the kernel draws them from one pool). */
  get(ino: number): IndexedNamespace | undefined {
    return this.byIno.get(ino);
  }

  /** Numbers that came up since this was last asked: what was known of a namespace with such a number is of another one. */
  takeAppeared(): Set<number> {
    const { appeared } = this;
    this.appeared = new Set();
    return appeared;
  }

  add(record: ProcessRecord): void {
    NAMESPACE_KINDS.forEach((kind, index) => {
      const ino = record.namespaces[index];
      if (typeof ino === 'number') enter(this.entry({ kind, ino }), record);
    });
    for (const [held, pin] of pinsOf(record)) {
      const { pins } = this.entry(held);
      const known = pins.get(record.pid);
      if (known === undefined) pins.set(record.pid, [pin]);
      else known.push(pin);
    }
    if (record.namespaces.includes(null)) this.unread.set(record.pid, record);
    const isPart = record.descriptors === undefined || record.differingThreads === undefined;
    if (isPart || this.unread.has(record.pid)) this.unexamined.set(record.pid, record);
  }

  /** Must be given the very record that was added. */
  remove(record: ProcessRecord): void {
    for (const ino of record.namespaces) if (typeof ino === 'number') this.release(ino, record.pid);
    for (const [held] of pinsOf(record)) this.release(held.ino, record.pid);
    this.unread.delete(record.pid);
    this.unexamined.delete(record.pid);
  }

  private entry({ kind, ino }: HeldNamespace): IndexedNamespace {
    let entry = this.byIno.get(ino);
    // The number of a namespace that ended is soon given to another one.
    if (entry === undefined || entry.kind !== kind) {
      entry = { kind, ino, members: new Map(), pins: new Map(), leader: undefined };
      this.byIno.set(ino, entry);
      this.appeared.add(ino);
    }
    return entry;
  }

  private release(ino: number, pid: number): void {
    const entry = this.byIno.get(ino);
    if (entry === undefined) return;
    entry.members.delete(pid);
    if (entry.leader?.pid === pid) entry.leader = undefined;
    entry.pins.delete(pid);
    if (entry.members.size === 0 && entry.pins.size === 0) this.byIno.delete(ino);
  }
}

function enter(namespace: IndexedNamespace, record: ProcessRecord): void {
  namespace.members.set(record.pid, record);
  if (namespace.leader !== undefined && record.pid < namespace.leader.pid) namespace.leader = record;
}

/** Every pin that a process is the cause of. */
function pinsOf(record: ProcessRecord): [HeldNamespace, Pin][] {
  const process = refOf(record);
  const pins: [HeldNamespace, Pin][] = [];
  for (const held of record.forChildren) pins.push([held, { by: 'forChildren', process, name: record.name }]);
  for (const held of record.descriptors ?? []) {
    pins.push([held, { by: 'descriptor', process, name: record.name, descriptor: held.descriptor }]);
  }
  for (const held of record.socketPlaces.elsewhere) {
    const { descriptor, tun, others } = held;
    pins.push([held, { by: 'socket', process, name: record.name, descriptor, tun, others }]);
  }
  for (const { tid, name, namespaces } of record.differingThreads ?? []) {
    for (const held of namespaces) pins.push([held, { by: 'thread', process, tid, name }]);
  }
  return pins;
}
