/** The processes of a cgroup and of all below it, and which processes the helper itself depends on. */

import fs from 'node:fs';
import { close, O_DIRECTORY, readText } from '../../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../../kernel/numbers.ts';
import { openOnMount } from '../../kernel/openat2.ts';
import { parseCgroups } from '../../proc/cgroup.ts';
import { bytesOfName, textOfName } from '../../proc/fileName.ts';
import { parseStat } from '../../proc/stat.ts';
import { listNames } from './directory.ts';

const MAX_PROCS_BYTES = 1024 * 1024;
const MAX_CGROUPS = 10_000;
/** The kernel's own bound is `cgroup.max.depth`; a path is at most PATH_MAX. */
const MAX_DEPTH = 2048;
const MAX_ANCESTORS = 256;

export interface Members {
  pids: Set<number>;
  /** Descendant cgroups. */
  cgroups: number;
  /** There were more than are looked at, or some could not be read. */
  incomplete: boolean;
}

/** Pids in the cgroup that is open as `directory` and in all below it, as the helper sees them. */
export function membersBelow(directory: number): Members {
  const members: Members = { pids: new Set(), cgroups: -1, incomplete: false };
  const isWhole = visitBelow(directory, (cgroup) => {
    members.cgroups += 1;
    // A threaded cgroup has no list of processes; its domain above lists them.
    const text = readText(cgroup, 'cgroup.procs', MAX_PROCS_BYTES);
    if (typeof text === 'number' || text.length === MAX_PROCS_BYTES) members.incomplete = true;
    if (typeof text === 'string') for (const pid of parsePids(text)) members.pids.add(pid);
  });
  if (!isWhole) members.incomplete = true;
  return members;
}

/** Calls `visit` with a directory and then with all below it, each open as long as that takes. False when there are more than are looked at. */
export function visitBelow(directory: number, visit: (directory: number) => void): boolean {
  let left = MAX_CGROUPS;
  const descend = (cgroup: number, depth: number): boolean => {
    visit(cgroup);
    for (const name of childrenOf(cgroup)) {
      left -= 1;
      if (left < 0 || depth >= MAX_DEPTH) return false;
      const child = openOnMount(cgroup, bytesOfName(name)!, O_PATH | O_DIRECTORY);
      if (child < 0) continue;
      try {
        if (!descend(child, depth + 1)) return false;
      } finally {
        close(child);
      }
    }
    return true;
  };
  return descend(directory, 0);
}

/** None when it was removed meanwhile. */
function childrenOf(directory: number): string[] {
  try {
    return listNames(directory).cgroups;
  } catch {
    return [];
  }
}

/** 0 stands for a process outside of the helper's pid namespace. */
export function parsePids(text: string): number[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** The helper and the processes that started it, one by the other, up to pid 1: sudo, the extension host, the server of VS Code or sshd. */
export function ownLineage(): number[] {
  const lineage: number[] = [];
  for (let pid = process.pid; pid > 0 && lineage.length < MAX_ANCESTORS; ) {
    lineage.push(pid);
    const text = readText(AT_FDCWD, `/proc/${pid}/stat`, 4096);
    pid = typeof text === 'number' ? 0 : (parseStat(text)?.parentPid ?? 0);
  }
  return lineage;
}

/** The path of a process's cgroup in a hierarchy; undefined when it has ended or may not be read. */
export function cgroupPathOf(pid: number, hierarchy: string): string | undefined {
  try {
    const text = textOfName(fs.readFileSync(`/proc/${pid}/cgroup`));
    return parseCgroups(text).find((cgroup) => cgroup.hierarchy === hierarchy)?.path;
  } catch {
    return undefined;
  }
}

/** Whether the cgroup at `path` is the one at `ancestor` or below it. */
export function isWithin(path: string, ancestor: string): boolean {
  return ancestor === '/' || path === ancestor || path.startsWith(`${ancestor}/`);
}
