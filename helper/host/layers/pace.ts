/** Long walks share a reader thread: every few milliseconds they let others have it, and look whether they are still wanted. */
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../../failure.ts';
import { said } from '../../saying.ts';

const TURN_MILLIS = 5;

/** Whose walk it is: the context of a job. */
interface Walker {
  readonly token: { readonly isCancellationRequested: boolean };
  /** Goes on after others had a turn. */
  resume(): void;
}

export class Pace {
  private readonly walker: Walker | undefined;
  private turnEnds = performance.now() + TURN_MILLIS;

  private readonly ends: number;

  /** `withinMillis`: as if it was cancelled then. */
  constructor(walker?: Walker, withinMillis = Number.POSITIVE_INFINITY) {
    this.walker = walker;
    this.ends = performance.now() + withinMillis;
  }

  /** True when it is time for `rest`. */
  get isDue(): boolean {
    return performance.now() >= this.turnEnds;
  }

  /** Throws a `Failure` when the request was cancelled meanwhile. */
  async rest(): Promise<void> {
    await setImmediate();
    this.walker?.resume();
    if (this.walker?.token.isCancellationRequested || performance.now() > this.ends)
      throw new Failure('gone', said('wasCancelled'));
    this.turnEnds = performance.now() + TURN_MILLIS;
  }
}
