/** What is remembered of each process: the raw facts of one reading, from which every list is derived. */
import type { CgroupPath } from '../proc/cgroup.ts';
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import type { Unknown } from '../protocol/errors.ts';
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../protocol/namespaces.ts';
import type { ProcessRef } from '../protocol/processes.ts';

/**
 * Inode numbers in the order of `NAMESPACE_KINDS`. `null` may not be read; `undefined`: the kernel lacks the kind, or the
 * process is a zombie and has left it.
 */
export type NamespaceInos = readonly (number | null | undefined)[];

/** A namespace that a process keeps alive by other means than being in it. */
export interface HeldNamespace {
  kind: NamespaceKind;
  ino: number;
}

export interface HeldDescriptor extends HeldNamespace {
  descriptor: number;
}

/**
 * Sockets and descriptors of the tun device: `descriptor, inode, descriptor, inode, …`, without an object for each, since there may be hundreds of
 * thousands. The inode number is a socket's own; it is `TUN` for the device, whose descriptors have none of their own.
 */
export type OpenSockets = readonly number[];
export const TUN = 0;

/** What keeps a net namespace alive, by having been opened in it, that its process is not in. */
export interface HeldSocket extends HeldDescriptor {
  tun: boolean;
  /** How many more of the same process do. */
  others: number;
}

/** Where the sockets of a process are. */
export interface SocketPlaces {
  /** One for each namespace. */
  elsewhere: readonly HeldSocket[];
  /** How many were not asked yet where they are. */
  unasked: number;
  /** Of how many that may not be known. */
  refused: number;
}

export const NO_SOCKETS: SocketPlaces = { elsewhere: [], unasked: 0, refused: 0 };

export interface DifferingThread {
  tid: number;
  name: string;
  /** Only the kinds in which it differs from the main thread. */
  namespaces: HeldNamespace[];
}

/** Which cgroups a process is in, and which container those say. Processes of the same cgroups share one of these. */
export interface CgroupMembership {
  cgroups: CgroupPath[];
  claim: CgroupClaim | undefined;
}

export interface ProcessRecord extends ProcessRef {
  name: string;
  state: string;
  parentPid: number;
  threads: number;
  kernelThread: boolean;
  uid: number;
  arguments: string[] | Unknown;
  nestedPids: number[];
  namespaces: NamespaceInos;
  /** `pid_for_children` and `time_for_children`, where they differ from its own. */
  forChildren: HeldNamespace[];
  /** Open nsfs files; undefined when its descriptors may not be read. */
  descriptors: HeldDescriptor[] | undefined;
  /** None, too, where its descriptors may not be read. */
  sockets: OpenSockets;
  socketPlaces: SocketPlaces;
  /** Undefined when its threads may not be read. */
  differingThreads: DifferingThread[] | undefined;
  membership: CgroupMembership;
  /** The scheduler's account of it, which stays the same while the process does nothing. */
  ran: number;
  /** The model's revision at which the record last changed in a way that a list shows. */
  revision: number;
}

/** Where each kind is in `NamespaceInos`. */
export const KIND_INDEX = Object.fromEntries(NAMESPACE_KINDS.map((kind, index) => [kind, index])) as Record<
  NamespaceKind,
  number
>;

export function namespaceOf(record: ProcessRecord, kind: NamespaceKind): number | null | undefined {
  return record.namespaces[KIND_INDEX[kind]];
}

const described = new WeakMap<NamespaceInos, Partial<Record<NamespaceKind, number | null>>>();

/** As the protocol sends them: a kind that the process has not is absent. Records that share an array share this too. */
export function namespacesByKind(inos: NamespaceInos): Partial<Record<NamespaceKind, number | null>> {
  const known = described.get(inos);
  if (known !== undefined) return known;
  const result: Partial<Record<NamespaceKind, number | null>> = {};
  NAMESPACE_KINDS.forEach((kind, index) => {
    const ino = inos[index];
    if (ino !== undefined) result[kind] = ino;
  });
  described.set(inos, result);
  return result;
}

export function refOf({ pid, startTime }: ProcessRef): ProcessRef {
  return { pid, startTime };
}

/** Whether anything that a list shows differs. Running and sleeping alternate all the time and say nothing. */
export function differs(before: ProcessRecord, after: ProcessRecord): boolean {
  return (
    before.startTime !== after.startTime ||
    before.name !== after.name ||
    before.parentPid !== after.parentPid ||
    before.threads !== after.threads ||
    before.uid !== after.uid ||
    before.membership !== after.membership ||
    settled(before.state) !== settled(after.state) ||
    !sameItems(before.namespaces, after.namespaces) ||
    !sameContent(before.arguments, after.arguments) ||
    !sameContent(before.forChildren, after.forChildren) ||
    !sameContent(before.descriptors, after.descriptors) ||
    !sameContent(before.socketPlaces.elsewhere, after.socketPlaces.elsewhere) ||
    !sameContent(before.differingThreads, after.differingThreads)
  );
}

function settled(state: string): string {
  return state === 'R' || state === 'D' ? 'S' : state;
}

function sameItems(before: NamespaceInos, after: NamespaceInos): boolean {
  return before.every((ino, index) => ino === after[index]);
}

/** Most of these are empty; comparing as text is paid only by the few that are not. */
function sameContent(before: readonly object[] | object | undefined, after: readonly object[] | object | undefined): boolean {
  if (before === after) return true;
  if (Array.isArray(before) && Array.isArray(after) && before.length === 0 && after.length === 0) return true;
  return JSON.stringify(before) === JSON.stringify(after);
}
