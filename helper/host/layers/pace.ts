/** Long walks share the helper's one thread: every few milliseconds they let others have it, and look whether they are still wanted. */
import { setImmediate } from 'node:timers/promises';
import type { CancellationToken } from 'vscode-jsonrpc';
import { Failure } from '../../failure.ts';

const TURN_MILLIS = 5;

export class Pace {
  private readonly token: CancellationToken | undefined;
  private turnEnds = performance.now() + TURN_MILLIS;

  constructor(token?: CancellationToken) {
    this.token = token;
  }

  /** True when it is time for `rest`. */
  get isDue(): boolean {
    return performance.now() >= this.turnEnds;
  }

  /** Throws a `Failure` when the request was cancelled meanwhile. */
  async rest(): Promise<void> {
    await setImmediate();
    if (this.token?.isCancellationRequested) throw new Failure('gone', 'It was cancelled.');
    this.turnEnds = performance.now() + TURN_MILLIS;
  }
}
