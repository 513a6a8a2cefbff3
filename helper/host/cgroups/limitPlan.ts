/** What setting a limit comes to, in the files of v1 and of v2. */
import fs from 'node:fs';
import { Failure } from '../../failure.ts';
import { NO_LIMIT } from '../../proc/cgroupValues.ts';
import type { CgroupChange } from '../../protocol/cgroups.ts';
import { said } from '../../saying.ts';
import type { OpenCgroup } from './directory.ts';
import { invalid, standing, type WriteStep, writeStep } from './steps.ts';

/** What cpu.max takes at most: MAX_BW of kernel/sched/sched.h, 2^44 ns. */
const MAX_QUOTA_MICROS = 2 ** 44 / 1000;
const MIN_QUOTA_MICROS = 1000;
const MIN_PERIOD_MICROS = 1000;
const MAX_PERIOD_MICROS = 1_000_000;
const WEIGHTS = { 1: [2, 262_144], 2: [1, 10_000] } as const;
/** PID_MAX_LIMIT of 64-bit Linux. */
const MAX_TASKS = 4_194_304;

export async function planCpuLimit(cgroup: OpenCgroup, quota: number | null, period: number | undefined): Promise<WriteStep[]> {
  if (quota !== null && (quota < MIN_QUOTA_MICROS || quota > MAX_QUOTA_MICROS)) {
    throw invalid(
      ['quotaMicros'],
      said('quotaIsNotPossible', quota),
      said('giveQuotaAtLeast', MIN_QUOTA_MICROS, MAX_PERIOD_MICROS),
    );
  }
  if (period !== undefined && (period < MIN_PERIOD_MICROS || period > MAX_PERIOD_MICROS)) {
    throw invalid(
      ['periodMicros'],
      said('periodIsNotPossible', period),
      said('givePeriodFrom', MIN_PERIOD_MICROS, MAX_PERIOD_MICROS),
    );
  }
  if (quota !== null) await demandAboveBurst(cgroup, quota);
  if (cgroup.version === 1) return planCpuLimitV1(cgroup, quota, period);
  const before = await standing(cgroup, 'cpu.max');
  const text = [quota ?? 'max', period ?? (typeof before === 'string' ? before.split(' ')[1] : undefined)];
  return [await writeStep(cgroup, 'cpu.max', text.filter((word) => word !== undefined).join(' '))];
}

/** tg_set_bandwidth() in kernel/sched/core.c takes no quota below the burst, and its error says nothing of that. */
async function demandAboveBurst(cgroup: OpenCgroup, quota: number): Promise<void> {
  const file = cgroup.version === 2 ? 'cpu.max.burst' : 'cpu.cfs_burst_us';
  const burst = Number(await standing(cgroup, file, true));
  if (!(burst > quota)) return;
  throw invalid(['quotaMicros'], said('quotaIsBelowBurst', quota, burst, file), said('writeBurstFirst', quota, file, burst));
}

async function planCpuLimitV1(cgroup: OpenCgroup, quota: number | null, period: number | undefined): Promise<WriteStep[]> {
  const quotaStep = await writeStep(cgroup, 'cpu.cfs_quota_us', String(quota ?? -1));
  if (period === undefined) return [quotaStep];
  const periodStep = await writeStep(cgroup, 'cpu.cfs_period_us', String(period));
  if (periodStep.before === periodStep.text) return [quotaStep];
  const before = { quota: Number(quotaStep.before), period: Number(periodStep.before) };
  return isQuotaFirst(before, { quota: quota ?? -1, period }) ? [quotaStep, periodStep] : [periodStep, quotaStep];
}

interface Bandwidth {
  /** -1 without a limit. */
  quota: number;
  period: number;
}

/**
 * Whether v1's quota is to be written before the period. The kernel holds each write by itself against the parent's share and the children's: what
 * stands in between should lie between old and new, or be the smaller one where neither does.
 */
export function isQuotaFirst(before: Bandwidth, after: Bandwidth): boolean {
  if (after.quota === -1) return true;
  if (before.quota === -1) return false;
  const [low, high] = [before.quota / before.period, after.quota / after.period].sort((one, other) => one - other) as [
    number,
    number,
  ];
  const isBetween = (share: number) => share >= low && share <= high;
  const [quotaFirst, periodFirst] = [after.quota / before.period, before.quota / after.period];
  if (isBetween(quotaFirst) !== isBetween(periodFirst)) return isBetween(quotaFirst);
  return quotaFirst <= periodFirst;
}

export async function planCpuWeight(cgroup: OpenCgroup, weight: number): Promise<WriteStep[]> {
  const [lowest, highest] = WEIGHTS[cgroup.version];
  const file = cgroup.version === 2 ? 'cpu.weight' : 'cpu.shares';
  if (weight < lowest || weight > highest)
    throw invalid(['weight'], said('limitCannotBe', file, weight), said('giveNumberFrom', lowest, highest));
  return [await writeStep(cgroup, file, String(weight))];
}

const MEMORY_V1 = 'memory.limit_in_bytes';
const MEMORY_AND_SWAP_V1 = 'memory.memsw.limit_in_bytes';

/** v1 keeps memory ≤ memory and swap at every moment: the latter goes first, with the swap that was left, when the former would pass it. */
export async function planMemoryLimit(cgroup: OpenCgroup, limit: number | null): Promise<WriteStep[]> {
  if (cgroup.version === 2) return [await writeStep(cgroup, 'memory.max', String(limit ?? 'max'))];
  const memory = await writeStep(cgroup, MEMORY_V1, String(limit ?? -1));
  const both = await standing(cgroup, MEMORY_AND_SWAP_V1, true);
  if (typeof both !== 'string') return [memory];
  const text = raisedMemoryAndSwap(limit, Number(memory.before), Number(both));
  return text === undefined ? [memory] : [await writeStep(cgroup, MEMORY_AND_SWAP_V1, text), memory];
}

/** The text for v1's limit of memory and swap when that of memory becomes `limit`; undefined when it can stay. */
export function raisedMemoryAndSwap(limit: number | null, memory: number, both: number): string | undefined {
  if (both >= NO_LIMIT) return undefined;
  if (limit === null) return '-1';
  return limit > both ? String(limit + Math.max(0, both - memory)) : undefined;
}

export async function planMemoryHigh(cgroup: OpenCgroup, limit: number | null): Promise<WriteStep[]> {
  if (cgroup.version === 2) return [await writeStep(cgroup, 'memory.high', String(limit ?? 'max'))];
  throw new Failure('unsupported', said('noHighLimitInV1'), {
    hint: said('setHardLimit'),
  });
}

export async function planSwapLimit(cgroup: OpenCgroup, limit: number | null): Promise<WriteStep[]> {
  if (cgroup.version === 2) return [await writeStep(cgroup, 'memory.swap.max', String(limit ?? 'max'))];
  const memory = Number(await standing(cgroup, MEMORY_V1));
  if (limit !== null && limit < memory) {
    const alone = memory >= NO_LIMIT ? said('memoryAloneHasNoLimit') : said('memoryAloneIsLimited', memory);
    throw invalid(['limitBytes'], said('memoryAndSwapCannotBeLimited', limit, alone), said('v1CountsMemoryAndSwap'));
  }
  return [await writeStep(cgroup, MEMORY_AND_SWAP_V1, String(limit ?? -1))];
}

export async function planTasksLimit(cgroup: OpenCgroup, limit: number | null): Promise<WriteStep[]> {
  if (limit !== null && limit > MAX_TASKS) {
    throw invalid(['limit'], said('tasksLimitIsNotPossible', limit), said('linuxHasAtMostTasks', MAX_TASKS));
  }
  return [await writeStep(cgroup, 'pids.max', String(limit ?? 'max'))];
}

const IO_LIMITS = [
  { key: 'readBytes', v2: 'rbps', v1: 'blkio.throttle.read_bps_device' },
  { key: 'writtenBytes', v2: 'wbps', v1: 'blkio.throttle.write_bps_device' },
  { key: 'readOperations', v2: 'riops', v1: 'blkio.throttle.read_iops_device' },
  { key: 'writeOperations', v2: 'wiops', v1: 'blkio.throttle.write_iops_device' },
] as const;

type IoLimit = Extract<CgroupChange, { kind: 'ioLimit' }>;

export async function planIoLimit(cgroup: OpenCgroup, change: IoLimit): Promise<WriteStep[]> {
  const given = IO_LIMITS.filter(({ key }) => change[key] !== undefined);
  if (given.length === 0) throw invalid([], said('noIoLimitWasGiven'), said('giveOneOfFour'));
  const { device } = change;
  if (!fs.existsSync(`/sys/dev/block/${device}`)) {
    throw new Failure('notFound', said('noBlockDevice', device), {
      field: ['device'],
      hint: said('chooseDeviceOfLsblk'),
    });
  }
  if (cgroup.version === 1) {
    const steps: WriteStep[] = [];
    for (const { key, v1 } of given) {
      const limit = change[key] ?? 0;
      if (v1.includes('iops') && limit > MOST_V1_OPERATIONS) throw tooManyOperations(key, limit);
      // v1 takes a limit away when 0 is written for it.
      steps.push(await writeStep(cgroup, v1, `${device} ${limit}`));
    }
    return steps;
  }
  return [
    await writeStep(cgroup, 'io.max', [device, ...given.map(({ key, v2 }) => `${v2}=${change[key] ?? 'max'}`)].join(' ')),
  ];
}

/** v1 takes more, and cuts it to 32 bits: tg_set_conf_uint() in block/blk-throttle.c. */
const MOST_V1_OPERATIONS = 2 ** 32 - 1;

function tooManyOperations(field: string, limit: number): Failure {
  return invalid([field], said('operationsLimitIsNotPossible', limit), said('v1KeepsAtMostOperations', MOST_V1_OPERATIONS));
}
