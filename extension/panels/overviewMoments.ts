/** The figures of the last minutes on an overview, made of samples as the monitor's are. */
import type { CgroupSample } from '../../helper/protocol/cgroups.ts';
import type { MonitorReading } from '../../webview/monitorMessages.ts';
import { readingOf } from './monitorHistory.ts';

/** Bytes that all interfaces but the loopback have carried. */
export interface Carried {
  receivedBytes: number;
  sentBytes: number;
}

/** The figures at one moment, rates a second. What is absent is not known, or the kernel has no such thing. */
export interface Moment extends Pick<MonitorReading, 'values' | 'limits'> {
  received?: number;
  sent?: number;
}

/** At two seconds each, two minutes. */
const MOST = 60;
/** Samples further apart than this tell of no moment that is now. */
const LONGEST_MILLIS = 10_000;

export class Moments {
  private kept: Moment[] = [];
  private last: { monotonicMillis: number; sample: CgroupSample; carried: Carried | undefined } | undefined;

  get all(): readonly Moment[] {
    return this.kept;
  }

  /** One that is not later than the one before is ignored. */
  add(monotonicMillis: number, sample: CgroupSample, carried: Carried | undefined): void {
    const elapsed = this.last === undefined ? Number.POSITIVE_INFINITY : monotonicMillis - this.last.monotonicMillis;
    if (elapsed <= 0) return;
    const before = elapsed > LONGEST_MILLIS ? undefined : this.last;
    const { values, limits } = readingOf(before?.sample, sample, elapsed);
    this.kept = [...this.kept, { values, limits, ...rates(before?.carried, carried, elapsed) }].slice(-MOST);
    this.last = { monotonicMillis, sample, carried };
  }

  /** What comes next begins a new line. */
  interrupt(): void {
    this.last = undefined;
  }
}

/** None when a counter began anew. */
function rates(
  before: Carried | undefined,
  now: Carried | undefined,
  elapsedMillis: number,
): Pick<Moment, 'received' | 'sent'> {
  if (before === undefined || now === undefined) return {};
  const [received, sent] = [now.receivedBytes - before.receivedBytes, now.sentBytes - before.sentBytes];
  if (received < 0 || sent < 0) return {};
  return { received: (received / elapsedMillis) * 1000, sent: (sent / elapsedMillis) * 1000 };
}
