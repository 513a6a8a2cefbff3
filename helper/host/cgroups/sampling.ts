/**
 * Samples of cgroups for charts: every file is opened once and then read at its start (pread(2)), since opening it each time would cost
 * five times as much as reading it.
 */
import fs from 'node:fs';
import { close } from '../../kernel/files.ts';
import { numberOfBytes, numberOfKey, parseBlkio, parseNestedKeyed } from '../../proc/cgroupValues.ts';
import { parsePressure } from '../../proc/pressure.ts';
import type { CgroupRef, CgroupSample } from '../../protocol/cgroups.ts';
import { openChain } from './chain.ts';
import { openFile } from './directory.ts';
import { type LimitFiles, limitsOfVersion, ownLimit, type ReadFile } from './effectiveLimit.ts';

const NANOS_PER_MICRO = 1000;
/** A file that is not there is looked for again after so long. */
const MISSING_HOLD_MILLIS = 10_000;
const buffer = Buffer.alloc(64 * 1024);

/** Files of one directory, opened when they are first read. */
class HeldFiles implements Disposable {
  private readonly directory: number;
  private readonly descriptors = new Map<string, number>();
  /** Files that are not there, and when that was last seen: a controller may be enabled later. */
  private readonly missing = new Map<string, number>();
  /** The cgroup was removed. */
  isGone = false;

  constructor(directory: number) {
    this.directory = directory;
  }

  /** The bytes are valid until the next reading. */
  readonly read: ReadFile = (file) => {
    const descriptor = this.descriptors.get(file) ?? this.open(file);
    if (descriptor === undefined) return undefined;
    try {
      return buffer.subarray(0, fs.readSync(descriptor, buffer, 0, buffer.length, 0));
    } catch (error) {
      // The files of a cgroup that was removed answer so for ever.
      if ((error as NodeJS.ErrnoException).code === 'ENODEV') this.isGone = true;
      return undefined;
    }
  };

  private open(file: string): number | undefined {
    const now = performance.now();
    if (now - (this.missing.get(file) ?? Number.NEGATIVE_INFINITY) < MISSING_HOLD_MILLIS) return undefined;
    try {
      const descriptor = openFile(this.directory, file, fs.constants.O_RDONLY);
      this.descriptors.set(file, descriptor);
      return descriptor;
    } catch {
      this.missing.set(file, now);
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.descriptors.values()) close(descriptor);
    this.descriptors.clear();
  }
}

/** One cgroup that is sampled, with its ancestors, whose limits count. */
export class SampledCgroup implements Disposable {
  private readonly version: 1 | 2;
  private readonly chain: Disposable;
  private readonly held: HeldFiles[];

  /** Throws the `Failure`s of `openCgroup`. */
  constructor(ref: CgroupRef) {
    const chain = openChain(ref);
    this.chain = chain;
    this.version = chain.cgroup.version;
    this.held = chain.links.map(({ fd }) => new HeldFiles(fd));
  }

  /** `null` when the cgroup is gone. */
  sample(): CgroupSample | null {
    const [own] = this.held;
    if (own === undefined) return null;
    // Every cgroup has these files, with or without controllers; they are short, and all files of one that is gone answer alike.
    if (own.read(this.version === 1 ? 'notify_on_release' : 'cgroup.controllers') === undefined && own.isGone) return null;
    const sample: CgroupSample = {};
    if (this.version === 1) readV1(sample, own.read);
    else readV2(sample, own.read);
    this.readLimits(sample);
    return own.isGone ? null : sample;
  }

  private readLimits(sample: CgroupSample): void {
    const limits = limitsOfVersion(this.version);
    put(sample, 'cpuLimitCores', this.tightest(limits.cpu));
    put(sample, 'memoryLimitBytes', this.tightest(limits.memory));
    put(sample, 'tasksLimit', this.tightest(limits.pids));
  }

  private tightest(files: LimitFiles): number | undefined {
    let least: number | undefined;
    for (const { read } of this.held) {
      const value = ownLimit(files, read)?.value;
      if (typeof value === 'number' && (least === undefined || value < least)) least = value;
    }
    return least;
  }

  [Symbol.dispose](): void {
    for (const files of this.held.splice(0)) files[Symbol.dispose]();
    this.chain[Symbol.dispose]();
  }
}

function put(sample: CgroupSample, key: keyof CgroupSample, value: number | undefined): void {
  if (value !== undefined) sample[key] = value;
}

function numberIn(bytes: Buffer | undefined): number | undefined {
  return bytes === undefined ? undefined : numberOfBytes(bytes);
}

function micros(nanos: number | undefined): number | undefined {
  return nanos === undefined ? undefined : Math.floor(nanos / NANOS_PER_MICRO);
}

function readV1(sample: CgroupSample, read: ReadFile): void {
  put(sample, 'cpuUsageMicros', micros(numberIn(read('cpuacct.usage'))));
  const stat = read('cpu.stat');
  if (stat !== undefined) {
    put(sample, 'periods', numberOfKey(stat, 'nr_periods'));
    put(sample, 'throttledPeriods', numberOfKey(stat, 'nr_throttled'));
    put(sample, 'throttledMicros', micros(numberOfKey(stat, 'throttled_time')));
  }
  readMemory(sample, numberIn(read('memory.usage_in_bytes')), read('memory.stat'), 'total_inactive_file');
  const control = read('memory.oom_control');
  if (control !== undefined) put(sample, 'oomKills', numberOfKey(control, 'oom_kill'));
  put(sample, 'tasks', numberIn(read('pids.current')));
  const io = read('blkio.throttle.io_service_bytes_recursive') ?? read('blkio.throttle.io_service_bytes');
  if (io === undefined) return;
  sample.readBytes = 0;
  sample.writtenBytes = 0;
  for (const operations of parseBlkio(io.toString('latin1')).values()) {
    sample.readBytes += operations.get('Read') ?? 0;
    sample.writtenBytes += operations.get('Write') ?? 0;
  }
}

function readV2(sample: CgroupSample, read: ReadFile): void {
  const stat = read('cpu.stat');
  if (stat !== undefined) {
    put(sample, 'cpuUsageMicros', numberOfKey(stat, 'usage_usec'));
    put(sample, 'periods', numberOfKey(stat, 'nr_periods'));
    put(sample, 'throttledPeriods', numberOfKey(stat, 'nr_throttled'));
    put(sample, 'throttledMicros', numberOfKey(stat, 'throttled_usec'));
  }
  readMemory(sample, numberIn(read('memory.current')), read('memory.stat'), 'inactive_file');
  const events = read('memory.events');
  if (events !== undefined) put(sample, 'oomKills', numberOfKey(events, 'oom_kill'));
  put(sample, 'tasks', numberIn(read('pids.current')));
  readUnifiedIo(sample, read('io.stat'));
  put(sample, 'cpuPressureMicros', pressureMicros(read('cpu.pressure')));
  put(sample, 'memoryPressureMicros', pressureMicros(read('memory.pressure')));
  put(sample, 'ioPressureMicros', pressureMicros(read('io.pressure')));
}

function readUnifiedIo(sample: CgroupSample, io: Buffer | undefined): void {
  if (io === undefined) return;
  sample.readBytes = 0;
  sample.writtenBytes = 0;
  for (const values of parseNestedKeyed(io.toString('latin1')).values()) {
    sample.readBytes += values.get('rbytes') ?? 0;
    sample.writtenBytes += values.get('wbytes') ?? 0;
  }
}

/** `usageBytes` was read before `stat`, whose bytes the next reading overwrites. */
function readMemory(sample: CgroupSample, usageBytes: number | undefined, stat: Buffer | undefined, inactive: string): void {
  if (usageBytes === undefined) return;
  sample.memoryBytes = usageBytes;
  const inactiveBytes = stat === undefined ? undefined : numberOfKey(stat, inactive);
  if (inactiveBytes !== undefined) sample.workingSetBytes = Math.max(0, usageBytes - inactiveBytes);
}

function pressureMicros(bytes: Buffer | undefined): number | undefined {
  return bytes === undefined ? undefined : parsePressure(bytes.toString('latin1'))?.some.totalMicros;
}
