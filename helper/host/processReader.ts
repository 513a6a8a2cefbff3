/** Reads one process out of `/proc`, with as few system calls as its facts allow; a scan does this thousands of times. */

import fs from 'node:fs';
import {
  close,
  linkBytes,
  openDirectory,
  ownerOf,
  readBytes,
  readLink,
  readNamespaceLink,
  readNumbers,
  sizeOf,
} from '../kernel/files.ts';
import { errnoName } from '../kernel/libc.ts';
import { AT_FDCWD, EACCES, EPERM, PF_KTHREAD } from '../kernel/numbers.ts';
import { parseCgroups } from '../proc/cgroup.ts';
import { claimOfCgroups } from '../proc/cgroupClaim.ts';
import { parseCmdline } from '../proc/cmdline.ts';
import { parseNamespaceLink } from '../proc/namespaceLink.ts';
import { parseSocketLink } from '../proc/socketLink.ts';
import { parseStat, type Stat } from '../proc/stat.ts';
import { parseStatus } from '../proc/status.ts';
import type { Unknown } from '../protocol/errors.ts';
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../protocol/namespaces.ts';
import {
  type CgroupMembership,
  type DifferingThread,
  type HeldDescriptor,
  type HeldNamespace,
  type NamespaceInos,
  NO_SOCKETS,
  type ProcessRecord,
  TUN,
} from './processRecord.ts';

/** Of a command line, as the protocol says. */
const MAX_CMDLINE_BYTES = 4096;
/** Of `/proc/PID/cgroup`: a line a hierarchy, each at most PATH_MAX. */
const MAX_CGROUP_BYTES = 32 * 1024;

const LINKS = NAMESPACE_KINDS.map((kind) => `ns/${kind}`);
const PID = NAMESPACE_KINDS.indexOf('pid');
const TIME = NAMESPACE_KINDS.indexOf('time');

/** The kinds that this kernel has, in the order of `NAMESPACE_KINDS`: those of the helper itself. */
export const SUPPORTED: readonly boolean[] = NAMESPACE_KINDS.map((kind) => fs.existsSync(`/proc/self/ns/${kind}`));

const ownPidNamespace = readNamespaceLink(AT_FDCWD, '/proc/self/ns/pid');
const HAS_PID_FOR_CHILDREN = fs.existsSync('/proc/self/ns/pid_for_children');
const HAS_TIME_FOR_CHILDREN = fs.existsSync('/proc/self/ns/time_for_children');
const proc = openDirectory(AT_FDCWD, '/proc');

/** Since Linux 6.2 the size of `/proc/PID/fd` is the number of descriptors (proc_pid_fd(5)). */
const COUNTS_DESCRIPTORS = sizeOf(AT_FDCWD, '/proc/self/fd') > 0;
const SLASH = 0x2f;
const CLOSING_BRACKET = 0x5d;

export function listPids(): number[] {
  const pids = readNumbers(proc, '.');
  return typeof pids === 'number' ? [] : pids;
}

/**
 * Undefined when there is no such process (any more). Its `revision` is 0 until the model sets it. With what was read
 * `before`, only what can have changed is read again.
 */
export function readProcess(pid: number, before?: ProcessRecord): ProcessRecord | undefined {
  const directory = openDirectory(proc, String(pid));
  if (directory < 0) return undefined;
  try {
    return readProcessIn(directory, before);
  } finally {
    close(directory);
  }
}

/** Start time of whichever process has the pid now; undefined when none has. */
export function readStartTime(pid: number): number | undefined {
  return readStat(proc, `${pid}/stat`)?.startTime;
}

/** Reads the process whose `/proc/PID` is held as `directory`; undefined when it has ended. */
export function readProcessIn(directory: number, before?: ProcessRecord): ProcessRecord | undefined {
  // Before everything else: what it does while it is read is then seen to have happened the next time.
  const ran = readRuns(directory);
  const stat = readStat(directory, 'stat');
  if (stat === undefined) return undefined;
  if (before !== undefined && hasNotRun(before, ran, stat)) return { ...before, ...livingFacts(directory, stat) };
  const namespaces = shared(readNamespaces(directory, '', stat.state));
  const kernelThread = (stat.flags & PF_KTHREAD) !== 0;
  return {
    pid: stat.pid,
    startTime: stat.startTime,
    ...livingFacts(directory, stat),
    kernelThread,
    ran,
    uid: Math.max(0, ownerOf(directory)),
    arguments: kernelThread ? NONE : readArguments(directory),
    nestedPids: namespaces[PID] === ownPidNamespace || kernelThread ? NONE : readNestedPids(directory),
    namespaces,
    forChildren: kernelThread ? NONE : orNone(readForChildren(directory, namespaces)),
    ...readOpenFiles(directory, kernelThread),
    differingThreads: stat.threads > 1 ? orNone(readDifferingThreads(directory, namespaces)) : NONE,
    revision: 0,
  };
}

/** Most processes have none of most things: thousands of records share this one. */
const NONE: never[] = [];

function orNone<T extends unknown[] | undefined>(items: T): T {
  return (items?.length === 0 ? NONE : items) as T;
}

/** What others can change of a process that does nothing. */
function livingFacts(directory: number, stat: Stat) {
  return {
    name: stat.name,
    state: stat.state,
    parentPid: stat.parentPid,
    threads: stat.threads,
    membership: readMembership(directory),
  };
}

/**
 * A process changes its namespaces, descriptors, arguments and user only by running, and the scheduler counts that: one that
 * was not given a processor since is as it was. With several threads only the first one's count would be seen.
 */
function hasNotRun(before: ProcessRecord, ran: number, stat: Stat): boolean {
  const sameProcess = before.startTime === stat.startTime && before.threads === 1 && stat.threads === 1;
  return sameProcess && before.state === stat.state && stat.state !== 'R' && before.ran === ran && ran !== NOT_COUNTED;
}

const NOT_COUNTED = -1;

/**
 * `/proc/PID/schedstat`: nanoseconds on a processor, nanoseconds of waiting for one, and how often it got one. All only grow,
 * so their sum tells one state from another. `NOT_COUNTED` when the kernel lacks it.
 */
function readRuns(directory: number): number {
  const bytes = readBytes(directory, 'schedstat');
  if (typeof bytes === 'number') return NOT_COUNTED;
  return bytes
    .toString('latin1')
    .split(' ')
    .reduce((sum, field) => sum + Number(field), 0);
}

function readStat(directory: number, path: string): Stat | undefined {
  const bytes = readBytes(directory, path);
  return typeof bytes === 'number' ? undefined : parseStat(bytes.toString('utf8'));
}

/** `prefix` is empty for the process itself, `task/TID/` for a thread. */
function readNamespaces(directory: number, prefix: string, state: string): NamespaceInos {
  return LINKS.map((link, index) => {
    if (!SUPPORTED[index]) return undefined;
    const ino = readNamespaceLink(directory, prefix + link);
    if (ino >= 0) return ino;
    // A zombie has let go of its namespaces (ENOENT), or ends while it is read; anything else may not be read.
    return state === 'Z' || !mayNotBeRead(ino) ? undefined : null;
  });
}

let lastNamespaces: NamespaceInos = [];

/** The same array for processes in the same namespaces that are read one after another, as most are. */
function shared(namespaces: NamespaceInos): NamespaceInos {
  const isSame = lastNamespaces.length > 0 && namespaces.every((ino, index) => ino === lastNamespaces[index]);
  if (!isSame) lastNamespaces = namespaces;
  return lastNamespaces;
}

function mayNotBeRead(result: number): boolean {
  return result === -EACCES || result === -EPERM;
}

function readArguments(directory: number): string[] | Unknown {
  const bytes = readBytes(directory, 'cmdline', MAX_CMDLINE_BYTES);
  if (typeof bytes !== 'number') return bytes.length === 0 ? [] : parseCmdline(bytes);
  return mayNotBeRead(bytes) ? { unknown: 'permission', errno: errnoName(-bytes) } : [];
}

/** The first pid is the one in the helper's own namespace; a pid of 0 would be of one that it does not reach into. */
function readNestedPids(directory: number): number[] {
  const bytes = readBytes(directory, 'status');
  return typeof bytes === 'number' ? [] : parseStatus(bytes.toString('utf8')).namespacePids.slice(1);
}

function readForChildren(directory: number, namespaces: NamespaceInos): HeldNamespace[] {
  const held: HeldNamespace[] = [];
  const add = (kind: NamespaceKind, index: number) => {
    if (typeof namespaces[index] !== 'number') return;
    const ino = readNamespaceLink(directory, `ns/${kind}_for_children`);
    if (ino > 0 && ino !== namespaces[index]) held.push({ kind, ino });
  };
  if (HAS_PID_FOR_CHILDREN) add('pid', PID);
  if (HAS_TIME_FOR_CHILDREN) add('time', TIME);
  return held;
}

/** What is looked for among the descriptors of a process. */
interface OpenFiles {
  namespaces: HeldDescriptor[];
  /** As `OpenSockets`. */
  sockets: number[];
}

function readOpenFiles(
  directory: number,
  kernelThread: boolean,
): Pick<ProcessRecord, 'descriptors' | 'sockets' | 'socketPlaces'> {
  const found: OpenFiles = { namespaces: [], sockets: [] };
  const isRead = kernelThread || readDescriptors(directory, found);
  const sockets = isRead ? orNone(found.sockets) : NONE;
  return {
    descriptors: isRead ? orNone(found.namespaces) : undefined,
    sockets,
    socketPlaces: sockets === NONE ? NO_SOCKETS : { elsewhere: NONE, unasked: sockets.length / 2, refused: 0 },
  };
}

/**
 * Most processes have few descriptors, numbered from 0 without a gap. Where the kernel tells how many there are, those are
 * found without listing the directory, which costs as much as reading them. False when they may not be read.
 */
function readDescriptors(directory: number, found: OpenFiles): boolean {
  const size = COUNTS_DESCRIPTORS ? sizeOf(directory, 'fd') : -1;
  const count = size < 0 ? Number.POSITIVE_INFINITY : size;
  let next = 0;
  while (next < count && readDescriptor(directory, next, found) > 0) next += 1;
  if (next >= count) return true;
  const numbers = readNumbers(directory, 'fd');
  if (typeof numbers === 'number') return !mayNotBeRead(numbers);
  for (const descriptor of numbers) {
    // The names of another's descriptors may be listed where their targets may not be read.
    if (descriptor >= next && mayNotBeRead(readDescriptor(directory, descriptor, found))) return false;
  }
  return true;
}

/** Notes the descriptor if it is looked for. The length of its link, or `-errno`. */
function readDescriptor(directory: number, descriptor: number, found: OpenFiles): number {
  const length = readLink(directory, `fd/${descriptor}`);
  if (length > 0) noteDescriptor(found, descriptor, length);
  return length;
}

/** Keeps the descriptor whose link was just read if it is a namespace's, a socket or the tun device. Most links are paths of other files. */
function noteDescriptor({ namespaces, sockets }: OpenFiles, descriptor: number, length: number): void {
  if (linkBytes[0] === SLASH) {
    if (endsLikeTun(length)) sockets.push(descriptor, TUN);
    return;
  }
  if (linkBytes[length - 1] !== CLOSING_BRACKET) return;
  const socket = parseSocketLink(linkBytes, length);
  if (socket !== undefined) {
    sockets.push(descriptor, socket);
    return;
  }
  const link = parseNamespaceLink(linkBytes.toString('utf8', 0, length));
  if (link !== undefined) namespaces.push({ ...link, descriptor });
}

const TUN_NAME = '/tun';
const LAST_OF_TUN = TUN_NAME.charCodeAt(TUN_NAME.length - 1);

/** `/dev/net/tun`, wherever a container has its `/dev`. What else is called so is found to be none when it is asked. */
function endsLikeTun(length: number): boolean {
  return linkBytes[length - 1] === LAST_OF_TUN && linkBytes.toString('latin1', length - TUN_NAME.length, length) === TUN_NAME;
}

function readDifferingThreads(directory: number, namespaces: NamespaceInos): DifferingThread[] | undefined {
  const tids = readNumbers(directory, 'task');
  if (typeof tids === 'number') return mayNotBeRead(tids) ? undefined : [];
  const differing: DifferingThread[] = [];
  for (const tid of tids) {
    const own = readNamespaces(directory, `task/${tid}/`, '');
    if (own.includes(null)) return undefined;
    const held: HeldNamespace[] = [];
    NAMESPACE_KINDS.forEach((kind, index) => {
      const ino = own[index];
      if (typeof ino === 'number' && ino !== namespaces[index]) held.push({ kind, ino });
    });
    if (held.length > 0) differing.push({ tid, name: readStat(directory, `task/${tid}/stat`)?.name ?? '', namespaces: held });
  }
  return differing;
}

const memberships = new Map<string, CgroupMembership>();
const MAX_MEMBERSHIPS = 20_000;

/** Parsed once for each text: thousands of processes share a few. */
function readMembership(directory: number): CgroupMembership {
  const bytes = readBytes(directory, 'cgroup', MAX_CGROUP_BYTES);
  const text = typeof bytes === 'number' ? '' : bytes.toString('utf8');
  let membership = memberships.get(text);
  if (membership === undefined) {
    if (memberships.size >= MAX_MEMBERSHIPS) memberships.clear();
    const cgroups = parseCgroups(text);
    membership = { cgroups, claim: claimOfCgroups(cgroups) };
    memberships.set(text, membership);
  }
  return membership;
}
