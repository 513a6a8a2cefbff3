/** Whether a container is paused: the freezer controller of cgroup v1, or `cgroup.freeze` of v2 (cgroups(7)). */
import { AT_FDCWD, readBytes } from '../kernel/files.ts';
import type { CgroupPath } from '../proc/cgroup.ts';
import { directoryOf, UNIFIED } from './cgroups/hierarchies.ts';

/** The file that says it, and the text that it then begins with. */
interface FreezerFile {
  path: string;
  frozen: string;
}

/** The files to look at, those of v1 first: on a hybrid host engines freeze there. */
export function freezerFiles(cgroups: readonly CgroupPath[]): FreezerFile[] {
  const freezer = directoryIn(cgroups, 'freezer');
  const unified = directoryIn(cgroups, UNIFIED);
  const files: FreezerFile[] = [];
  if (freezer !== undefined) files.push({ path: `${freezer}/freezer.state`, frozen: 'FROZEN' });
  if (unified !== undefined) files.push({ path: `${unified}/cgroup.freeze`, frozen: '1' });
  return files;
}

/** Undefined for the root, which cannot be frozen, and for what the helper cannot see. */
function directoryIn(cgroups: readonly CgroupPath[], name: string): string | undefined {
  const cgroup = cgroups.find(({ hierarchy }) => hierarchy.split(',').includes(name));
  return cgroup === undefined || cgroup.path === '/' ? undefined : directoryOf(cgroup.hierarchy, cgroup.path);
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
