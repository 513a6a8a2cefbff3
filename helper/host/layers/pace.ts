/** Long walks share the helper's one thread: every few milliseconds they let others have it, and look whether they are still wanted. */
import { setImmediate } from 'node:timers/promises';
import type { CancellationToken } from 'vscode-jsonrpc';
import { Failure } from '../../failure.ts';

const TURN_MILLIS = 5;

export class Pace {
  private readonly token: CancellationToken | undefined;
  private turnEnds = performance.now() + TURN_MILLIS;

  private readonly ends: number;

  /** `withinMillis`: as if it was cancelled then. */
  constructor(token?: CancellationToken, withinMillis = Number.POSITIVE_INFINITY) {
    this.token = token;
    this.ends = performance.now() + withinMillis;
  }

  /** True when it is time for `rest`. */
  get isDue(): boolean {
    return performance.now() >= this.turnEnds;
  }

  /** Throws a `Failure` when the request was cancelled meanwhile. */
  async rest(): Promise<void> {
    await setImmediate();
    if (this.token?.isCancellationRequested || performance.now() > this.ends) throw new Failure('gone', 'It was cancelled.');
    this.turnEnds = performance.now() + TURN_MILLIS;
  }
}
