/**
 * Whether a cgroup is frozen, by itself or through one above it: the freezer controller of cgroup v1, or v2 (cgroups(7); the kernel's
 * Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst and cgroup-v2.rst, "cgroup.freeze").
 */

import { readBytes } from '../kernel/files.ts';
import { AT_FDCWD } from '../kernel/numbers.ts';
import { append } from '../lists.ts';
import type { CgroupPath } from '../proc/cgroup.ts';
import { directoryOf, UNIFIED } from './cgroups/hierarchies.ts';

interface Question {
  file: string;
  /** What the file then says: `freezer.state` and `cgroup.events` heed what is above, `cgroup.freeze` what was asked and takes a moment. */
  frozen: RegExp;
}

/** Those of v1 first: on a hybrid host engines freeze there. */
const V1: Question[] = [{ file: 'freezer.state', frozen: /^(?:FROZEN|FREEZING)/ }];
const V2: Question[] = [
  { file: 'cgroup.events', frozen: /^frozen 1$/m },
  { file: 'cgroup.freeze', frozen: /^1/ },
];

export function freezerState(cgroups: readonly CgroupPath[]): 'running' | 'paused' | 'unknown' {
  const places = [
    { cgroup: cgroupIn(cgroups, 'freezer'), questions: V1 },
    { cgroup: cgroupIn(cgroups, UNIFIED), questions: V2 },
  ];
  let known = places.every(({ cgroup }) => cgroup === undefined);
  for (const { cgroup, questions } of places) {
    const directory = cgroup && directoryOf(cgroup.hierarchy, cgroup.path);
    if (directory === undefined) continue;
    for (const { file, frozen } of questions) {
      const bytes = readBytes(AT_FDCWD, `${directory}/${file}`);
      if (typeof bytes === 'number') continue;
      known = true;
      if (frozen.test(bytes.toString('latin1'))) return 'paused';
    }
  }
  return known ? 'running' : 'unknown';
}

/**
 * Files that change when that does. The kernel tells of a change of `cgroup.events`, wherever it was caused; on v1 it is who writes the state of a
 * cgroup that is noticed, so those above count as well.
 */
export function freezerFiles(cgroups: readonly CgroupPath[]): string[] {
  const files: string[] = [];
  const v2 = cgroupIn(cgroups, UNIFIED);
  if (v2 !== undefined) append(files, filesAt(v2, 'cgroup.events'));
  const v1 = cgroupIn(cgroups, 'freezer');
  for (let path = v1?.path ?? ''; path !== ''; path = path.slice(0, path.lastIndexOf('/'))) {
    append(files, filesAt({ ...v1!, path }, 'freezer.state'));
  }
  return files;
}

function filesAt({ hierarchy, path }: CgroupPath, file: string): string[] {
  const directory = directoryOf(hierarchy, path);
  return directory === undefined ? [] : [`${directory}/${file}`];
}

/** Undefined for the root, which cannot be frozen. */
function cgroupIn(cgroups: readonly CgroupPath[], name: string): CgroupPath | undefined {
  const cgroup = cgroups.find(({ hierarchy }) => hierarchy.split(',').includes(name));
  return cgroup === undefined || cgroup.path === '/' ? undefined : cgroup;
}
