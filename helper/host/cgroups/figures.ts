/**
 * The figures of a row of a list. Only the files that a row needs are read, and of those only the ones that can have changed: a
 * host has thousands of cgroups, and most of them are idle.
 */

import { EOPNOTSUPP } from '../../kernel/numbers.ts';
import { limitOfBytes, numberOfBytes, numberOfKey, parsePartition } from '../../proc/cgroupValues.ts';
import type { Hierarchy } from './hierarchies.ts';
import type { CgroupNode } from './node.ts';
import type { Place } from './place.ts';

const NANOS_PER_MICRO = 1000;

/** What has to be read again of one cgroup. */
export interface Needed {
  figures: boolean;
  /** Limits, type and state: what changes by a write only. */
  settings: boolean;
  /** Counters, which stand still while there is no process in it or below. */
  counters: boolean;
  /** Its processes have to be counted. */
  members: boolean;
}

export type RowReader = (node: CgroupNode, place: Place, needed: Needed) => void;

/** The readers of the facts that this hierarchy has. */
export function rowReaders({ version, controllers }: Hierarchy): RowReader[] {
  if (version === 2) return [readUnified, ...readersOf(controllers, V2_READERS)];
  return [readV1Members, ...readersOf(controllers, V1_READERS)];
}

function readersOf(controllers: readonly string[], readers: Record<string, RowReader | undefined>): RowReader[] {
  return controllers.map((controller) => readers[controller]).filter((reader) => reader !== undefined);
}

/** What is read for every list as long as there is a process in it. */
function readCounter({ held, populated }: CgroupNode, place: Place, file: string): Buffer | number {
  return held === undefined || populated !== true ? place.read(file) : held.read(place, file);
}

function counterIn(node: CgroupNode, place: Place, file: string): number | undefined {
  const bytes = readCounter(node, place, file);
  return typeof bytes === 'number' ? undefined : numberOfBytes(bytes);
}

function numberIn(place: Place, file: string): number | undefined {
  const bytes = place.read(file);
  return typeof bytes === 'number' ? undefined : numberOfBytes(bytes);
}

/** `null` without a limit, `undefined` when that cannot be known. */
function limitIn(place: Place, file: string): number | null | undefined {
  const bytes = place.read(file);
  return typeof bytes === 'number' ? undefined : limitOfBytes(bytes);
}

// ---------------------------------------------------------------------------------------------------------------------
// v1

function readV1Members(node: CgroupNode, place: Place, needed: Needed): void {
  if (!needed.counters || !needed.members) return;
  node.setMembers(place.readIds('cgroup.procs'));
}

const V1_READERS: Record<string, RowReader | undefined> = {
  cpu(node, place, needed) {
    const { figures } = node;
    if (!needed.figures || node.parent === undefined) return;
    if (needed.settings) {
      const quotaMicros = limitIn(place, 'cpu.cfs_quota_us');
      figures.cpuLimitCores = coresOf(quotaMicros, typeof quotaMicros === 'number' ? numberIn(place, 'cpu.cfs_period_us') : 0);
    }
    if (figures.cpuLimitCores === undefined) {
      // Without a quota no period is counted; counts of an earlier one say nothing of now.
      figures.periods = undefined;
      figures.throttledPeriods = undefined;
    } else if (needed.counters) readThrottling(figures, readCounter(node, place, 'cpu.stat'));
  },
  cpuacct(node, place, needed) {
    if (!needed.figures || !needed.counters) return;
    const nanos = counterIn(node, place, 'cpuacct.usage');
    node.figures.cpuUsageMicros = nanos === undefined ? undefined : Math.floor(nanos / NANOS_PER_MICRO);
  },
  memory(node, place, needed) {
    if (!needed.figures) return;
    const { figures } = node;
    // The kernel reclaims from cgroups without a process too.
    figures.memoryBytes = counterIn(node, place, 'memory.usage_in_bytes');
    if (node.parent === undefined) return;
    if (needed.settings) figures.memoryLimitBytes = limitIn(place, 'memory.limit_in_bytes') ?? undefined;
    // A kill is counted where the killed process was, whosoever's limit it was for; without any limit only the host's want of memory kills.
    if (needed.settings || (needed.counters && isMemoryLimited(node))) {
      const control = place.read('memory.oom_control');
      figures.oomKills = typeof control === 'number' ? undefined : numberOfKey(control, 'oom_kill');
    }
    readWorkingSet(node, place, 'total_inactive_file');
  },
  pids: readPids,
  freezer(node, place, { settings }) {
    if (!settings || node.parent === undefined) return;
    const state = place.read('freezer.state');
    const word = typeof state === 'number' ? undefined : state.toString('latin1').trim();
    node.frozen = word === undefined ? undefined : word === 'FROZEN';
    // No event tells when the last of its processes has stopped.
    node.isFreezing = word === 'FREEZING';
  },
};

function isMemoryLimited({ figures, parent }: CgroupNode): boolean {
  return figures.memoryLimitBytes !== undefined || (parent !== undefined && isMemoryLimited(parent));
}

/**
 * What is in use without the page cache that the kernel takes back first: that alone fills every limit in time. `memory.stat` is a long file, so it
 * is read only where usage as a whole is close to the limit.
 */
function readWorkingSet({ figures }: CgroupNode, place: Place, inactiveFile: string): void {
  figures.workingSetBytes = undefined;
  if (figures.memoryBytes === undefined || !isNearLimit(figures.memoryBytes, figures.memoryLimitBytes)) return;
  const stat = place.read('memory.stat');
  const inactive = typeof stat === 'number' ? undefined : numberOfKey(stat, inactiveFile);
  if (inactive !== undefined) figures.workingSetBytes = Math.max(0, figures.memoryBytes - inactive);
}

/** From this share of a limit on it is called close. */
const NEAR_LIMIT = 0.9;

export function isNearLimit(used: number | undefined, limit: number | undefined): boolean {
  return used !== undefined && limit !== undefined && used >= limit * NEAR_LIMIT;
}

// ---------------------------------------------------------------------------------------------------------------------
// v2

function readUnified(node: CgroupNode, place: Place, needed: Needed): void {
  if (needed.settings && node.parent !== undefined) readEvents(node, place);
  if (needed.counters && needed.members) readUnifiedMembers(node, place);
  if (needed.figures && needed.counters) readUnifiedUsage(node, place);
  if (needed.figures && node.parent === undefined) node.dyingDescendants = dyingIn(place);
}

function dyingIn(place: Place): number | undefined {
  const stat = place.read('cgroup.stat');
  return typeof stat === 'number' ? undefined : numberOfKey(stat, 'nr_dying_descendants');
}

/** Files of controllers that a hybrid host has given to v1 are nowhere, and not looked for in thousands of cgroups. */
const V2_READERS: Record<string, RowReader | undefined> = {
  cpu({ figures, parent }, place, needed) {
    if (!needed.figures || !needed.settings || parent === undefined) return;
    const max = place.read('cpu.max');
    const quotaMicros = typeof max === 'number' ? undefined : limitOfBytes(max);
    figures.cpuLimitCores =
      typeof max === 'number' ? undefined : coresOf(quotaMicros, numberOfBytes(max, max.indexOf(' ') + 1));
  },
  memory(node, place, needed) {
    if (needed.figures && node.parent !== undefined) readUnifiedMemory(node, place, needed);
  },
  pids: readPids,
  cpuset(node, place, { figures, settings }) {
    if (!figures || !settings || node.parent === undefined) return;
    const text = place.read('cpuset.cpus.partition');
    const partition = typeof text === 'number' ? undefined : parsePartition(text.toString('latin1'));
    node.partition = partition?.kind === 'member' ? undefined : partition;
  },
};

function readPids(node: CgroupNode, place: Place, needed: Needed): void {
  if (!needed.figures || node.parent === undefined) return;
  if (needed.counters) node.figures.tasks = counterIn(node, place, 'pids.current');
  if (needed.settings) node.figures.tasksLimit = limitIn(place, 'pids.max') ?? undefined;
}

function readEvents(node: CgroupNode, place: Place): void {
  const events = place.read('cgroup.events');
  if (typeof events === 'number') {
    node.setPopulated(null);
    node.frozen = undefined;
    return;
  }
  const populated = numberOfKey(events, 'populated');
  const frozen = numberOfKey(events, 'frozen');
  node.setPopulated(populated === undefined ? null : populated === 1);
  node.frozen = frozen === undefined ? undefined : frozen === 1;
}

/** The processes of a threaded cgroup are counted at the head of its subtree; it has threads. */
function readUnifiedMembers(node: CgroupNode, place: Place): void {
  const processes = place.readIds('cgroup.procs');
  node.type = processes === -EOPNOTSUPP ? typeIn(place) : 'domain';
  node.setMembers(node.type === 'threaded' ? place.readIds('cgroup.threads') : processes);
}

/** `cgroup.type`, which is worth a reading only where something is threaded. The root has none. */
export function typeIn(place: Place): CgroupNode['type'] {
  const type = place.read('cgroup.type');
  return typeof type === 'number' ? 'domain' : typeOf(type.toString('latin1'));
}

function typeOf(text: string): CgroupNode['type'] {
  const word = text.trim();
  return word === 'threaded' || word === 'domain threaded' || word === 'domain invalid' ? word : 'domain';
}

/** What has threaded cgroups below is the domain that they share. */
export function noteThreadedDomain({ type, parent }: CgroupNode): void {
  if (type === 'threaded' && parent?.type === 'domain' && parent.parent !== undefined) parent.type = 'domain threaded';
}

/** `cpu.stat` is there without the controller, which adds the throttling. */
function readUnifiedUsage(node: CgroupNode, place: Place): void {
  const { figures } = node;
  const stat = readCounter(node, place, 'cpu.stat');
  figures.cpuUsageMicros = typeof stat === 'number' ? undefined : numberOfKey(stat, 'usage_usec');
  readThrottling(figures, stat);
}

function readUnifiedMemory(node: CgroupNode, place: Place, needed: Needed): void {
  const { figures } = node;
  figures.memoryBytes = counterIn(node, place, 'memory.current');
  if (figures.memoryBytes === undefined) {
    figures.memoryLimitBytes = undefined;
    figures.workingSetBytes = undefined;
    figures.oomKills = undefined;
    return;
  }
  if (needed.settings) figures.memoryLimitBytes = limitIn(place, 'memory.max') ?? undefined;
  readWorkingSet(node, place, 'inactive_file');
  if (!needed.settings) return;
  // Its changes are told like those of cgroup.events.
  const events = place.read('memory.events');
  figures.oomKills = typeof events === 'number' ? undefined : numberOfKey(events, 'oom_kill');
}

function readThrottling(figures: CgroupNode['figures'], stat: Buffer | number): void {
  figures.periods = typeof stat === 'number' ? undefined : numberOfKey(stat, 'nr_periods');
  figures.throttledPeriods = typeof stat === 'number' ? undefined : numberOfKey(stat, 'nr_throttled');
}

function coresOf(quotaMicros: number | null | undefined, periodMicros: number | undefined): number | undefined {
  if (typeof quotaMicros !== 'number' || periodMicros === undefined || periodMicros === 0) return undefined;
  return quotaMicros / periodMicros;
}
