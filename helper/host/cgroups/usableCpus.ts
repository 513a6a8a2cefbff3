/**
 * How many CPUs a cgroup can use at most, whatever its quota: those of its cpuset, of those that the host has online. In v1 a cpuset is a cgroup of
 * another hierarchy, which is found by the processes.
 */

import { isSystemError, unknownFrom } from '../../failure.ts';
import { readText } from '../../kernel/files.ts';
import { AT_FDCWD } from '../../kernel/numbers.ts';
import { countOfCpuList } from '../../proc/cgroupValues.ts';
import type { CgroupRef, Limit } from '../../protocol/cgroups.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import type { Chain, Link } from './chain.ts';
import { openChain } from './chain.ts';
import { type OpenCgroup, readFile, refAt } from './directory.ts';
import { hierarchyWith } from './hierarchies.ts';
import { cgroupPathOf, parsePids } from './members.ts';

/** What the processes of a cgroup may run on; `by` is the cgroup that narrows it to that, absent where all that are online may be used. */
export interface UsableCpus {
  count: number;
  /** As the kernel lists them, `0-3,8`. */
  raw: string;
  file: string;
  by?: CgroupRef;
}

const ONLINE = '/sys/devices/system/cpu/online';
/** CPUs come and go seldom; samples ask every second. */
const ONLINE_HOLD_MILLIS = 2000;
let online: { cpus: UsableCpus | undefined; until: number } = { cpus: undefined, until: Number.NEGATIVE_INFINITY };

/** Undefined where sysfs is not mounted. */
export function onlineCpus(): UsableCpus | undefined {
  const now = performance.now();
  if (now >= online.until) online = { cpus: readOnline(), until: now + ONLINE_HOLD_MILLIS };
  return online.cpus;
}

function readOnline(): UsableCpus | undefined {
  const text = readText(AT_FDCWD, ONLINE, 4096);
  return typeof text === 'string' ? usable(text, ONLINE) : undefined;
}

/** Undefined for an empty list: one of v1 that was never set, in which nothing can run. */
export function usable(text: string, file: string): UsableCpus | undefined {
  const raw = text.trim();
  const count = countOfCpuList(raw);
  return count === undefined || count === 0 ? undefined : { count, raw, file };
}

/** The name of the file with the CPUs that a cpuset really has. */
export function effectiveFile(version: 1 | 2): string {
  return version === 1 ? 'cpuset.effective_cpus' : 'cpuset.cpus.effective';
}

/** Undefined when neither a cpuset nor the host's CPUs are known. `members` are processes of the cgroup. */
export async function usableCpus(chain: Chain, members: readonly ProcessRef[]): Promise<UsableCpus | Unknown | undefined> {
  const pids = members.map(({ pid }) => pid);
  try {
    const cpuset = cpusetOf(chain.cgroup, pids);
    if (cpuset === 'own') return await narrowest(chain);
    if (cpuset === undefined) return onlineCpus();
    using other = openChain(cpuset);
    return await narrowest(other);
  } catch (error) {
    return unknownFrom(error);
  }
}

/** The CPUs of the first cgroup of the chain, by the one furthest up that has no more. */
async function narrowest({ cgroup, links }: Chain): Promise<UsableCpus | Unknown | undefined> {
  const file = effectiveFile(cgroup.version);
  const host = onlineCpus();
  let found: UsableCpus | undefined;
  for (const { ref, fd } of links) {
    const text = await readOrWhyNot(fd, file);
    if (found === undefined && typeof text !== 'string' && text !== undefined) return text;
    const cpus = typeof text === 'string' ? usable(text, file) : undefined;
    if (found !== undefined && cpus?.raw !== found.raw) break;
    if (cpus !== undefined) found = { ...cpus, by: ref };
  }
  return found === undefined || found.raw === host?.raw ? (host ?? found) : found;
}

/** Undefined where there is no such file: in v2 the controller is not handed down to here. */
async function readOrWhyNot(directory: number, file: string): Promise<string | Unknown | undefined> {
  try {
    return await readFile(directory, file);
  } catch (error) {
    return isSystemError(error) && error.code === 'ENOENT' ? undefined : unknownFrom(error);
  }
}

/** More processes than these are not asked where they are. */
const MAX_ASKED = 64;

/**
 * `own` where it, or one above it, is the cpuset itself. Else the cgroup of the cpuset hierarchy that all its processes are in or below; of an empty
 * one that of the same path, as engines name them alike. Undefined where there is none.
 */
export function cpusetOf({ ref }: OpenCgroup, pids: readonly number[]): CgroupRef | 'own' | undefined {
  const hierarchy = hierarchyWith('cpuset')?.hierarchy;
  if (hierarchy === undefined || hierarchy === ref.hierarchy) return hierarchy === undefined ? undefined : 'own';
  const paths = pids
    .slice(0, MAX_ASKED)
    .map((pid) => cgroupPathOf(pid, hierarchy))
    .filter((path) => path !== undefined);
  return refAt(hierarchy, paths.length === 0 ? ref.path : commonPath(paths));
}

/** The processes of a cgroup as read at once, for the samples of it. */
export function membersNow({ fd }: Link): number[] {
  const text = readText(fd, 'cgroup.procs', 64 * 1024);
  return typeof text === 'string' ? parsePids(text) : [];
}

/** The deepest cgroup that all of these are, or are below. */
export function commonPath(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/').filter((name) => name !== ''));
  let shared = first.length;
  for (const names of others) {
    let at = 0;
    while (at < shared && names[at] === first[at]) at += 1;
    shared = at;
  }
  return `/${first.slice(0, shared).join('/')}`;
}

/** A limit of CPU time that cannot be more than there are CPUs to use. */
export function boundByCpus(limit: Limit, cpus: UsableCpus | undefined): Limit {
  if (cpus === undefined || (limit.effective !== null && limit.effective.value <= cpus.count)) return limit;
  const { count, raw, file, by } = cpus;
  return { ...limit, effective: { value: count, raw, file, ...(by === undefined ? {} : { by }) }, headroom: count };
}
