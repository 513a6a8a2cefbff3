/**
 * What a monitor shows as one line. On v2 that is a cgroup. v1 has a tree for each controller, so what is one to a person is a cgroup in
 * several of them: those of the same container, or of the same path.
 */
import type { Cgroup, CgroupHierarchy, CgroupRef, CgroupsListResult } from '../../helper/protocol/cgroups.ts';
import { oneLine } from '../plain/plainText.ts';

export interface MonitorSubject {
  /** That of the first of its cgroups. */
  key: string;
  title: string;
  /** Path, and on v1 the hierarchies. */
  place: string;
  /** At least one: that which was asked for, if it has figures. */
  cgroups: CgroupRef[];
}

/** Controllers that have a figure to show. */
const CONTROLLERS = new Set(['cpu', 'cpuacct', 'memory', 'blkio', 'io', 'pids']);

/** Whether the cgroups of a hierarchy have a figure to show: of version 1 each hierarchy has its own, and many have none. */
export function hasFigures({ version, controllers }: CgroupHierarchy): boolean {
  return version === 2 || controllers.some((controller) => CONTROLLERS.has(controller));
}

export function refKey({ hierarchy, path, ino }: CgroupRef): string {
  return JSON.stringify([hierarchy, path, ino]);
}

/** `asked` as subjects, each once. One that is not listed any more is a subject alone. */
export function subjectsOf(asked: readonly CgroupRef[], list: CgroupsListResult): MonitorSubject[] {
  const measured = new Set(list.hierarchies.filter(hasFigures).map(({ hierarchy }) => hierarchy));
  const known = new Map(list.cgroups.map((cgroup) => [refKey(cgroup), cgroup]));
  const byName = namesakes(list.cgroups.filter(({ hierarchy }) => measured.has(hierarchy)));
  const subjects: MonitorSubject[] = [];
  const made = new Map<string, MonitorSubject>();
  for (const ref of asked) {
    const cgroup = known.get(refKey(ref));
    const name = cgroup === undefined ? refKey(ref) : nameOf(cgroup);
    if (isPartOf(made.get(name), ref)) continue;
    const subject = subjectOf(ref, cgroup, byName.get(name) ?? [], measured.has(ref.hierarchy));
    made.set(name, subject);
    subjects.push(subject);
  }
  return subjects;
}

/** Whether it is shown already: itself, or with its namesakes of other hierarchies. */
function isPartOf(subject: MonitorSubject | undefined, ref: CgroupRef): boolean {
  if (subject === undefined) return false;
  return subject.cgroups.every(({ hierarchy, ino }) => hierarchy !== ref.hierarchy || ino === ref.ino);
}

/** By what makes them the same to a person, across hierarchies. */
function namesakes(cgroups: readonly Cgroup[]): Map<string, Cgroup[]> {
  const byName = new Map<string, Cgroup[]>();
  for (const cgroup of cgroups) {
    const name = nameOf(cgroup);
    const found = byName.get(name);
    if (found === undefined) byName.set(name, [cgroup]);
    else found.push(cgroup);
  }
  return byName;
}

function nameOf({ container, path }: Cgroup): string {
  return container === undefined ? `path ${path}` : `container ${container}`;
}

/** `isMeasured`: its hierarchy has figures to show. One that has none stands only when there is no other. */
function subjectOf(
  ref: CgroupRef,
  cgroup: Cgroup | undefined,
  namesakes: readonly Cgroup[],
  isMeasured: boolean,
): MonitorSubject {
  const cgroups = isMeasured || namesakes.length === 0 ? [bare(ref)] : [];
  for (const other of namesakes) {
    if (cgroups.every(({ hierarchy }) => hierarchy !== other.hierarchy)) cgroups.push(bare(other));
  }
  return {
    key: refKey(cgroups[0] ?? ref),
    title: oneLine(cgroup?.title ?? (ref.path.split('/').at(-1) || '/'), 80),
    place: placeOf(ref.path, cgroups),
    cgroups,
  };
}

/** v2 has one hierarchy, which need not be named. */
function placeOf(path: string, cgroups: readonly CgroupRef[]): string {
  const hierarchies = cgroups.map(({ hierarchy }) => hierarchy).filter((hierarchy) => hierarchy !== 'unified');
  const shown = oneLine(path, 400);
  return hierarchies.length === 0 ? shown : `${shown} (${oneLine(hierarchies.join(', '), 80)})`;
}

function bare({ hierarchy, path, ino }: CgroupRef): CgroupRef {
  return { hierarchy, path, ino };
}
