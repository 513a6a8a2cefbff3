/** The part of the protocol about mount tables. Types and constants only. */
import { RequestType } from 'vscode-jsonrpc';
import type { ErrorData, ProcessRef } from '../protocol.ts';

/** One line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)), its octal escapes undone. */
export interface MountEntry {
  id: number;
  parentId: number;
  /** `major:minor` of the superblock: two mounts with the same are of one file system. */
  device: string;
  /** The directory of the file system that is mounted. */
  root: string;
  /** As the process sees it. */
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
}

/** The mounts that a process sees: those below its root directory, in its mount namespace. */
export const MountsList = new RequestType<MountsListParams, MountsListResult, ErrorData>('mounts/list');
