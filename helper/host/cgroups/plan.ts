/** What a change comes to: the files to write, with which text, in which order. Nothing is written here. */
import fs from 'node:fs';
import { Failure, isSystemError, unknownFrom } from '../../failure.ts';
import { close, readText } from '../../kernel/files.ts';
import { hasEnded, openPidfd } from '../../kernel/pidfd.ts';
import { bytesOfName } from '../../proc/fileName.ts';
import type { CgroupChange } from '../../protocol/cgroups.ts';
import type { ProcessRef, Unknown } from '../../protocol.ts';
import { readStartTime } from '../processReader.ts';
import { isComponent, listNames, type OpenCgroup, openFile, readFile } from './directory.ts';
import { membersBelow } from './members.ts';
import { directoryRefusal, fileRefusal } from './refusals.ts';

export interface WriteStep {
  do: 'write';
  file: string;
  text: string;
  before: string | Unknown;
  /** What writes back what stood there; undefined when it cannot be. */
  undo?: string;
}

export type Step =
  | WriteStep
  | { do: 'mkdir'; name: string }
  | { do: 'rmdir' }
  | { do: 'kill' }
  | { do: 'move'; process: ProcessRef };

/** What cpu.max takes at most: MAX_BW of kernel/sched/sched.h, 2^44 ns. */
const MAX_QUOTA_MICROS = 2 ** 44 / 1000;
const MIN_QUOTA_MICROS = 1000;
const MIN_PERIOD_MICROS = 1000;
const MAX_PERIOD_MICROS = 1_000_000;
const WEIGHTS = { 1: [2, 262_144], 2: [1, 10_000] } as const;
/** PID_MAX_LIMIT of 64-bit Linux. */
const MAX_TASKS = 4_194_304;

/**
 * Throws a `Failure`: `invalid` for values that the kernel cannot take, `notFound` or `unsupported` for what this cgroup does not have, `permission` for
 * what the helper may not write.
 */
export async function planChange(cgroup: OpenCgroup, change: CgroupChange): Promise<Step[]> {
  const steps = await stepsOf(cgroup, change);
  // Opening writes nothing; a refusal should come before the first write, not between two.
  for (const step of steps) if (step.do === 'write') close(openToWrite(cgroup, step.file));
  return steps;
}

async function stepsOf(cgroup: OpenCgroup, change: CgroupChange): Promise<Step[]> {
  switch (change.kind) {
    case 'cpuLimit':
      return planCpuLimit(cgroup, change.quotaMicros, change.periodMicros);
    case 'cpuWeight':
      return planCpuWeight(cgroup, change.weight);
    case 'memoryLimit':
      return planMemoryLimit(cgroup, change.limitBytes);
    case 'memoryHigh':
      return planMemoryHigh(cgroup, change.limitBytes);
    case 'swapLimit':
      return planSwapLimit(cgroup, change.limitBytes);
    case 'tasksLimit':
      return planTasksLimit(cgroup, change.limit);
    case 'ioLimit':
      return planIoLimit(cgroup, change);
    case 'freeze':
      return planFreeze(cgroup, change.frozen);
    case 'kill':
      return planKill(cgroup);
    case 'create':
      return planCreate(cgroup, change.name);
    case 'remove':
      return planRemove(cgroup);
    case 'move':
      return planMove(cgroup, change.process);
    case 'controller':
      return planController(cgroup, change.controller, change.enabled);
    case 'write':
      return [await planWrite(cgroup, change.file, change.text)];
  }
}

function invalid(message: string, hint: string): Failure {
  return new Failure('invalid', message, { hint });
}

// ---------------------------------------------------------------------------------------------------------------------
// Limits

async function planCpuLimit(cgroup: OpenCgroup, quota: number | null, period: number | undefined): Promise<WriteStep[]> {
  if (quota !== null && (quota < MIN_QUOTA_MICROS || quota > MAX_QUOTA_MICROS)) {
    throw invalid(
      `A CPU quota of ${quota} µs is not possible.`,
      `Give at least ${MIN_QUOTA_MICROS} µs; for a smaller share make the period longer, up to ${MAX_PERIOD_MICROS} µs.`,
    );
  }
  if (period !== undefined && (period < MIN_PERIOD_MICROS || period > MAX_PERIOD_MICROS)) {
    throw invalid(
      `A CPU period of ${period} µs is not possible.`,
      `Give one from ${MIN_PERIOD_MICROS} to ${MAX_PERIOD_MICROS} µs.`,
    );
  }
  if (cgroup.version === 1) return planCpuLimitV1(cgroup, quota, period);
  const before = await standing(cgroup, 'cpu.max');
  const text = [quota ?? 'max', period ?? (typeof before === 'string' ? before.split(' ')[1] : undefined)];
  const undo = typeof before === 'string' ? before : undefined;
  return [writeStep('cpu.max', text.filter((word) => word !== undefined).join(' '), before, undo)];
}

async function planCpuLimitV1(cgroup: OpenCgroup, quota: number | null, period: number | undefined): Promise<WriteStep[]> {
  const quotaStep = await valueStep(cgroup, 'cpu.cfs_quota_us', String(quota ?? -1));
  if (period === undefined) return [quotaStep];
  const periodStep = await valueStep(cgroup, 'cpu.cfs_period_us', String(period));
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

async function planCpuWeight(cgroup: OpenCgroup, weight: number): Promise<WriteStep[]> {
  const [lowest, highest] = WEIGHTS[cgroup.version];
  const file = cgroup.version === 2 ? 'cpu.weight' : 'cpu.shares';
  if (weight < lowest || weight > highest)
    throw invalid(`${file} cannot be ${weight}.`, `Give a number from ${lowest} to ${highest}.`);
  return [await valueStep(cgroup, file, String(weight))];
}

const MEMORY_V1 = 'memory.limit_in_bytes';
const MEMORY_AND_SWAP_V1 = 'memory.memsw.limit_in_bytes';
/** v1 gives `LONG_MAX` rounded down to whole pages for no limit, whatever the size of the page. */
const UNLIMITED_V1 = 2 ** 62;

/** v1 keeps memory ≤ memory and swap at every moment: the latter goes first, with the swap that was left, when the former would pass it. */
async function planMemoryLimit(cgroup: OpenCgroup, limit: number | null): Promise<WriteStep[]> {
  if (cgroup.version === 2) return [await valueStep(cgroup, 'memory.max', String(limit ?? 'max'))];
  const memory = await valueStep(cgroup, MEMORY_V1, String(limit ?? -1));
  const both = await standing(cgroup, MEMORY_AND_SWAP_V1, true);
  if (typeof both !== 'string') return [memory];
  const text = raisedMemoryAndSwap(limit, Number(memory.before), Number(both));
  return text === undefined ? [memory] : [writeStep(MEMORY_AND_SWAP_V1, text, both, both), memory];
}

/** The text for v1's limit of memory and swap when that of memory becomes `limit`; undefined when it can stay. */
export function raisedMemoryAndSwap(limit: number | null, memory: number, both: number): string | undefined {
  if (both >= UNLIMITED_V1) return undefined;
  if (limit === null) return '-1';
  return limit > both ? String(limit + Math.max(0, both - memory)) : undefined;
}

async function planMemoryHigh(cgroup: OpenCgroup, limit: number | null): Promise<WriteStep[]> {
  if (cgroup.version === 2) return [await valueStep(cgroup, 'memory.high', String(limit ?? 'max'))];
  throw new Failure('unsupported', 'cgroup v1 has no limit above which memory is only slowed down.', {
    hint: 'Set the hard limit; memory.soft_limit_in_bytes only says what is reclaimed first when the whole machine is short.',
  });
}

async function planSwapLimit(cgroup: OpenCgroup, limit: number | null): Promise<WriteStep[]> {
  if (cgroup.version === 2) return [await valueStep(cgroup, 'memory.swap.max', String(limit ?? 'max'))];
  const memory = Number(await standing(cgroup, MEMORY_V1));
  if (limit !== null && limit < memory) {
    const alone = memory >= UNLIMITED_V1 ? 'memory alone has no limit' : `memory alone is limited to ${memory} bytes`;
    throw invalid(
      `Memory and swap together cannot be limited to ${limit} bytes: ${alone}.`,
      'In cgroup v1 this limit counts memory and swap together. Give at least the limit of memory, or lower that one first.',
    );
  }
  return [await valueStep(cgroup, MEMORY_AND_SWAP_V1, String(limit ?? -1))];
}

async function planTasksLimit(cgroup: OpenCgroup, limit: number | null): Promise<WriteStep[]> {
  if (limit !== null && limit > MAX_TASKS) {
    throw invalid(
      `A limit of ${limit} tasks is not possible.`,
      `Linux has at most ${MAX_TASKS} tasks. Give none for no limit.`,
    );
  }
  return [await valueStep(cgroup, 'pids.max', String(limit ?? 'max'))];
}

const IO_LIMITS = [
  { key: 'readBytes', v2: 'rbps', v1: 'blkio.throttle.read_bps_device' },
  { key: 'writtenBytes', v2: 'wbps', v1: 'blkio.throttle.write_bps_device' },
  { key: 'readOperations', v2: 'riops', v1: 'blkio.throttle.read_iops_device' },
  { key: 'writeOperations', v2: 'wiops', v1: 'blkio.throttle.write_iops_device' },
] as const;

type IoLimit = Extract<CgroupChange, { kind: 'ioLimit' }>;

async function planIoLimit(cgroup: OpenCgroup, change: IoLimit): Promise<WriteStep[]> {
  const given = IO_LIMITS.filter(({ key }) => change[key] !== undefined);
  if (given.length === 0) throw invalid('No limit of input or output was given.', 'Give at least one of the four.');
  const { device } = change;
  if (!fs.existsSync(`/sys/dev/block/${device}`)) {
    throw new Failure('notFound', `This host has no block device ${device}.`, {
      hint: 'Choose one of those that lsblk lists; a limit is for a whole disk, not a partition.',
    });
  }
  if (cgroup.version === 1) {
    const steps: WriteStep[] = [];
    for (const { key, v1 } of given) {
      // v1 takes a limit away when 0 is written for it.
      const before = await standing(cgroup, v1);
      const undo = typeof before === 'string' ? `${device} ${wordsOfDevice(before, device)[0] ?? '0'}` : undefined;
      steps.push(writeStep(v1, `${device} ${change[key] ?? 0}`, before, undo));
    }
    return steps;
  }
  const before = await standing(cgroup, 'io.max');
  const text = [device, ...given.map(({ key, v2 }) => `${v2}=${change[key] ?? 'max'}`)].join(' ');
  return [writeStep('io.max', text, before, typeof before === 'string' ? ioMaxOf(before, device) : undefined)];
}

/** What writes back the limits of one device that `io.max` held: a device without limits has no line there. */
export function ioMaxOf(text: string, device: string): string {
  const words = wordsOfDevice(text, device);
  return [device, ...(words.length > 0 ? words : IO_LIMITS.map(({ v2 }) => `${v2}=max`))].join(' ');
}

/** What follows a device in a file with a line for each. */
function wordsOfDevice(text: string, device: string): string[] {
  const line = text.split('\n').find((one) => one.startsWith(`${device} `));
  return line === undefined
    ? []
    : line
        .slice(device.length + 1)
        .trim()
        .split(/\s+/);
}

// ---------------------------------------------------------------------------------------------------------------------
// Processes

/** `undo` is the cgroup's own state: `freezer.state` also says FROZEN when only a cgroup above is. */
async function planFreeze(cgroup: OpenCgroup, frozen: boolean): Promise<WriteStep[]> {
  if (cgroup.ref.path === '/') throw invalid('The root cgroup cannot be frozen.', 'Choose a cgroup below it.');
  if (cgroup.version === 2) return [await valueStep(cgroup, 'cgroup.freeze', frozen ? '1' : '0')];
  const before = await standing(cgroup, 'freezer.state');
  const self = readText(cgroup.fd, 'freezer.self_freezing', 16);
  const undo = typeof self === 'string' ? (self.startsWith('1') ? 'FROZEN' : 'THAWED') : undefined;
  return [writeStep('freezer.state', frozen ? 'FROZEN' : 'THAWED', before, undo)];
}

function planKill(cgroup: OpenCgroup): Step[] {
  if (cgroup.ref.path !== '/') return [{ do: 'kill' }];
  throw invalid('The processes of the root cgroup are not killed: that is the whole machine.', 'Choose a cgroup below it.');
}

function planMove(cgroup: OpenCgroup, process: ProcessRef): Step[] {
  close(holdProcess(process));
  close(openToWrite(cgroup, 'cgroup.procs'));
  return [{ do: 'move', process }];
}

/** A pidfd of exactly that process. Throws a `Failure`, `gone`. */
export function holdProcess({ pid, startTime }: ProcessRef): number {
  const gone = () => new Failure('gone', `Process ${pid} has ended.`, { hint: 'Refresh the view and choose another process.' });
  let pidfd: number;
  try {
    pidfd = openPidfd(pid);
  } catch {
    throw gone();
  }
  // Read after the pidfd was opened: of the process that it holds, unless that one has ended.
  if (readStartTime(pid) === startTime && !hasEnded(pidfd)) return pidfd;
  close(pidfd);
  throw gone();
}

// ---------------------------------------------------------------------------------------------------------------------
// The tree

function planCreate(cgroup: OpenCgroup, name: string): Step[] {
  const bytes = bytesOfName(name);
  if (bytes === undefined || !isComponent(bytes)) {
    throw invalid(
      'This is not a name that a cgroup can have.',
      'Give one name of 1 to 255 bytes without a slash, other than "." and "..".',
    );
  }
  // The kernel refuses it, so that /proc/PID/cgroup stays a line for each hierarchy.
  if (name.includes('\n')) throw invalid('The name of a cgroup cannot have a line break.', 'Leave it out.');
  demandWritable(cgroup, '.', name);
  return [{ do: 'mkdir', name }];
}

function planRemove(cgroup: OpenCgroup): Step[] {
  if (cgroup.ref.path === '/') throw invalid('The root of a hierarchy cannot be removed.', 'Choose a cgroup below it.');
  demandWritable(cgroup, '..', undefined);
  const children = listNames(cgroup.fd).cgroups.length;
  const processes = membersBelow(cgroup.fd).pids.size;
  if (children === 0 && processes === 0) return [{ do: 'rmdir' }];
  throw new Failure(
    'busy',
    `${cgroup.directory} is in use: processes in it and below ${processes}, child cgroups ${children}.`,
    {
      hint: 'Move or kill its processes and remove its children first.',
    },
  );
}

/** Of the directory in which the name is made or, without one, this cgroup removed. */
function demandWritable(cgroup: OpenCgroup, directory: '.' | '..', name: string | undefined): void {
  try {
    fs.accessSync(`/proc/self/fd/${cgroup.fd}/${directory}`, fs.constants.W_OK);
  } catch (error) {
    throw directoryRefusal(cgroup, name, error);
  }
}

async function planController(cgroup: OpenCgroup, controller: string, enabled: boolean): Promise<WriteStep[]> {
  if (cgroup.version === 1) {
    throw new Failure(
      'unsupported',
      'In cgroup v1 a controller acts on every cgroup of its hierarchy; none is enabled for children.',
      {
        hint: 'Create the cgroup in the hierarchy of that controller.',
      },
    );
  }
  const before = await standing(cgroup, 'cgroup.subtree_control');
  const sign = (on: boolean) => `${on ? '+' : '-'}${controller}`;
  const stood = typeof before === 'string' && before.split(' ').includes(controller);
  return [writeStep('cgroup.subtree_control', sign(enabled), before, stood === enabled ? undefined : sign(stood))];
}

// ---------------------------------------------------------------------------------------------------------------------
// Files

/** Files whose text is an order, not a value: reading them does not give what puts them back, as one with many lines does not. */
const ORDERS =
  /^(?:cgroup\.(?:procs|threads|kill|type|subtree_control|event_control)|tasks|memory\.(?:reclaim|force_empty|peak|swap\.peak)|devices\.(?:allow|deny)|.+\.pressure|.+_device|.+\.failcnt|.+\.max_usage_in_bytes|io\.(?:max|latency|weight|cost\..+|bfq\.weight)|blkio\.(?:reset_stats|bfq\.weight_device)|rdma\.max|misc\.max|net_prio\.ifpriomap)$/;

async function planWrite(cgroup: OpenCgroup, file: string, text: string): Promise<WriteStep> {
  if (text === '') throw fileRefusal(cgroup, file, 'write', NO_TEXT);
  close(openToWrite(cgroup, file));
  const before = await standing(cgroup, file);
  const restores = typeof before === 'string' && !before.includes('\n') && !ORDERS.test(file);
  // Without a line break nothing would be written where a file held nothing: release_agent, cpuset.cpus.
  return writeStep(file, text, before, restores ? before || '\n' : undefined);
}

/** What the kernel answers to text that it cannot read. */
const NO_TEXT = Object.assign(new Error('EINVAL'), { code: 'EINVAL' });

/** A descriptor of one of its files. Throws a `Failure` that says why it cannot be written. */
export function openToWrite(cgroup: OpenCgroup, file: string): number {
  try {
    return openFile(cgroup.fd, file, fs.constants.O_WRONLY);
  } catch (error) {
    throw fileRefusal(cgroup, file, 'write', error);
  }
}

/** A file that holds one value: its old text puts it back. */
async function valueStep(cgroup: OpenCgroup, file: string, text: string): Promise<WriteStep> {
  const before = await standing(cgroup, file);
  return writeStep(file, text, before, typeof before === 'string' ? before : undefined);
}

function writeStep(file: string, text: string, before: string | Unknown, undo: string | undefined): WriteStep {
  return { do: 'write', file, text, before, ...(undo === undefined ? {} : { undo }) };
}

/** What stands in a file now, without the line break at its end. Throws a `Failure` where there is no such file; unless it is `optional`. */
async function standing(cgroup: OpenCgroup, file: string, optional = false): Promise<string | Unknown> {
  try {
    return (await readFile(cgroup.fd, file)).trimEnd();
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT' && !optional) throw fileRefusal(cgroup, file, 'read', error);
    return unknownFrom(error);
  }
}
