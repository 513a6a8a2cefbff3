/** What each controller tells of a cgroup, v1 and v2 under the same words. */
import {
  parseBlkio,
  parseCpuMax,
  parseDeviceValues,
  parseFlatKeyed,
  parseInteger,
  parseLimit,
  parseNestedKeyed,
  parsePartition,
  parsePercent,
} from '../../proc/cgroupValues.ts';
import { parsePressure } from '../../proc/pressure.ts';
import type {
  CgroupCpu,
  CgroupIo,
  CgroupIoDevice,
  CgroupMemory,
  CgroupsInspectResult,
  Figure,
  Lacking,
  Limit,
  Pressure,
} from '../../protocol/cgroups.ts';
import type { Unknown } from '../../protocol/errors.ts';
import { blockDeviceName, uncountedDisks } from './blockDevices.ts';
import { effectiveLimit, type LimitedCgroup, type LimitFiles, limitsOfVersion, whyNoLimit } from './effectiveLimit.ts';
import type { CgroupTexts } from './texts.ts';
import { boundByCpus, type UsableCpus } from './usableCpus.ts';

const NANOS_PER_MICRO = 1000;

/** A cgroup to describe: its files, and the chain of it and its ancestors for limits that bind. */
export interface Described {
  texts: CgroupTexts;
  chain: readonly LimitedCgroup[];
}

function limitOf({ texts, chain }: Described, controller: string, files: LimitFiles): Figure<Limit> {
  const own = texts.get(files.file);
  if (own !== undefined && typeof own !== 'string') return own;
  return whyNoLimit(files, chain) ?? effectiveLimit(files, chain) ?? texts.lacking(controller);
}

function keyOf(key: string): (text: string) => number | undefined {
  return (text) => parseFlatKeyed(text).get(key);
}

function microsOf(nanos: number | undefined): number | undefined {
  return nanos === undefined ? undefined : Math.floor(nanos / NANOS_PER_MICRO);
}

function pressureOf(texts: CgroupTexts, file: string): Figure<Pressure> {
  if (texts.version === 1) return { lacking: 'version' };
  const text = texts.get(file);
  // It is there without the controller; a kernel without PSI, or `cgroup.pressure` of 0, has none.
  if (text === undefined) return { lacking: 'kernel' };
  return typeof text === 'string' ? (parsePressure(text) ?? { unknown: 'unsupported' }) : text;
}

// ---------------------------------------------------------------------------------------------------------------------
// cpu

/** `siblings` are the weights of the cgroups that compete with it, itself included; `cpus` those that it may use. */
export function cpuSection(
  described: Described,
  siblings: readonly number[] | undefined,
  cpus: UsableCpus | Unknown | undefined,
): CgroupCpu | Lacking {
  const { texts } = described;
  // v2 accounts for CPU time in every cgroup, with the controller or without.
  if (texts.version === 1 && !texts.controllers.some((name) => name === 'cpu' || name === 'cpuacct'))
    return { lacking: 'controller' };
  const stat = (v1: string | undefined, v2: string) => statFigure(texts, v1, v2);
  return {
    ...(texts.version === 1
      ? usageV1(texts)
      : {
          usageMicros: stat(undefined, 'usage_usec'),
          userMicros: stat(undefined, 'user_usec'),
          systemMicros: stat(undefined, 'system_usec'),
        }),
    quotaMicros: texts.figure<number | null>('cpu', { v1: 'cpu.cfs_quota_us', v2: 'cpu.max' }, (text) =>
      texts.version === 1 ? parseLimit(text) : parseCpuMax(text)?.quotaMicros,
    ),
    periodMicros: texts.figure('cpu', { v1: 'cpu.cfs_period_us', v2: 'cpu.max' }, (text) =>
      texts.version === 1 ? parseInteger(text) : parseCpuMax(text)?.periodMicros,
    ),
    burstMicros: texts.number('cpu', { v1: 'cpu.cfs_burst_us', v2: 'cpu.max.burst' }),
    limit: cpuLimitOf(described, cpus),
    weight: texts.figure('cpu', { v1: 'cpu.shares', v2: 'cpu.weight' }, (text) => {
      const value = parseInteger(text);
      const sum = siblings?.reduce((total, weight) => total + weight, 0) ?? 0;
      const file = texts.version === 1 ? 'cpu.shares' : 'cpu.weight';
      return value === undefined ? undefined : { value, file, shareOfSiblings: sum >= value && sum > 0 ? value / sum : null };
    }),
    periods: stat('nr_periods', 'nr_periods'),
    throttledPeriods: stat('nr_throttled', 'nr_throttled'),
    throttledMicros:
      texts.version === 1
        ? texts.figure('cpu', { v1: 'cpu.stat' }, (text) => microsOf(keyOf('throttled_time')(text)))
        : stat(undefined, 'throttled_usec'),
    uclamp: uclampOf(texts),
    pressure: pressureOf(texts, 'cpu.pressure'),
  };
}

/** What a quota gives, and no more than there are CPUs to use it on. */
function cpuLimitOf(described: Described, cpus: UsableCpus | Unknown | undefined): Figure<Limit> {
  const limit = limitOf(described, 'cpu', limitsOfVersion(described.texts.version).cpu);
  if (!('own' in limit)) return limit;
  if (cpus !== undefined && 'unknown' in cpus) return cpus;
  return boundByCpus(limit, cpus);
}

type CpuUsage = Pick<CgroupCpu, 'usageMicros' | 'userMicros' | 'systemMicros'>;

/**
 * v1 counts the whole by a clock and its parts by ticks, in files of their own, so that a part may be above the whole. The kernel divides the whole in
 * the proportion of the ticks where it tells both in one file: cputime_adjust() in kernel/sched/cputime.c.
 */
function usageV1(texts: CgroupTexts): CpuUsage {
  const figure = (file: string) => texts.figure('cpuacct', { v1: file }, parseInteger);
  const [whole, user, system] = [figure('cpuacct.usage'), figure('cpuacct.usage_user'), figure('cpuacct.usage_sys')];
  const usageMicros = typeof whole === 'number' ? Math.floor(whole / NANOS_PER_MICRO) : whole;
  if (typeof user !== 'number' || typeof system !== 'number') return { usageMicros, userMicros: user, systemMicros: system };
  if (typeof usageMicros !== 'number') return { usageMicros, userMicros: usageMicros, systemMicros: usageMicros };
  const ticks = user + system;
  const userMicros = ticks === 0 ? usageMicros : Math.floor(usageMicros * (user / ticks));
  return { usageMicros, userMicros, systemMicros: usageMicros - userMicros };
}

/** A key of `cpu.stat`. That of v2 is always there, and without the controller has only the keys on usage. */
function statFigure(texts: CgroupTexts, v1: string | undefined, v2: string): Figure<number> {
  const key = texts.version === 1 ? v1 : v2;
  if (key === undefined) return { lacking: 'version' };
  const text = texts.get('cpu.stat');
  if (text === undefined) return texts.lacking('cpu');
  if (typeof text !== 'string') return text;
  return keyOf(key)(text) ?? texts.lacking('cpu');
}

function uclampOf(texts: CgroupTexts): CgroupCpu['uclamp'] {
  const min = texts.figure('cpu', { v1: 'cpu.uclamp.min', v2: 'cpu.uclamp.min' }, parsePercent);
  const max = texts.figure('cpu', { v1: 'cpu.uclamp.max', v2: 'cpu.uclamp.max' }, parsePercent);
  if (typeof min !== 'number') return min;
  return typeof max === 'number' ? { minPercent: min, maxPercent: max } : max;
}

// ---------------------------------------------------------------------------------------------------------------------
// memory

export function memorySection(described: Described): CgroupMemory | Lacking {
  const { texts } = described;
  if (!texts.controllers.includes('memory') && texts.get('memory.pressure') === undefined) return { lacking: 'controller' };
  const limits = limitsOfVersion(texts.version);
  const stat = (v1: string | undefined, v2: string) => {
    const key = texts.version === 1 ? v1 : v2;
    if (key === undefined) return { lacking: 'version' } as const;
    return texts.figure('memory', { v1: 'memory.stat', v2: 'memory.stat' }, keyOf(key));
  };
  const usageBytes = texts.number('memory', { v1: 'memory.usage_in_bytes', v2: 'memory.current' });
  return {
    usageBytes,
    workingSetBytes: workingSet(usageBytes, stat('total_inactive_file', 'inactive_file')),
    peakBytes: atLeast(usageBytes, texts.number('memory', { v1: 'memory.max_usage_in_bytes', v2: 'memory.peak' })),
    anonBytes: stat('total_rss', 'anon'),
    fileBytes: stat('total_cache', 'file'),
    kernelBytes: texts.version === 1 ? texts.number('memory', { v1: 'memory.kmem.usage_in_bytes' }) : stat(undefined, 'kernel'),
    slabBytes: stat(undefined, 'slab'),
    swapBytes: texts.version === 1 ? stat('total_swap', '') : texts.number('memory', { v2: 'memory.swap.current' }),
    minBytes: texts.figure('memory', { v2: 'memory.min' }, bytesText),
    lowBytes: texts.figure('memory', { v2: 'memory.low' }, bytesText),
    highBytes: texts.figure<number | null>('memory', { v2: 'memory.high' }, parseLimit),
    limit: limitOf(described, 'memory', limits.memory),
    swapLimit: limitOf(described, 'memory', limits.swap),
    events: memoryEvents(texts),
    oomGroup: texts.figure('memory', { v2: 'memory.oom.group' }, (text) => text.trim() === '1'),
    pressure: pressureOf(texts, 'memory.pressure'),
  };
}

/** `memory.min` and `.low` may be `max`: all that it has is protected. */
function bytesText(text: string): number | undefined {
  const value = parseLimit(text);
  return value === null ? Number.MAX_SAFE_INTEGER : value;
}

/** What was used most is read at another moment than what is used now, which it was not less than. */
function atLeast(usage: Figure<number>, peak: Figure<number>): Figure<number> {
  return typeof usage === 'number' && typeof peak === 'number' ? Math.max(usage, peak) : peak;
}

function workingSet(usage: Figure<number>, inactive: Figure<number>): Figure<number> {
  if (typeof usage !== 'number') return usage;
  return typeof inactive === 'number' ? Math.max(0, usage - inactive) : inactive;
}

function memoryEvents(texts: CgroupTexts): CgroupMemory['events'] {
  if (texts.version === 1) {
    return texts.figure('memory', { v1: 'memory.oom_control' }, (text) => {
      const failures = texts.number('memory', { v1: 'memory.failcnt' });
      return {
        ...(typeof failures === 'number' ? { max: failures } : {}),
        ...optional('oomKills', keyOf('oom_kill')(text)),
      };
    });
  }
  return texts.figure('memory', { v2: 'memory.events' }, (text) => {
    const values = parseFlatKeyed(text);
    return {
      ...optional('low', values.get('low')),
      ...optional('high', values.get('high')),
      ...optional('max', values.get('max')),
      ...optional('oom', values.get('oom')),
      ...optional('oomKills', values.get('oom_kill')),
    };
  });
}

function optional<K extends string>(key: K, value: number | undefined): { [key in K]?: number } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]?: number });
}

// ---------------------------------------------------------------------------------------------------------------------
// io

export function ioSection({ texts }: Described): CgroupIo | Lacking {
  const controller = texts.version === 1 ? 'blkio' : 'io';
  if (!texts.controllers.includes(controller) && texts.get('io.pressure') === undefined) return { lacking: 'controller' };
  const bytes = texts.figure(controller, { v1: SERVICE_BYTES, v2: 'io.stat' }, (text) => text);
  const devices =
    typeof bytes !== 'string' ? bytes : texts.version === 1 ? blkioDevices(texts, bytes) : ioDevices(texts, bytes);
  return {
    devices,
    weight: texts.figure(
      controller,
      { v1: WEIGHTS, v2: ['io.weight', 'io.bfq.weight'] },
      (text) => parseInteger(text) ?? parseDeviceValues(text).get('default'),
    ),
    pressure: pressureOf(texts, 'io.pressure'),
  };
}

const SERVICE_BYTES = ['blkio.throttle.io_service_bytes_recursive', 'blkio.throttle.io_service_bytes'];
const SERVICED = ['blkio.throttle.io_serviced_recursive', 'blkio.throttle.io_serviced'];
const WEIGHTS = ['blkio.weight', 'blkio.bfq.weight'];

function ioDevices(texts: CgroupTexts, stat: string): CgroupIoDevice[] {
  const figures = parseNestedKeyed(stat);
  const max = texts.get('io.max');
  const limits = typeof max === 'string' ? parseNestedKeyed(max) : new Map<string, Map<string, number | null>>();
  const weights = deviceValues(texts, ['io.weight', 'io.bfq.weight']);
  return devicesOf([figures, limits, weights]).map((device) => {
    const figure = (key: string) => figures.get(device)?.get(key) ?? undefined;
    const limit = (key: string) => limits.get(device)?.get(key) ?? null;
    return deviceOf(
      device,
      [figure('rbytes'), figure('wbytes'), figure('rios'), figure('wios')],
      [limit('rbps'), limit('wbps'), limit('riops'), limit('wiops')],
      weights.get(device),
    );
  });
}

function blkioDevices(texts: CgroupTexts, bytesText: string): CgroupIoDevice[] {
  const bytes = parseBlkio(bytesText);
  const servicedText = SERVICED.map((name) => texts.get(name)).find((text) => typeof text === 'string');
  const serviced = parseBlkio(typeof servicedText === 'string' ? servicedText : '');
  const throttle = (name: string) => deviceValues(texts, [`blkio.throttle.${name}_device`]);
  const limits = [throttle('read_bps'), throttle('write_bps'), throttle('read_iops'), throttle('write_iops')] as const;
  const weights = deviceValues(texts, ['blkio.weight_device', 'blkio.bfq.weight_device']);
  const uncounted = new Set(uncountedDisks().filter((disk) => !bytes.has(disk)));
  const described = devicesOf([bytes, serviced, weights, ...limits]).map((device) =>
    deviceOf(
      device,
      [
        bytes.get(device)?.get('Read'),
        bytes.get(device)?.get('Write'),
        serviced.get(device)?.get('Read'),
        serviced.get(device)?.get('Write'),
      ],
      [
        limits[0].get(device) ?? null,
        limits[1].get(device) ?? null,
        limits[2].get(device) ?? null,
        limits[3].get(device) ?? null,
      ],
      weights.get(device),
    ),
  );
  const known = new Set(described.map(({ device }) => device));
  const lacking = [...uncounted].filter((disk) => !known.has(disk));
  return [...described, ...lacking.map((disk) => deviceOf(disk, NOTHING_COUNTED, NO_LIMITS, undefined))].map((device) =>
    uncounted.has(device.device) ? { ...device, uncounted: true } : device,
  );
}

const NOTHING_COUNTED: Four<undefined> = [undefined, undefined, undefined, undefined];
const NO_LIMITS: Four<null> = [null, null, null, null];

function deviceValues(texts: CgroupTexts, files: readonly string[]): Map<string, number> {
  const text = files.map((name) => texts.get(name)).find((found) => typeof found === 'string');
  return parseDeviceValues(typeof text === 'string' ? text : '');
}

function devicesOf(maps: readonly ReadonlyMap<string, unknown>[]): string[] {
  const devices = new Set(maps.flatMap((map) => [...map.keys()]));
  devices.delete('default');
  return [...devices];
}

type Four<T> = [T, T, T, T];

function deviceOf(
  device: string,
  [readBytes, writtenBytes, readOperations, writeOperations]: Four<number | undefined>,
  limits: Four<number | null>,
  weight: number | undefined,
): CgroupIoDevice {
  const described: CgroupIoDevice = {
    device,
    limits: { readBytes: limits[0], writtenBytes: limits[1], readOperations: limits[2], writeOperations: limits[3] },
  };
  const name = blockDeviceName(device);
  if (name !== undefined) described.name = name;
  if (readBytes !== undefined) described.readBytes = readBytes;
  if (writtenBytes !== undefined) described.writtenBytes = writtenBytes;
  if (readOperations !== undefined) described.readOperations = readOperations;
  if (writeOperations !== undefined) described.writeOperations = writeOperations;
  if (weight !== undefined) described.weight = weight;
  return described;
}

// ---------------------------------------------------------------------------------------------------------------------
// The others

export function pidsSection(described: Described): CgroupsInspectResult['pids'] {
  const { texts } = described;
  if (!texts.controllers.includes('pids')) return { lacking: 'controller' };
  return {
    tasks: texts.number('pids', { v1: 'pids.current', v2: 'pids.current' }),
    limit: limitOf(described, 'pids', limitsOfVersion(texts.version).pids),
    limitHits: texts.figure('pids', { v1: 'pids.events', v2: 'pids.events' }, keyOf('max')),
  };
}

export function cpusetSection({ texts }: Described): CgroupsInspectResult['cpuset'] {
  if (!texts.controllers.includes('cpuset')) return { lacking: 'controller' };
  const list = (v1: string, v2: string) => texts.figure('cpuset', { v1, v2 }, (text) => text.trim());
  return {
    cpus: list('cpuset.cpus', 'cpuset.cpus'),
    effectiveCpus: list('cpuset.effective_cpus', 'cpuset.cpus.effective'),
    mems: list('cpuset.mems', 'cpuset.mems'),
    effectiveMems: list('cpuset.effective_mems', 'cpuset.mems.effective'),
    cpuPartition: texts.figure('cpuset', { v2: 'cpuset.cpus.partition' }, parsePartition),
  };
}

export function hugetlbSection(described: Described): CgroupsInspectResult['hugetlb'] {
  const { texts } = described;
  if (!texts.controllers.includes('hugetlb')) return { lacking: 'controller' };
  const suffixes =
    texts.version === 1 ? { limit: 'limit_in_bytes', usage: 'usage_in_bytes' } : { limit: 'max', usage: 'current' };
  const used = (usage: string) => texts.number('hugetlb', { v1: usage, v2: usage });
  const sizes = new Set(
    texts.names.map((name) => /^hugetlb\.([0-9]+[KMG]B)\./.exec(name)?.[1]).filter((size) => size !== undefined),
  );
  return [...sizes].map((pageSize) => {
    const files = (prefix: string): LimitFiles & { usage: string } => ({
      file: `hugetlb.${pageSize}.${prefix}${suffixes.limit}`,
      usage: `hugetlb.${pageSize}.${prefix}${suffixes.usage}`,
    });
    const [own, reserved] = [files(''), files('rsvd.')];
    return {
      pageSize,
      usageBytes: used(own.usage),
      limit: limitOf(described, 'hugetlb', own),
      reservedBytes: used(reserved.usage),
      reservationLimit: limitOf(described, 'hugetlb', reserved),
    };
  });
}

export function freezerSection({ texts }: Described): CgroupsInspectResult['freezer'] {
  if (texts.version === 1) {
    return texts.figure('freezer', { v1: 'freezer.state' }, (text) => {
      const state = text.trim();
      return { frozen: state === 'FROZEN', self: texts.get('freezer.self_freezing')?.toString().trim() === '1', state };
    });
  }
  if (texts.isRoot) return { lacking: 'root' };
  const events = texts.get('cgroup.events');
  const self = texts.get('cgroup.freeze');
  if (self === undefined) return { lacking: 'kernel' };
  if (typeof self !== 'string') return self;
  if (typeof events !== 'string') return events ?? { lacking: 'kernel' };
  const frozen = parseFlatKeyed(events).get('frozen') === 1;
  return { frozen, self: self.trim() === '1', state: `cgroup.freeze ${self.trim()}, frozen ${frozen ? 1 : 0}` };
}

/** v2 `cgroup.stat`. */
export function descendantsOf({ texts }: Described): CgroupsInspectResult['descendants'] {
  return texts.figure('', { v2: 'cgroup.stat' }, (text) => {
    const values = parseFlatKeyed(text);
    const [live, dying] = [values.get('nr_descendants'), values.get('nr_dying_descendants')];
    if (live === undefined || dying === undefined) return undefined;
    const ofControllers = [...values].flatMap(([key, count]): [string, number][] => {
      const name = /^nr_dying_subsys_(.+)$/.exec(key)?.[1];
      return name === undefined || count === 0 ? [] : [[name, count]];
    });
    return { live, dying, dyingOf: Object.fromEntries(ofControllers) };
  });
}

const KNOWN =
  /^(cgroup|cpu|cpuacct|memory|io|blkio|pids|cpuset|hugetlb|freezer|devices)\.|^(tasks|notify_on_release|release_agent)$/;
const MAX_OTHER_CHARACTERS = 4096;

/** `rdma`, `misc`, `net_cls`, `net_prio`, and what kernels to come will have. */
export function otherFiles({ texts }: Described): CgroupsInspectResult['others'] {
  const others: CgroupsInspectResult['others'] = [];
  for (const file of texts.names) {
    const text = KNOWN.test(file) ? undefined : texts.get(file);
    if (typeof text === 'string') others.push({ file, text: text.slice(0, MAX_OTHER_CHARACTERS).trimEnd() });
  }
  return others;
}
