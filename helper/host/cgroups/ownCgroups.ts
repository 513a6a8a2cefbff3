/** Which container a cgroup is the very cgroup of. */
import type { Container, Engine } from '../../protocol/containers.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import type { ProcessRecord } from '../processRecord.ts';

/** `name` is what people call it. */
export interface Owner {
  key: string;
  name: string;
  leader: Container['leader'];
  /** Confined by namespaces of its own, as a service of the host is not; or by some that may not be read. */
  isContainer: boolean;
  /** Of a container: its processes that were started from outside, as by `docker exec`. The others have no more privilege than those. */
  entered: ProcessRef[];
}

/** Containers in containers are seldom deeper. */
const MAX_OUTER = 16;

/** Of which some have no cgroup of their own. */
const DOUBTFUL: readonly Engine[] = ['isoscope', 'systemd-nspawn', 'podman', 'containerd', 'unnamed'];

export type CgroupOwners = ReadonlyMap<string, Owner>;

export function ownerKey(hierarchy: string, path: string): string {
  return `${hierarchy}\0${path}`;
}

/** The container that a cgroup is in: it is the container's own or below it. */
export function ownerOf(owners: CgroupOwners, { hierarchy, path }: { hierarchy: string; path: string }): Owner | undefined {
  for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const owner = owners.get(ownerKey(hierarchy, at));
    if (owner !== undefined) return owner;
  }
  return undefined;
}

/**
 * By `ownerKey`. What no cgroup is named for (bubblewrap in a session) has one only when nobody else is in it: `containerOf` tells
 * whose each process is.
 */
export function ownersOfCgroups(
  containers: readonly Container[],
  given: Iterable<ProcessRecord>,
  containerOf: (process: { pid: number }) => string | undefined,
): CgroupOwners {
  // Gone through twice, which an iterator lets nobody do.
  const processes = [...given];
  const owners = new Map<string, Owner>();
  const doubtful: Container[] = [];
  const entered = enteredProcesses(processes, containerOf);
  for (const container of containers) {
    if (DOUBTFUL.includes(container.engine)) doubtful.push(container);
    else claim(owners, container, entered);
  }
  if (doubtful.length === 0) return owners;
  const shared = sharedCgroups(processes, outermost(containers, containerOf));
  for (const container of doubtful) claim(owners, container, entered, shared);
  return owners;
}

/** By the container's key. */
function enteredProcesses(
  processes: Iterable<ProcessRecord>,
  containerOf: (process: { pid: number }) => string | undefined,
): Map<string, ProcessRef[]> {
  const entered = new Map<string, ProcessRef[]>();
  for (const { pid, startTime, parentPid } of processes) {
    const container = containerOf({ pid });
    if (container === undefined || containerOf({ pid: parentPid }) === container) continue;
    const known = entered.get(container);
    if (known === undefined) entered.set(container, [{ pid, startTime }]);
    else known.push({ pid, startTime });
  }
  return entered;
}

function claim(
  owners: Map<string, Owner>,
  container: Container,
  entered: ReadonlyMap<string, ProcessRef[]>,
  shared?: ReadonlySet<string>,
): void {
  const { key, name, leader, cgroups } = container;
  const isContainer = container.engine !== 'systemd' && mayBeIsolated(container);
  const owner: Owner = { key, name, leader, isContainer, entered: (isContainer && entered.get(key)) || [] };
  for (const { hierarchy, path } of cgroups) {
    const at = ownerKey(hierarchy, path);
    if (path !== '/' && shared?.has(at) !== true && !owners.has(at)) owners.set(at, owner);
  }
}

/** One whose namespaces may not be read is no less a container for it. */
function mayBeIsolated({ isolated, namespaces }: Container): boolean {
  return isolated || Object.values(namespaces).includes(null);
}

/** What runs in a container as a container of its own does not take its cgroup from it. */
function outermost(
  containers: readonly Container[],
  containerOf: (process: { pid: number }) => string | undefined,
): (process: { pid: number }) => string | undefined {
  const outer = new Map(containers.map((container) => [container.key, container.outer]));
  return (process) => {
    let key = containerOf(process);
    for (let depth = 0; depth < MAX_OUTER; depth += 1) {
      const above = key === undefined ? undefined : outer.get(key);
      if (above === undefined) break;
      key = above;
    }
    return key;
  };
}

function sharedCgroups(
  processes: Iterable<ProcessRecord>,
  containerOf: (process: ProcessRecord) => string | undefined,
): Set<string> {
  const first = new Map<string, string | undefined>();
  const shared = new Set<string>();
  for (const process of processes) {
    const container = containerOf(process);
    for (const { hierarchy, path } of process.membership.cgroups) {
      const at = ownerKey(hierarchy, path);
      if (!first.has(at)) first.set(at, container);
      else if (first.get(at) !== container) shared.add(at);
    }
  }
  return shared;
}
