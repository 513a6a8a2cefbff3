/**
 * Samples of cgroups for charts: every file is opened once and then read at its start (pread(2)), since opening it each time would cost
 * five times as much as reading it.
 */

import fs from 'node:fs';
import { ENODEV } from '../../kernel/numbers.ts';
import { numberOfBytes, numberOfKey, parseBlkio, parseNestedKeyed } from '../../proc/cgroupValues.ts';
import { parsePressure } from '../../proc/pressure.ts';
import type { CgroupIoCounters, CgroupRef, CgroupSample } from '../../protocol/cgroups.ts';
import { blockDeviceName, uncountedDisks } from './blockDevices.ts';
import { HeldFile, heldBackFile, heldBackKey, readTogether } from './boundedReads.ts';
import { type Chain, type Link, openChain } from './chain.ts';
import { openFile } from './directory.ts';
import { type LimitFiles, limitsOfVersion, ownLimit, type ReadFile } from './effectiveLimit.ts';
import { cpusetOf, effectiveFile, membersNow, onlineCpus, usable } from './usableCpus.ts';

const NANOS_PER_MICRO = 1000;
/** A file that is not there is looked for again after so long. */
const MISSING_HOLD_MILLIS = 10_000;
/** A page holds the most; one that fills its room gets more of it. */
const FIRST_BYTES = 4096;
const MAX_BYTES = 256 * 1024;
/** What was asked for at first may lead to other files, and a long one is read again. */
const MAX_ROUNDS = 6;

/** Files of one directory, opened when they are first asked for, and read with those of others. */
class SampledFiles implements Disposable {
  private readonly ref: CgroupRef;
  private readonly directory: number;
  private readonly files = new Map<string, HeldFile>();
  /** Files that are not there, and when that was last seen: a controller may be enabled later. */
  private readonly missing = new Map<string, number>();

  constructor({ ref, fd }: Link) {
    this.ref = ref;
    this.directory = fd;
  }

  /** The bytes as of the last reading. One that is asked for for the first time is there after the next. */
  readonly read: ReadFile = (file) => {
    const held = this.files.get(file) ?? this.open(file);
    if (held?.result === undefined) return undefined;
    if (held.result === -ENODEV) this.dropFile(held);
    return held.result < 0 ? undefined : held.into.subarray(0, held.result);
  };

  /** Undefined before it was asked for, and as long as it may be there. */
  isGone(file: string): boolean {
    return this.files.get(file)?.result === -ENODEV;
  }

  get heldBack(): string | undefined {
    return heldBackFile(this.ref);
  }

  /** All to be read anew. */
  all(): HeldFile[] {
    return [...this.files.values()];
  }

  /** Those that are still to be read: asked for since, or longer than their room. */
  remaining(): HeldFile[] {
    const files = this.all();
    for (const file of files) if (file.result === file.into.length && file.into.length < MAX_BYTES) file.grow();
    return this.heldBack === undefined ? files.filter(({ result }) => result === undefined) : [];
  }

  /** Its controller was switched off, and perhaps on again, which makes another file. */
  private dropFile(file: HeldFile): void {
    file.close();
    this.files.delete(file.name);
  }

  private open(name: string): HeldFile | undefined {
    const now = performance.now();
    if (now - (this.missing.get(name) ?? Number.NEGATIVE_INFINITY) < MISSING_HOLD_MILLIS) return undefined;
    try {
      const descriptor = openFile(this.directory, name, fs.constants.O_RDONLY);
      const file = new HeldFile(descriptor, heldBackKey(this.ref), name, FIRST_BYTES);
      this.files.set(name, file);
      return file;
    } catch {
      this.missing.set(name, now);
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    for (const file of this.files.values()) file.close();
    this.files.clear();
  }
}

/** One cgroup that is sampled, with its ancestors, whose limits count. */
export class SampledCgroup implements Disposable {
  private readonly version: 1 | 2;
  private readonly chain: Disposable;
  private readonly held: SampledFiles[];
  private readonly hasCpu: boolean;
  /** The cgroup that has its CPUs, where that is one of another hierarchy. */
  private readonly cpuset: SampledFiles | undefined;
  private readonly cpusetChain: Disposable | undefined;
  private readonly effectiveFile: string;

  /** Throws the `Failure`s of `openCgroup`. */
  constructor(ref: CgroupRef) {
    const chain = openChain(ref);
    this.chain = chain;
    this.version = chain.cgroup.version;
    this.held = chain.links.map((link) => new SampledFiles(link));
    const { controllers } = chain.cgroup.hierarchy;
    this.hasCpu = controllers.includes('cpu');
    const cpuset = this.hasCpu ? openCpuset(chain) : undefined;
    this.cpusetChain = cpuset;
    this.cpuset = cpuset && new SampledFiles(cpuset.links[0]!);
    this.effectiveFile = effectiveFile(cpuset?.cgroup.version ?? this.version);
  }

  files(): HeldFile[] {
    return this.allFiles().flatMap((files) => files.all());
  }

  remaining(): HeldFile[] {
    return this.allFiles().flatMap((files) => files.remaining());
  }

  private allFiles(): SampledFiles[] {
    return this.cpuset === undefined ? this.held : [...this.held, this.cpuset];
  }

  /** Of what was read last. `null` when the cgroup is gone. */
  sample(): CgroupSample | null {
    const [own] = this.held;
    if (own === undefined) return null;
    if (own.heldBack !== undefined) return { heldBack: own.heldBack };
    // Every cgroup has these files, with or without controllers; they are short, and all files of one that is gone answer alike.
    const always = this.version === 1 ? 'notify_on_release' : 'cgroup.controllers';
    if (own.isGone(always)) return null;
    own.read(always);
    const sample: CgroupSample = {};
    if (this.version === 1) readV1(sample, own.read);
    else readV2(sample, own.read);
    this.readLimits(sample);
    return sample;
  }

  private readLimits(sample: CgroupSample): void {
    // Of an ancestor that does not answer it is not known whether its limit is the tightest.
    if (this.held.some(({ heldBack }) => heldBack !== undefined)) return;
    const limits = limitsOfVersion(this.version);
    put(sample, 'cpuLimitCores', this.cpuLimit(limits.cpu));
    put(sample, 'memoryLimitBytes', this.tightest(limits.memory));
    put(sample, 'tasksLimit', this.tightest(limits.pids));
  }

  /** A quota, and the CPUs that there are to use it on; those of the host are no limit of a cgroup's own. */
  private cpuLimit(files: LimitFiles): number | undefined {
    if (this.cpuset?.heldBack !== undefined) return undefined;
    const quota = this.tightest(files);
    const cpus = this.usableCpus();
    if (cpus === undefined || (quota === undefined && cpus >= (onlineCpus()?.count ?? Number.POSITIVE_INFINITY))) return quota;
    return Math.min(quota ?? Number.POSITIVE_INFINITY, cpus);
  }

  private usableCpus(): number | undefined {
    if (!this.hasCpu) return undefined;
    for (const { read } of this.cpuset === undefined ? this.held : [this.cpuset]) {
      const text = read(this.effectiveFile);
      const cpus = text === undefined ? undefined : usable(text.toString('latin1'), this.effectiveFile);
      if (cpus !== undefined) return cpus.count;
    }
    return onlineCpus()?.count;
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
    this.cpuset?.[Symbol.dispose]();
    this.cpusetChain?.[Symbol.dispose]();
  }
}

/** On v1, of the processes that are in the cgroup now. Undefined where the cgroup itself has its CPUs, or nothing is known of a cpuset. */
function openCpuset({ cgroup, links }: Chain): Chain | undefined {
  try {
    const cpuset = cpusetOf(cgroup, membersNow(links[0]!));
    return cpuset === undefined || cpuset === 'own' ? undefined : openChain(cpuset);
  } catch {
    return undefined;
  }
}

/**
 * Samples that were all read at one moment: of each cgroup, `null` when it is gone. When the kernel held one of them back, the others are read
 * again after it was given up, so that they are of one moment too.
 */
export async function sampleTogether(
  cgroups: readonly (SampledCgroup | undefined)[],
): Promise<{ moment: bigint; samples: (CgroupSample | null)[] }> {
  const sampled = cgroups.filter((cgroup) => cgroup !== undefined);
  let moment: bigint;
  do moment = process.hrtime.bigint();
  while (!(await readTogether(sampled.flatMap((cgroup) => cgroup.files()))));
  for (let round = 1; ; round += 1) {
    const samples = cgroups.map((cgroup) => cgroup?.sample() ?? null);
    const remaining = round < MAX_ROUNDS ? sampled.flatMap((cgroup) => cgroup.remaining()) : [];
    if (remaining.length === 0) return { moment, samples };
    await readTogether(remaining);
  }
}

type Counter = Exclude<keyof CgroupSample, 'devices' | 'heldBack'>;

function put(sample: CgroupSample, key: Counter, value: number | undefined): void {
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
  readBlkio(sample, read);
}

function readBlkio(sample: CgroupSample, read: ReadFile): void {
  const [bytes, operations] = ['io_service_bytes', 'io_serviced'].map((file) => {
    const text = read(`blkio.throttle.${file}_recursive`) ?? read(`blkio.throttle.${file}`);
    return text === undefined ? undefined : parseBlkio(text.toString('latin1'));
  });
  if (bytes === undefined) return;
  const devices = [...new Set([...bytes.keys(), ...(operations?.keys() ?? [])])];
  putDevices(
    sample,
    devices.map((device) => ({
      device,
      readBytes: bytes.get(device)?.get('Read'),
      writtenBytes: bytes.get(device)?.get('Write'),
      readOperations: operations?.get(device)?.get('Read'),
      writeOperations: operations?.get(device)?.get('Write'),
    })),
    operations === undefined ? BYTES : BYTES_AND_OPERATIONS,
    uncountedDisks().every((disk) => bytes.has(disk)),
  );
}

const BYTES = ['readBytes', 'writtenBytes'] as const;
const BYTES_AND_OPERATIONS = [...BYTES, 'readOperations', 'writeOperations'] as const;
const MAX_DEVICES = 64;

type DeviceCounters = { device: string } & Record<(typeof BYTES_AND_OPERATIONS)[number], number | undefined>;

/** Where all devices are counted, one without a line has had none: the sums are known all the same. */
function putDevices(
  sample: CgroupSample,
  devices: readonly DeviceCounters[],
  counters: readonly (keyof CgroupIoCounters)[],
  areAllCounted = true,
) {
  if (areAllCounted)
    for (const counter of counters) sample[counter] = devices.reduce((sum, one) => sum + (one[counter] ?? 0), 0);
  sample.devices = devices.slice(0, MAX_DEVICES).map((counted) => {
    const { device } = counted;
    const name = blockDeviceName(device);
    const known = counters.filter((counter) => counted[counter] !== undefined).map((counter) => [counter, counted[counter]]);
    return { device, ...(name === undefined ? {} : { name }), ...Object.fromEntries(known) };
  });
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
  const devices = [...parseNestedKeyed(io.toString('latin1'))].map(([device, values]) => ({
    device,
    readBytes: values.get('rbytes') ?? undefined,
    writtenBytes: values.get('wbytes') ?? undefined,
    readOperations: values.get('rios') ?? undefined,
    writeOperations: values.get('wios') ?? undefined,
  }));
  putDevices(sample, devices, BYTES_AND_OPERATIONS);
}

function readMemory(sample: CgroupSample, usageBytes: number | undefined, stat: Buffer | undefined, inactive: string): void {
  if (usageBytes === undefined) return;
  sample.memoryBytes = usageBytes;
  const inactiveBytes = stat === undefined ? undefined : numberOfKey(stat, inactive);
  if (inactiveBytes !== undefined) sample.workingSetBytes = Math.max(0, usageBytes - inactiveBytes);
}

function pressureMicros(bytes: Buffer | undefined): number | undefined {
  return bytes === undefined ? undefined : parsePressure(bytes.toString('latin1'))?.some.totalMicros;
}
