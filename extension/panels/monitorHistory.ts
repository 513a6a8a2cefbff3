/** What the samples of a monitor become: rates of counters, at most a quarter of an hour of them. */
import type { CgroupIoCounters, CgroupSample } from '../../helper/protocol/cgroups.ts';
import type { MonitorPoint, MonitorReading } from '../../webview/monitorMessages.ts';

export const SAMPLE_MILLIS = 1000;
export const KEPT_MILLIS = 15 * 60 * 1000;
/** A line is drawn across samples that are missing up to here; beyond, nobody knows what was. */
const BREAK_MILLIS = 3 * SAMPLE_MILLIS;

/** The samples of one moment, by the key of what was sampled. */
export type Samples = ReadonlyMap<string, CgroupSample>;

export class MonitorHistory {
  private kept: MonitorPoint[] = [];
  private previous: { monotonicMillis: number; samples: Samples } | undefined;
  /** From the monotonic clock to the time that is shown. */
  private offsetMillis: number | undefined;

  get points(): readonly MonitorPoint[] {
    return this.kept;
  }

  /**
   * Adds the samples of one moment; returns the points that it made. Those that were taken too long ago are dropped. A sample that is not later
   * than the one before is ignored.
   */
  add(monotonicMillis: number, timeMillis: number, samples: Samples): MonitorPoint[] {
    const { previous } = this;
    if (previous !== undefined && monotonicMillis <= previous.monotonicMillis) return [];
    const elapsedMillis = previous === undefined ? Number.POSITIVE_INFINITY : monotonicMillis - previous.monotonicMillis;
    const broken = elapsedMillis > BREAK_MILLIS;
    // The clock people read may have been set, and the monotonic one stands still while the machine sleeps: a new line, a new start.
    if (broken) this.offsetMillis = undefined;
    const last = this.kept.at(-1);
    this.offsetMillis ??= Math.max(timeMillis, (last?.timeMillis ?? 0) + 2) - monotonicMillis;

    const made: MonitorPoint[] = [];
    if (broken && last !== undefined) made.push({ timeMillis: last.timeMillis + 1, readings: {} });
    const before = broken ? undefined : previous?.samples;
    made.push({ timeMillis: monotonicMillis + this.offsetMillis, readings: readingsOf(before, samples, elapsedMillis) });
    this.previous = { monotonicMillis, samples };
    this.keep(made);
    return made;
  }

  /** What comes next begins a new line: nothing was sampled meanwhile, or by another helper. */
  interrupt(): void {
    this.previous = undefined;
  }

  private keep(made: MonitorPoint[]): void {
    this.kept.push(...made);
    const oldest = (this.kept.at(-1)?.timeMillis ?? 0) - KEPT_MILLIS;
    const surplus = this.kept.findIndex(({ timeMillis }) => timeMillis >= oldest);
    if (surplus > 0) this.kept.splice(0, surplus);
  }
}

function readingsOf(before: Samples | undefined, samples: Samples, elapsedMillis: number): Record<string, MonitorReading> {
  const readings = [...samples].map(([key, sample]) => [key, readingOf(before?.get(key), sample, elapsedMillis)] as const);
  return Object.fromEntries(readings);
}

/** `before`: the sample of `elapsedMillis` ago; without it there are no rates. */
export function readingOf(before: CgroupSample | undefined, now: CgroupSample, elapsedMillis: number): MonitorReading {
  const elapsedMicros = elapsedMillis * 1000;
  const seconds = elapsedMillis / 1000;
  const rate = (counter: Counter, per: number) => {
    const increase = increaseOf(before?.[counter], now[counter]);
    return increase === undefined ? undefined : increase / per;
  };
  const share = (counter: Counter) => percent(rate(counter, elapsedMicros));
  return {
    values: present({
      cpu: rate('cpuUsageMicros', elapsedMicros),
      memory: now.memoryBytes,
      workingSet: now.workingSetBytes,
      read: rate('readBytes', seconds),
      written: rate('writtenBytes', seconds),
      readOperations: rate('readOperations', seconds),
      writeOperations: rate('writeOperations', seconds),
      tasks: now.tasks,
      throttledPeriods: throttledPercent(before, now),
      throttledTime: rate('throttledMicros', elapsedMicros / 1000),
      cpuPressure: share('cpuPressureMicros'),
      memoryPressure: share('memoryPressureMicros'),
      ioPressure: share('ioPressureMicros'),
    }),
    limits: present({ cpu: now.cpuLimitCores, memory: now.memoryLimitBytes, tasks: now.tasksLimit }),
    ...sinceMade(now),
    ...devicesOf(before, now, seconds),
  };
}

type Counter = Exclude<keyof CgroupSample, 'devices' | 'heldBack'>;

/** Of each block device by its name, where that is known. */
function devicesOf(before: CgroupSample | undefined, now: CgroupSample, seconds: number): Pick<MonitorReading, 'devices'> {
  if (now.devices === undefined || now.devices.length === 0) return {};
  const earlier = new Map(before?.devices?.map((counters) => [counters.device, counters]));
  const rates = now.devices.map(({ device, name, ...counters }) => {
    const rate = (counter: keyof CgroupIoCounters) => {
      const increase = increaseOf(earlier.get(device)?.[counter], counters[counter]);
      return increase === undefined ? undefined : increase / seconds;
    };
    const values = present({
      read: rate('readBytes'),
      written: rate('writtenBytes'),
      readOperations: rate('readOperations'),
      writeOperations: rate('writeOperations'),
    });
    return [name ?? device, values] as const;
  });
  return { devices: Object.fromEntries(rates) };
}

/** Undefined when one of them is not known, and when the counter began anew: how far it had come before is lost. */
function increaseOf(before: number | undefined, now: number | undefined): number | undefined {
  if (before === undefined || now === undefined || now < before) return undefined;
  return now - before;
}

/** The kernel brings a pressure file's total up to date a little before or after it is read: a share may come out just above all. */
function percent(share: number | undefined): number | undefined {
  return share === undefined ? undefined : Math.min(100, share * 100);
}

/** Of the periods in which something wanted to run. None was throttled when there was none. */
function throttledPercent(before: CgroupSample | undefined, now: CgroupSample): number | undefined {
  const periods = increaseOf(before?.periods, now.periods);
  const throttled = increaseOf(before?.throttledPeriods, now.throttledPeriods);
  if (periods === undefined || throttled === undefined) return undefined;
  return periods === 0 ? 0 : Math.min(100, (throttled / periods) * 100);
}

/** Of what is throttled now, what it was like on the whole. */
function sinceMade({ throttledPeriods, periods }: CgroupSample): Pick<MonitorReading, 'sinceMade'> {
  if (throttledPeriods === undefined || periods === undefined || periods === 0) return {};
  return { sinceMade: { throttledPeriods: Math.min(100, (throttledPeriods / periods) * 100) } };
}

function present<K extends string>(values: Record<K, number | undefined>): Partial<Record<K, number>> {
  const entries = Object.entries<number | undefined>(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<Record<K, number>>;
}

/** The samples of a cgroup's parts in v1's hierarchies as one; undefined when all are gone. */
export function merged(parts: readonly (CgroupSample | null | undefined)[]): CgroupSample | undefined {
  const there = parts.filter((part) => part !== null && part !== undefined);
  // The first part is what was asked for, and wins where two have the same figure.
  return there.length === 0 ? undefined : Object.assign({}, ...there.reverse());
}
