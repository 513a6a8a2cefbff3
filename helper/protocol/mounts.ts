/** The part of the protocol about mount tables. Types and constants only. */
import type { Unknown } from './errors.ts';
import { request } from './message.ts';
import type { ProcessRef } from './processes.ts';

/** One line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)), its octal escapes undone. */
export interface MountEntry {
  id: number;
  parentId: number;
  /** `major:minor` of the superblock: two mounts with the same are of one file system. */
  device: string;
  /** The directory of the file system that is mounted. */
  root: string;
  /** From the root of the mount namespace; of a table that is only a part, from the root of the process. */
  mountPoint: string;
  /** Of the mount: `ro`, `nosuid`, … */
  options: string[];
  /** `shared:1`, `master:2`, …; empty: private. */
  propagation: string[];
  type: string;
  source: string;
  /** Of the file system. */
  superOptions: string[];
}

export interface MountsListParams {
  /** Left out: the host's, which are those of the helper itself. */
  process?: ProcessRef;
}

export interface MountsListResult {
  /** In the order of mountinfo. */
  mounts: MountEntry[];
  /** How many more there are: 4 MiB of the table are sent. */
  omitted: number;
  /**
   * False: only those below the root directory of the process could be read. proc_pid_mountinfo(5) leaves out the others, which are
   * mounted all the same: who joins the namespace is at its root and reaches them.
   */
  complete: boolean;
  /** The root directory of the process, as a path in its mount namespace. Absent for the host's. */
  root?: string | Unknown;
}

/** The mounts of a process's mount namespace. */
export const MountsList = request('mounts/list')<MountsListParams, MountsListResult>();
