/** Whether a container is paused: the freezer controller of cgroup v1, or `cgroup.freeze` of v2 (cgroups(7)). */
import fs from 'node:fs';
import { AT_FDCWD, readBytes } from '../kernel/files.ts';
import type { CgroupPath } from '../proc/cgroup.ts';
import { parseMountinfo } from '../proc/mountinfo.ts';

/** The file that says it, and the text that it then begins with. */
interface FreezerFile {
  path: string;
  frozen: string;
}

interface FreezerMounts {
  v1: string | undefined;
  v2: string | undefined;
}

let mounts: FreezerMounts | undefined;

function freezerMounts(): FreezerMounts {
  if (mounts !== undefined) return mounts;
  const all = parseMountinfo(fs.readFileSync('/proc/self/mountinfo', 'utf8'));
  mounts = {
    v1: all.find(({ type, superOptions }) => type === 'cgroup' && superOptions.includes('freezer'))?.mountPoint,
    v2: all.find(({ type }) => type === 'cgroup2')?.mountPoint,
  };
  return mounts;
}

/** The files to look at, those of v1 first: on a hybrid host engines freeze there. */
export function freezerFiles(cgroups: readonly CgroupPath[]): FreezerFile[] {
  const { v1, v2 } = freezerMounts();
  const files: FreezerFile[] = [];
  const pathIn = (name: string) => cgroups.find(({ hierarchy }) => hierarchy.split(',').includes(name))?.path;
  const freezer = pathIn('freezer');
  const unified = pathIn('unified');
  if (v1 !== undefined && isInside(freezer)) files.push({ path: `${v1}${freezer}/freezer.state`, frozen: 'FROZEN' });
  if (v2 !== undefined && isInside(unified)) files.push({ path: `${v2}${unified}/cgroup.freeze`, frozen: '1' });
  return files;
}

/** The root cannot be frozen, and a cgroup outside of the helper's cgroup namespace is not below the mount point. */
function isInside(path: string | undefined): path is string {
  return path !== undefined && path !== '/' && !path.startsWith('/..');
}

export function freezerState(cgroups: readonly CgroupPath[]): 'running' | 'paused' | 'unknown' {
  const files = freezerFiles(cgroups);
  if (files.length === 0) return 'running';
  let known = false;
  for (const { path, frozen } of files) {
    const bytes = readBytes(AT_FDCWD, path);
    if (typeof bytes === 'number') continue;
    known = true;
    if (bytes.toString('latin1').startsWith(frozen)) return 'paused';
  }
  return known ? 'running' : 'unknown';
}
