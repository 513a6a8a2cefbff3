/**
 * The part of the protocol about cgroups: one vocabulary over v1, v2 and hybrid hosts (cgroups(7), the kernel's
 * Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst). Types and constants only.
 *
 * Units are in the names: micros are microseconds, bytes are bytes. `null` as a limit means that there is none (`max`, `-1`,
 * or v1's 9223372036854771712).
 */
import type { Unknown } from './errors.ts';
import { notification, request } from './message.ts';
import type { ProcessRef } from './processes.ts';
import type { Said } from './sentences.ts';

// ---------------------------------------------------------------------------------------------------------------------
// Identity

export interface CgroupHierarchy {
  /** Second field of `/proc/self/cgroup` (`cpu,cpuacct`, `name=systemd`), or `unified` for v2. */
  hierarchy: string;
  version: 1 | 2;
  controllers: string[];
  /** Where it is mounted in the helper's mount namespace, if it is. */
  mountPoint?: string;
  mountOptions?: string[];
}

/**
 * One cgroup. `hierarchy` is the second field of `/proc/self/cgroup` (`cpu`, `cpu,cpuacct`, `name=systemd`), or `unified` for v2; `path` is as seen
 * from the hierarchy's root, `/` for the root itself; `ino` the inode number of its directory, which tells a cgroup from a later one of the same
 * name. A byte of a name that is not UTF-8 is written as U+DC80 to U+DCFF (its value plus U+DC00), so that every name has a distinct text.
 */
export interface CgroupRef {
  hierarchy: string;
  path: string;
  ino: number;
}

/** The fact does not exist here, as opposed to being unknown: the version has no such thing, the kernel was built without, or the controller is not enabled for this cgroup. */
export interface Lacking {
  lacking: 'version' | 'kernel' | 'controller' | 'root';
}

/** A figure, or why there is none. */
export type Figure<T> = T | Lacking | Unknown;

// ---------------------------------------------------------------------------------------------------------------------
// Listing

/**
 * What the row of a cgroup is marked with. `nearLimit`: 90 % of a limit of memory or tasks is used; `throttled`: since the list before, when that is at
 * most 10 s ago, and never at the first one or by inspect; `invalidPartition`: its partition of CPUs is not in effect; `escapeRisk`: a container that inspect names a `danger` for; `escapeUnknown`: what may be read does not tell whether there is one.
 */
export type CgroupBadge =
  | 'nearLimit'
  | 'throttled'
  | 'invalidPartition'
  | 'oomKilled'
  | 'frozen'
  | 'empty'
  | 'delegated'
  | 'escapeRisk'
  | 'escapeUnknown';

/**
 * The figures that a list carries: those that a row shows. An absent one is lacking or unknown; inspect says which. While cgroups are watched, the
 * memory of one without a process may be 5 s old.
 */
export interface CgroupFigures {
  cpuUsageMicros?: number;
  /** Bandwidth limit as a share of one CPU: 0.02 for 2,000 µs of every 100,000 µs. Absent without a limit. */
  cpuLimitCores?: number;
  /** With `periods`, since the cgroup was made: how often its limit stopped it, of how often it wanted to run. */
  throttledPeriods?: number;
  periods?: number;
  memoryBytes?: number;
  /** Without the inactive page cache, as `docker stats` counts. Only where `memoryBytes` is close to the limit: it decides on `nearLimit`. */
  workingSetBytes?: number;
  /** The hard limit (`memory.max`, `memory.limit_in_bytes`). Absent without one. */
  memoryLimitBytes?: number;
  oomKills?: number;
  tasks?: number;
  tasksLimit?: number;
}

export interface Cgroup extends CgroupRef {
  /** Inode number of the parent cgroup; absent for the root of the hierarchy. */
  parent?: number;
  /** `key` of the container that it is the cgroup of (not of its descendants). */
  container?: string;
  /** What people call it: the container's name, the unit's (`ssh.service`), the session's. Absent when its own name says it all. */
  title?: string;
  /** v2: `cgroup.type`. v1: `domain`. */
  type: 'domain' | 'domain threaded' | 'domain invalid' | 'threaded';
  /** Processes that are members of this very cgroup (threads when it is threaded). `null`: may not be read. */
  memberCount: number | null;
  /** Whether there is a process in it or below it. */
  populated: boolean | null;
  /** v2: it divides CPUs off for itself, or is to. Absent for a `member`, as nearly all are, and where that is not known. */
  partition?: CpusetPartition;
  /** v2, of the root: cgroups that were removed and that the kernel still keeps, since something is charged to them. */
  dyingDescendants?: number;
  /** Uid that owns the directory, when that is not root: it is delegated to that user. */
  delegatedUid?: number;
  badges: CgroupBadge[];
  figures: CgroupFigures;
}

/** `cpuset.cpus.partition`: `kind` is `member`, `root` or `isolated`; `invalid` why it is not in effect, in the kernel's words, which may be none. */
export interface CpusetPartition {
  kind: string;
  invalid?: string;
}

export interface CgroupsListParams {
  /** Only this hierarchy; all of them when left out. */
  hierarchy?: string;
  /** False leaves `figures` and the badges that come from them out. Default true. */
  figures?: boolean;
}

export interface CgroupsListResult {
  mode: 'v1' | 'v2' | 'hybrid' | 'none';
  hierarchies: CgroupHierarchy[];
  /** Parents before children. */
  cgroups: Cgroup[];
  /** Hierarchies in use that cannot be looked into from here (not mounted where the helper sees it, no permission), with why. */
  unreadable: { hierarchy: string; why: Unknown }[];
  /** True when there were more cgroups than the helper lists. */
  truncated: boolean;
}

/** The cgroups of all hierarchies, with the figures that a list shows. */
export const CgroupsList = request('cgroups/list')<CgroupsListParams, CgroupsListResult>();

// ---------------------------------------------------------------------------------------------------------------------
// Inspecting

/** A limit of this cgroup and the one that really binds: the tightest among it and its ancestors. */
export interface Limit {
  /** `null`: no limit of its own. In the unit of the figure: cores, bytes, tasks. */
  own: number | null;
  /** The text of the file, as it is. */
  raw: string;
  /** Name of the file that holds it. */
  file: string;
  /**
   * `null`: nothing limits it, up to the root. Of CPU time, where no quota is as tight, the CPUs of its cpuset (`cpuset.cpus.effective`, on v1
   * `cpuset.effective_cpus` of another hierarchy), with the cgroup that narrows them; or those that the host has online, with the path of that file and
   * without a `by`.
   */
  effective: { value: number; by?: CgroupRef; raw: string; file: string } | null;
  /**
   * How much can still be taken before one of the limits is reached, what its siblings use counted; of CPU time, which is not used up, all that the
   * tightest limit gives. `null` without a limit.
   */
  headroom: number | null;
}

/** `some` and `full` of a pressure file (PSI): share of time in percent over 10, 60 and 300 s, and the total. */
export interface Pressure {
  some: { avg10: number; avg60: number; avg300: number; totalMicros: number };
  /** Absent for cpu at the root and on kernels before 5.13. */
  full?: { avg10: number; avg60: number; avg300: number; totalMicros: number };
}

export interface CgroupCpu {
  usageMicros: Figure<number>;
  userMicros: Figure<number>;
  systemMicros: Figure<number>;
  /** Bandwidth: `quotaMicros` of every `periodMicros`; `null` without a limit. */
  quotaMicros: Figure<number | null>;
  periodMicros: Figure<number>;
  burstMicros: Figure<number>;
  /** In cores: 0.02 is 2 % of one CPU. */
  limit: Figure<Limit>;
  /** v2 `cpu.weight`, 1 to 10,000; v1 `cpu.shares`, 2 to 262,144. The share among siblings that compete. */
  weight: Figure<{ value: number; file: string; shareOfSiblings: number | null }>;
  periods: Figure<number>;
  throttledPeriods: Figure<number>;
  throttledMicros: Figure<number>;
  /** `cpu.uclamp.min` and `.max`, percent. */
  uclamp: Figure<{ minPercent: number; maxPercent: number }>;
  pressure: Figure<Pressure>;
}

export interface CgroupMemory {
  usageBytes: Figure<number>;
  /** Usage without the inactive file cache, as kubelet and `docker stats` count it. */
  workingSetBytes: Figure<number>;
  peakBytes: Figure<number>;
  anonBytes: Figure<number>;
  fileBytes: Figure<number>;
  kernelBytes: Figure<number>;
  slabBytes: Figure<number>;
  swapBytes: Figure<number>;
  minBytes: Figure<number>;
  lowBytes: Figure<number>;
  highBytes: Figure<number | null>;
  limit: Figure<Limit>;
  /** v2 `memory.swap.max`: swap alone. v1 `memory.memsw.limit_in_bytes`: memory and swap together, as `file` says. */
  swapLimit: Figure<Limit>;
  /** v2 `memory.events`, v1 `memory.failcnt` (max) and `memory.oom_control` (oomKills). */
  events: Figure<{ low?: number; high?: number; max?: number; oom?: number; oomKills?: number }>;
  oomGroup: Figure<boolean>;
  pressure: Figure<Pressure>;
}

export interface CgroupIoDevice {
  /** `8:0` and, where it could be found, `sda`. */
  device: string;
  name?: string;
  readBytes?: number;
  writtenBytes?: number;
  readOperations?: number;
  writeOperations?: number;
  /** Per second; `null` without a limit. */
  limits: {
    readBytes: number | null;
    writtenBytes: number | null;
    readOperations: number | null;
    writeOperations: number | null;
  };
  weight?: number;
  /**
   * v1 only: the kernel counts nothing of this disk in any cgroup, since nowhere a limit was set on it yet (Linux 6.10 and newer): what was read
   * and written is unknown.
   */
  uncounted?: true;
}

export interface CgroupIo {
  devices: Figure<CgroupIoDevice[]>;
  weight: Figure<number>;
  pressure: Figure<Pressure>;
}

/** Ways out of a container that this cgroup offers: v1's `release_agent` (CVE-2022-0492). */
export interface CgroupRisk {
  kind: 'releaseAgent' | 'writableByContainer';
  /** What is so, with the evidence: the file and its value, and who could write it. */
  evidence: Said;
  /** What to do about it. */
  fix: Said;
  /** `danger`: a process in a container can use it now. `note`: it is set, but out of a container's reach. `unknown`: what may be read does not tell. */
  severity: 'danger' | 'note' | 'unknown';
}

export interface CgroupsInspectResult extends Cgroup {
  version: 1 | 2;
  /** Absolute path of its directory where the helper sees it. */
  directory: string;
  /** Controllers that act on it, and (v2) those that it hands on to its children. */
  controllers: string[];
  childControllers: Figure<string[]>;
  members: (ProcessRef & { name: string; tid?: number })[] | Unknown;
  cpu: CgroupCpu | Lacking;
  memory: CgroupMemory | Lacking;
  io: CgroupIo | Lacking;
  pids: { tasks: Figure<number>; limit: Figure<Limit>; limitHits: Figure<number> } | Lacking;
  /** Lists as the kernel writes them, `0-3,8`. */
  cpuset:
    | {
        cpus: Figure<string>;
        effectiveCpus: Figure<string>;
        mems: Figure<string>;
        effectiveMems: Figure<string>;
        cpuPartition: Figure<CpusetPartition>;
      }
    | Lacking;
  /** Of each size. What is reserved (`rsvd`, by mmap(2)) is charged before it is used (Linux 5.7). */
  hugetlb:
    | {
        pageSize: string;
        usageBytes: Figure<number>;
        limit: Figure<Limit>;
        reservedBytes: Figure<number>;
        reservationLimit: Figure<Limit>;
      }[]
    | Lacking;
  freezer: Figure<{ frozen: boolean; self: boolean; state: string }>;
  /** v1: the lines of `devices.list`. v2: only that a BPF program decides, whether one is attached, where that may be asked. */
  devices: { list: string[] } | { bpf: boolean | Unknown } | Lacking;
  /** `rdma`, `misc` and further controllers: their files with their text. */
  others: { file: string; text: string }[];
  risks: CgroupRisk[];
  /** v1: `notify_on_release`; v2: `cgroup.events`. */
  notifyOnRelease: Figure<boolean>;
  events: Figure<Record<string, number>>;
  /**
   * v2 `cgroup.stat`: cgroups below it; those `dying` were removed, but something is still charged to them. `dyingOf`: with state of a controller left
   * (Linux 6.12), only where that is not none.
   */
  descendants: Figure<{ live: number; dying: number; dyingOf: Record<string, number> }>;
  /** Every file of its directory, in the order of their names, with whether this helper may write it. */
  files: { name: string; mode: number; writable: boolean }[];
}

/** All that the files of one cgroup tell, and the limits that really bind. */
export const CgroupsInspect = request('cgroups/inspect')<{ cgroup: CgroupRef }, CgroupsInspectResult>();

// ---------------------------------------------------------------------------------------------------------------------
// Files

/** `file` is a name in the cgroup's directory, such as `cpu.max`: one component, of a regular file. */
export interface CgroupFileRef {
  cgroup: CgroupRef;
  file: string;
}

/** The text of one file, at most 1 MiB; `kernel` with the errno when the kernel refuses, `busy` when the read did not end in 2 s. */
export const CgroupsReadFile = request('cgroups/readFile')<CgroupFileRef, { text: string; writable: boolean }>();

/** One write(2) of `text`. A refusal (`EINVAL`, `EBUSY`, `ERANGE`) comes back with the accepted format as its hint. */
export const CgroupsWriteFile = request('cgroups/writeFile')<
  CgroupFileRef & { text: string; acknowledged?: string[] },
  { text: string | Unknown }
>();

// ---------------------------------------------------------------------------------------------------------------------
// Samples

export interface CgroupsSubscribeParams {
  /** All that is to be sampled from now on; empty ends it. Each call replaces the one before with the same `subscription`. */
  cgroups: CgroupRef[];
  /** Names the subscription; chosen by the client, one for each panel. */
  subscription: string;
  /** Default 1,000. */
  intervalMillis?: number;
}

/** What was read from and written to one block device, and with how many operations. */
export interface CgroupIoCounters {
  readBytes?: number;
  writtenBytes?: number;
  readOperations?: number;
  writeOperations?: number;
}

/**
 * Counters as they stand; the client makes rates of them. Absent: lacking or unknown, as the sums over all devices are where one is not counted
 * (`CgroupIoDevice.uncounted`).
 */
export interface CgroupSample extends CgroupIoCounters {
  cpuUsageMicros?: number;
  periods?: number;
  throttledPeriods?: number;
  throttledMicros?: number;
  /** In cores, as the effective limit; absent where only the CPUs of the host limit it. */
  cpuLimitCores?: number;
  memoryBytes?: number;
  workingSetBytes?: number;
  memoryLimitBytes?: number;
  oomKills?: number;
  tasks?: number;
  tasksLimit?: number;
  /** The devices that the sums above are of, at most 64; `device` is `8:0`, `name` `sda` where it could be found. */
  devices?: (CgroupIoCounters & { device: string; name?: string })[];
  cpuPressureMicros?: number;
  memoryPressureMicros?: number;
  ioPressureMicros?: number;
  /** A file whose reading the kernel did not end within 2 s: until it does, nothing else of this cgroup is read, and every figure is unknown. */
  heldBack?: string;
}

export interface CgroupsSampledParams {
  subscription: string;
  /** When it was read, of the monotonic clock: differences are exact, even when samples are late or missing. */
  monotonicMillis: number;
  /** The same moment as milliseconds since the Unix epoch, for labels. */
  timeMillis: number;
  /** In the order of the subscription; `null` when that cgroup is gone. */
  samples: (CgroupSample | null)[];
}

/** Has cgroups sampled from now on: `cgroups/sampled` brings what was read. */
export const CgroupsSubscribe = request('cgroups/subscribe')<CgroupsSubscribeParams, Record<string, never>>();

/** A sample of every cgroup of a subscription. */
export const CgroupsSampled = notification('cgroups/sampled')<CgroupsSampledParams>();

// ---------------------------------------------------------------------------------------------------------------------
// Changes

/** One change that a person may make. `null` removes a limit. */
export type CgroupChange =
  | { kind: 'cpuLimit'; quotaMicros: number | null; periodMicros?: number }
  /** In the unit of the file: v2 `cpu.weight`, v1 `cpu.shares`. */
  | { kind: 'cpuWeight'; weight: number }
  | { kind: 'memoryLimit'; limitBytes: number | null }
  | { kind: 'memoryHigh'; limitBytes: number | null }
  | { kind: 'swapLimit'; limitBytes: number | null }
  | { kind: 'tasksLimit'; limit: number | null }
  | {
      kind: 'ioLimit';
      /** `8:0` */
      device: string;
      readBytes?: number | null;
      writtenBytes?: number | null;
      readOperations?: number | null;
      writeOperations?: number | null;
    }
  | { kind: 'freeze'; frozen: boolean }
  /** v2 `cgroup.kill`; else freeze, signal every process, thaw. */
  | { kind: 'kill' }
  /** A child of this name. */
  | { kind: 'create'; name: string }
  | { kind: 'remove' }
  | { kind: 'move'; process: ProcessRef }
  /** v2 `cgroup.subtree_control`: for the children of this cgroup. */
  | { kind: 'controller'; controller: string; enabled: boolean }
  /** Puts back what a file held; what undo sends. */
  | { kind: 'write'; file: string; text: string };

/** Something to know before it is done. The change is refused until its `id` is among `acknowledged`. */
export interface ChangeWarning {
  /**
   * `root`; `ownCgroup`, `ancestorOfHelper`, `vscode`, `init`: who is in it or below, or is moved; `frozen`: who joins stops; `frozenAbove`: it stays
   * frozen; `belowUsage`; `releaseAgent`; `irreversible`. Others may come.
   */
  id: string;
  severity: 'danger' | 'caution';
  message: Said;
}

export interface CgroupsExplainResult {
  /** What will be done, in order: writes with the file's full path and text, and what stands there now. */
  steps: (
    | { do: 'write'; file: string; text: string; before: string | Unknown }
    | { do: 'mkdir' | 'rmdir'; directory: string }
    | { do: 'signal'; signal: string; processes: number }
  )[];
  warnings: ChangeWarning[];
}

export interface CgroupsChangeParams {
  cgroup: CgroupRef;
  change: CgroupChange;
  /** `id`s of the warnings that the person has seen and accepted. */
  acknowledged?: string[];
}

export interface CgroupsChangeResult {
  /** What puts everything back; empty when that cannot be (kill, remove). In this order. */
  undo: { cgroup: CgroupRef; change: CgroupChange }[];
  /** The cgroup that was created. */
  created?: CgroupRef;
  /** Processes that were killed. */
  killed?: number;
}

/** What a change would do, without doing it: validated, with warnings. Throws what `cgroups/change` would, where that can be known. */
export const CgroupsExplain = request('cgroups/explain')<CgroupsChangeParams, CgroupsExplainResult>();

/**
 * Makes a change. `busy` when a warning was not acknowledged; then nothing was written, and the hint has a line for each, `id: message`. An undo is a
 * change like any other and can have warnings of its own.
 */
export const CgroupsChange = request('cgroups/change')<CgroupsChangeParams, CgroupsChangeResult>();

/** `cgroups/change` with `freeze`, under a name of its own for scripts. */
export const CgroupsFreeze = request('cgroups/freeze')<
  { cgroup: CgroupRef; frozen: boolean; acknowledged?: string[] },
  CgroupsChangeResult
>();

/** `cgroups/change` with `kill`, likewise. */
export const CgroupsKill = request('cgroups/kill')<{ cgroup: CgroupRef; acknowledged?: string[] }, CgroupsChangeResult>();
