/** What clients want sampled, and the timers that do it. Nothing runs without a subscription. */
import { Failure } from '../../failure.ts';
import type { CgroupRef, CgroupsSampledParams } from '../../protocol/cgroups.ts';
import { said } from '../../saying.ts';
import { SampledCgroup, sampleTogether } from './sampling.ts';

const MAX_SUBSCRIPTIONS = 64;
export const DEFAULT_INTERVAL_MILLIS = 1000;

/** Sends one message; resolves when it was written. */
export type SendSamples = (params: CgroupsSampledParams) => Promise<void>;

export class CgroupSubscriptions implements Disposable {
  private readonly send: SendSamples;
  private readonly running = new Map<string, Subscription>();

  constructor(send: SendSamples) {
    this.send = send;
  }

  /** Replaces the subscription of that name; without cgroups it ends. The first samples come at once. */
  subscribe(name: string, cgroups: readonly CgroupRef[], intervalMillis: number): void {
    this.running.get(name)?.[Symbol.dispose]();
    this.running.delete(name);
    if (cgroups.length === 0) return;
    if (this.running.size >= MAX_SUBSCRIPTIONS) {
      throw new Failure('busy', said('tooManySubscriptions', MAX_SUBSCRIPTIONS), {
        hint: said('closeMonitorPanel'),
      });
    }
    this.running.set(name, new Subscription(name, cgroups, intervalMillis, this.send));
  }

  [Symbol.dispose](): void {
    for (const subscription of this.running.values()) subscription[Symbol.dispose]();
    this.running.clear();
  }
}

class Subscription implements Disposable {
  private readonly name: string;
  private readonly intervalMillis: number;
  private readonly send: SendSamples;
  /** Undefined: gone, or not to be opened. */
  private readonly cgroups: (SampledCgroup | undefined)[] = [];
  private timer: NodeJS.Timeout | undefined;
  private due: number;
  private isSending = false;
  private isEnded = false;

  constructor(name: string, cgroups: readonly CgroupRef[], intervalMillis: number, send: SendSamples) {
    this.name = name;
    this.intervalMillis = intervalMillis;
    this.send = send;
    try {
      for (const cgroup of cgroups) this.cgroups.push(open(cgroup));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.due = performance.now();
    this.later();
  }

  /**
   * Due moments stay on a grid; those that were missed are left out, not made up for. So is the next one when half of the interval
   * is over: of a few milliseconds nothing can be said in units per second, where the kernel hands out quotas every 100 ms.
   */
  private later(): void {
    const now = performance.now();
    this.timer = setTimeout(() => this.tick(), Math.max(0, this.due - now));
    // A timer never keeps a helper alive whose client has gone.
    this.timer.unref();
  }

  private tick(): void {
    const missed = Math.round(Math.max(0, performance.now() - this.due) / this.intervalMillis);
    this.due += (missed + 1) * this.intervalMillis;
    this.later();
    // A client or a kernel that is slow gets, or gives, fewer samples, not a heap of them.
    if (this.isSending) return;
    this.isSending = true;
    const sent = () => {
      this.isSending = false;
    };
    this.sample().then(sent, sent);
  }

  private async sample(): Promise<void> {
    const { moment, samples } = await sampleTogether(this.cgroups);
    // Nobody wants them any more.
    if (this.isEnded) return;
    for (const [at, sample] of samples.entries()) if (sample === null) this.endOf(at);
    const monotonicMillis = Number(moment / 1000n) / 1000;
    const timeMillis = Date.now() - Number((process.hrtime.bigint() - moment) / 1_000_000n);
    await this.send({ subscription: this.name, monotonicMillis, timeMillis, samples });
  }

  private endOf(at: number): void {
    this.cgroups[at]?.[Symbol.dispose]();
    this.cgroups[at] = undefined;
  }

  [Symbol.dispose](): void {
    this.isEnded = true;
    clearTimeout(this.timer);
    for (const cgroup of this.cgroups.splice(0)) cgroup?.[Symbol.dispose]();
  }
}

function open(ref: CgroupRef): SampledCgroup | undefined {
  try {
    return new SampledCgroup(ref);
  } catch (error) {
    if (error instanceof Failure && error.reason === 'gone') return undefined;
    throw error;
  }
}
