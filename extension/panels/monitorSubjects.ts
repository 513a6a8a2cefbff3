/**
 * What a monitor shows as one line. On v2 that is a cgroup. v1 has a tree for each controller, so what is one to a person is a cgroup in
 * several of them: those of the same container, or of the same path.
 */
import type { Cgroup, CgroupRef, CgroupsListResult } from '../../helper/protocol/cgroups.ts';
import { oneLine } from '../host/plainText.ts';

export interface MonitorSubject {
  key: string;
  title: string;
  /** Hierarchies and path. */
  place: string;
  /** The one that was asked for first. */
  cgroups: CgroupRef[];
}

/** Controllers that have a figure to show. */
const CONTROLLERS = new Set(['cpu', 'cpuacct', 'memory', 'blkio', 'io', 'pids']);

export function refKey({ hierarchy, path, ino }: CgroupRef): string {
  return JSON.stringify([hierarchy, path, ino]);
}

/** `asked` as subjects, each once. One that is not listed any more is a subject alone. */
export function subjectsOf(asked: readonly CgroupRef[], list: CgroupsListResult): MonitorSubject[] {
  const measured = new Set(
    list.hierarchies
      .filter(({ version, controllers }) => version === 2 || controllers.some((controller) => CONTROLLERS.has(controller)))
      .map(({ hierarchy }) => hierarchy),
  );
  const known = new Map(list.cgroups.map((cgroup) => [refKey(cgroup), cgroup]));
  const byName = namesakes(list.cgroups.filter(({ hierarchy }) => measured.has(hierarchy)));
  const subjects: MonitorSubject[] = [];
  const taken = new Set<string>();
  for (const ref of asked) {
    if (taken.has(refKey(ref))) continue;
    const cgroup = known.get(refKey(ref));
    const others = cgroup === undefined ? [] : (byName.get(nameOf(cgroup)) ?? []);
    const subject = subjectOf(ref, cgroup, others);
    for (const part of subject.cgroups) taken.add(refKey(part));
    subjects.push(subject);
  }
  return subjects;
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

function subjectOf(ref: CgroupRef, cgroup: Cgroup | undefined, namesakes: readonly Cgroup[]): MonitorSubject {
  const cgroups = [bare(ref)];
  for (const other of namesakes) {
    if (cgroups.every(({ hierarchy }) => hierarchy !== other.hierarchy)) cgroups.push(bare(other));
  }
  return {
    key: refKey(ref),
    title: oneLine(cgroup?.title ?? (ref.path.split('/').at(-1) || '/'), 80),
    place: `${oneLine(cgroups.map(({ hierarchy }) => hierarchy).join(', '), 80)} ${oneLine(ref.path, 400)}`,
    cgroups,
  };
}

function bare({ hierarchy, path, ino }: CgroupRef): CgroupRef {
  return { hierarchy, path, ino };
}
