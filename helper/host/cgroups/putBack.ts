/**
 * What puts a file of a cgroup back to what it held. A reading is not always what may be written: some files tell a state in more words than they
 * take, hold a line for each device, or have a text that is an order. Only of files in this table is that known; what is written to another one
 * cannot be undone.
 */

/** The text that puts back what a file held when it read `reading`, before `text` is written to it; undefined where there is none. */
type Back = (reading: string, text: string) => string | undefined;

interface PutBack {
  back: Back;
  /** The file that is read and written for it, where that is not the file itself: its own reading is rounded, or tells something else. */
  read?: string;
  written?: string;
  /** Files that a write to it changes, too, where it held this before. */
  alsoChanges?: { from: string; files: readonly string[] };
}

/** Without a line break nothing would be written where a file held nothing: release_agent, cpuset.cpus. */
const same: PutBack = { back: (reading) => (reading.includes('\n') ? undefined : reading || '\n') };

/** A file with a line for each key, such as a device; `otherwise` is what one without a line has. */
function keyed(otherwise?: (key: string) => string): PutBack {
  return {
    back(reading, text) {
      const key = text.trim().split(/\s+/)[0] ?? '';
      return key === '' ? undefined : (lineOf(reading, key) ?? otherwise?.(key));
    },
  };
}

const noRule = keyed((device) => `${device} 0`);
/** Either the weight of all disks, or that of one. */
const weight: PutBack = {
  back(reading, text) {
    const [word = '', further] = text.trim().split(/\s+/);
    if (further === undefined || word === 'default') return lineOf(reading, 'default') ?? single(reading);
    return lineOf(reading, word) ?? `${word} default`;
  },
};

/** By the file's full name. */
const FILES: Record<string, PutBack> = {
  'cgroup.freeze': same,
  'cgroup.pressure': same,
  'cgroup.max.depth': same,
  'cgroup.max.descendants': same,
  'cgroup.subtree_control': { back: controllersBack },
  'cgroup.clone_children': same,
  notify_on_release: same,
  release_agent: same,
  'cpu.max': same,
  'cpu.max.burst': same,
  // It reads 0 while the cgroup is idle, which cannot be written.
  'cpu.weight': { back: (reading) => (reading === '0' ? undefined : reading) },
  // It reads the nearest of forty values, so the weight itself is put back.
  'cpu.weight.nice': { back: (reading) => (reading === '0' ? undefined : reading), read: 'cpu.weight', written: 'cpu.weight' },
  'cpu.shares': same,
  // When it is idle no more, it has the usual weight and not the one of before: sched_group_set_idle() in kernel/sched/fair.c.
  'cpu.idle': { ...same, alsoChanges: { from: '0', files: ['cpu.weight', 'cpu.shares'] } },
  'cpu.uclamp.min': same,
  'cpu.uclamp.max': same,
  'cpu.cfs_quota_us': same,
  'cpu.cfs_period_us': same,
  'cpu.cfs_burst_us': same,
  'cpu.rt_runtime_us': same,
  'cpu.rt_period_us': same,
  'memory.max': same,
  'memory.high': same,
  'memory.low': same,
  'memory.min': same,
  'memory.swap.max': same,
  'memory.swap.high': same,
  'memory.zswap.max': same,
  'memory.zswap.writeback': same,
  'memory.oom.group': same,
  'memory.limit_in_bytes': same,
  'memory.memsw.limit_in_bytes': same,
  'memory.soft_limit_in_bytes': same,
  'memory.kmem.limit_in_bytes': same,
  'memory.kmem.tcp.limit_in_bytes': same,
  'memory.swappiness': same,
  'memory.use_hierarchy': same,
  'memory.move_charge_at_immigrate': same,
  'memory.oom_control': { back: (reading) => /^oom_kill_disable ([01])$/m.exec(reading)?.[1] },
  'pids.max': same,
  'cpuset.cpus': same,
  'cpuset.mems': same,
  'cpuset.cpus.exclusive': same,
  // "isolated invalid (Cpu list in cpuset.cpus not exclusive)": the kind, and then how that stands.
  'cpuset.cpus.partition': { back: (reading) => /^(?:member|root|isolated)\b/.exec(reading)?.[0] },
  'cpuset.cpu_exclusive': same,
  'cpuset.mem_exclusive': same,
  'cpuset.mem_hardwall': same,
  'cpuset.memory_migrate': same,
  'cpuset.memory_pressure_enabled': same,
  'cpuset.memory_spread_page': same,
  'cpuset.memory_spread_slab': same,
  'cpuset.sched_load_balance': same,
  'cpuset.sched_relax_domain_level': same,
  'io.max': keyed((device) => `${device} rbps=max wbps=max riops=max wiops=max`),
  'io.latency': keyed((device) => `${device} target=max`),
  'io.weight': weight,
  'io.bfq.weight': weight,
  'io.prio.class': same,
  'blkio.throttle.read_bps_device': noRule,
  'blkio.throttle.write_bps_device': noRule,
  'blkio.throttle.read_iops_device': noRule,
  'blkio.throttle.write_iops_device': noRule,
  'blkio.weight': same,
  'blkio.bfq.weight': same,
  'blkio.bfq.weight_device': keyed((device) => `${device} default`),
  'blkio.prio.class': same,
  // FREEZING is not to be written, and FROZEN may be a state of the cgroups above.
  'freezer.state': { back: (self) => (self === '1' ? 'FROZEN' : 'THAWED'), read: 'freezer.self_freezing' },
  'net_cls.classid': same,
  'net_prio.ifpriomap': keyed(),
  'rdma.max': keyed(),
  'misc.max': keyed(),
  'dmem.max': keyed(),
  'dmem.min': keyed(),
  'dmem.low': keyed(),
};

const HUGETLB_LIMIT = /^hugetlb\..+\.(?:max|limit_in_bytes)$/;

/** One write that puts something back. */
export interface Undo {
  file: string;
  text: string;
}

/** Files to read, besides the one that is written, to know what puts it back. */
export function filesForUndo(file: string): readonly string[] {
  const entry = entryOf(file);
  return entry === undefined ? [] : [entry.read ?? file, ...(entry.alsoChanges?.files ?? [])];
}

/**
 * What puts back what `file` holds now, in this order, when `text` is written to it; empty where it cannot be. `readings` are the texts of those
 * of `filesForUndo` that could be read, without the line break at their end.
 */
export function undoOf(file: string, text: string, readings: ReadonlyMap<string, string>): Undo[] {
  const entry = entryOf(file);
  const reading = entry === undefined ? undefined : readings.get(entry.read ?? file);
  if (entry === undefined || reading === undefined) return [];
  const back = entry.back(reading, text);
  if (back === undefined) return [];
  const others = entry.alsoChanges?.from === reading ? entry.alsoChanges.files : [];
  return [{ file: entry.written ?? file, text: back }, ...others.flatMap((other) => undoOf(other, '', readings))];
}

function entryOf(file: string): PutBack | undefined {
  if (Object.hasOwn(FILES, file)) return FILES[file];
  return HUGETLB_LIMIT.test(file) ? same : undefined;
}

/** The line of that key as it is. */
function lineOf(reading: string, key: string): string | undefined {
  return reading
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line.startsWith(`${key} `));
}

function single(reading: string): string | undefined {
  return /^[0-9]+$/.test(reading) ? reading : undefined;
}

/** Only those that a text such as "+cpu -memory" really enables or disables. */
function controllersBack(reading: string, text: string): string | undefined {
  const enabled = new Set(reading.split(/\s+/));
  const back = text
    .trim()
    .split(/\s+/)
    .filter((word) => (word.startsWith('+') ? !enabled.has(word.slice(1)) : enabled.has(word.slice(1))))
    .map((word) => `${word.startsWith('+') ? '-' : '+'}${word.slice(1)}`);
  return back.length === 0 ? undefined : back.join(' ');
}
