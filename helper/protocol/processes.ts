/** The part of the protocol about processes. Types and constants only. */
import type { Unknown } from './errors.ts';
import type { ListParams } from './lists.ts';
import { request } from './message.ts';
import type { NamespaceKind, NamespaceRef } from './namespaceKinds.ts';

/** A process. A PID alone is reused; a PID with its start time is not. */
export interface ProcessRef {
  pid: number;
  /** Field 22 of `/proc/PID/stat`: clock ticks from boot to the start of the process. */
  startTime: number;
}

/** State letter of `/proc/PID/stat` (proc_pid_stat(5)): `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`. */
export type ProcessState = string;

export interface Process extends ProcessRef {
  /** 0 when the parent is outside the helper's pid namespace or is the kernel. */
  parentPid: number;
  /** `comm`, at most 15 bytes (64 for kernel threads). Bytes that are not UTF-8 are shown as U+FFFD. */
  name: string;
  /** `/proc/PID/cmdline` split at NULs, at most 4,096 bytes of it; empty for kernel threads and zombies. */
  arguments: string[] | Unknown;
  state: ProcessState;
  /** Effective uid as the helper sees it, and its name on the host. */
  uid: number;
  user: string;
  threads: number;
  kernelThread: boolean;
  /** `key` of the container it belongs to. */
  container?: string;
  /**
   * It was not started in its container but brought into it, or into namespaces that are no container's: by Isoscope (a terminal, a program,
   * a process that looks at a namespace), or by another program (`docker exec`, `nsenter`). What it starts in there has no such mark.
   */
  entered?: 'isoscope' | 'other';
  /** Its pids in the nested pid namespaces, outermost first and without the helper's own: `[7, 1]`. Empty when not nested. */
  nestedPids: number[];
  /** Inode numbers of its namespaces. A kind that is absent is lacking in the kernel; `null` may not be read. */
  namespaces: Partial<Record<NamespaceKind, number | null>>;
}

export interface ProcessesListResult {
  revision: number;
  /** True: `processes` is everything. False: changes since `since`. */
  complete: boolean;
  processes: Process[];
  /** Processes that ended since `since`; empty when complete. */
  gone: ProcessRef[];
}

/** All processes, or what changed of them since an earlier answer. Threads are not listed. */
export const ProcessesList = request('processes/list')<ListParams, ProcessesListResult>();

/** One process's capability sets, by name (capabilities(7)). */
export interface CapabilitySets {
  inheritable: string[];
  permitted: string[];
  effective: string[];
  bounding: string[];
  ambient: string[];
}

export interface IdMapping {
  /** First id inside the namespace, first id outside, as seen by the helper, and how many. */
  inside: number;
  outside: number;
  count: number;
}

/** What confines a process's view of the file system (scenario: chroot against pivot_root). */
export interface RootView {
  /** `host`: the host's root. `mountNamespace`: its own mount namespace, whose root it is at. `chroot`: a directory below the root of its mount namespace. */
  confinement: 'host' | 'mountNamespace' | 'chroot' | 'chrootInMountNamespace';
  /** The root as a path in its mount namespace, `/proc/PID/root`. */
  path: string;
  /** File system type and source of the mount at its root. */
  mount?: { type: string; source: string };
  /**
   * Where in its mount namespace the host's root directory, or one above it on the same file system, is still mounted. The paths begin
   * at the namespace's root, so for a process that chroot(2) confines those not below `path` are hidden, and mounted all the same. A bind
   * mount of a single file or folder below it (Docker's `/etc/hosts`) is none: it does not lead up to the rest.
   */
  hostRootReachableAt: string[] | Unknown;
}

export interface ThreadIsolation {
  tid: number;
  name: string;
  /** Only the namespaces in which it differs from the process's main thread. */
  namespaces: Partial<Record<NamespaceKind, number | null>>;
}

export interface ProcessesInspectResult extends Process {
  executable: string | Unknown;
  workingDirectory: string | Unknown;
  root: RootView | Unknown;
  credentials: { uid: [number, number, number, number]; gid: [number, number, number, number]; groups: number[] } | Unknown;
  capabilities: CapabilitySets | Unknown;
  noNewPrivileges: boolean | Unknown;
  /** seccomp(2) mode; the number of filters where the kernel tells. */
  seccomp: { mode: 'disabled' | 'strict' | 'filter'; filters?: number } | Unknown;
  /** The security module's label (`/proc/PID/attr/current`), absent when no module gives one. */
  securityLabel?: string | Unknown;
  uidMap: IdMapping[] | Unknown;
  gidMap: IdMapping[] | Unknown;
  cgroups: { hierarchy: string; path: string }[] | Unknown;
  /** Each namespace with whether it is the host's; the `ForChildren` links where they differ. */
  isolation: { namespace: NamespaceRef; host: boolean }[];
  pidForChildren?: NamespaceRef;
  timeForChildren?: NamespaceRef;
  /** Threads whose namespaces differ from the main thread's. */
  differingThreads: ThreadIsolation[] | Unknown;
  timeOffsets?: { monotonicNanos: string; boottimeNanos: string } | Unknown;
}

/** All that is known of one process: what it may do, what it sees, and what it is confined by. */
export const ProcessesInspect = request('processes/inspect')<{ process: ProcessRef }, ProcessesInspectResult>();
