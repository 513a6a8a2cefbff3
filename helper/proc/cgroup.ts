/** `/proc/PID/cgroup`: cgroups(7). One line a hierarchy, `id:controllers:path`. */

export interface CgroupPath {
  /** `cpu,cpuacct`, `name=systemd`, or `unified` for version 2. */
  hierarchy: string;
  /** Relative to the root of the reader's cgroup namespace; a cgroup outside of it begins with `/..`. */
  path: string;
}

/** The path ends in ` (deleted)` when the cgroup was removed under a zombie; that is not part of its name. */
const DELETED = ' (deleted)';

export function parseCgroups(text: string): CgroupPath[] {
  const cgroups: CgroupPath[] = [];
  for (const line of text.split('\n')) {
    const first = line.indexOf(':');
    const second = line.indexOf(':', first + 1);
    if (first === -1 || second === -1) continue;
    const path = line.slice(second + 1);
    cgroups.push({
      hierarchy: second === first + 1 ? 'unified' : line.slice(first + 1, second),
      path: path.endsWith(DELETED) ? path.slice(0, -DELETED.length) : path,
    });
  }
  return cgroups;
}

export interface HierarchyLine extends CgroupPath {
  /** Number of the hierarchy in `/proc/cgroups`; 0 for v2. */
  id: number;
}

/** Like `parseCgroups`, with the numbers of the hierarchies. */
export function parseHierarchies(text: string): HierarchyLine[] {
  const ids = text
    .split('\n')
    .filter((line) => line.split(':').length > 2)
    .map((line) => Number.parseInt(line, 10));
  return parseCgroups(text).map((cgroup, at) => ({ id: ids[at]!, ...cgroup }));
}
