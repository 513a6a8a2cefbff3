/** Writing to a pseudoterminal without ever waiting for its program in the thread that serves everybody. */
import fs from 'node:fs';
import { isSystemError } from '../failure.ts';

/** Nothing tells Node when a foreign descriptor can be written again: it is tried, ever more rarely. */
const FIRST_PAUSE_MILLIS = 2;
const LONGEST_PAUSE_MILLIS = 100;

/** Input on its way to the master of a pty, which is open with `O_NONBLOCK`. (Node's own streams of terminals write blocking.) */
export class PtyInput {
  private readonly descriptor: number;
  private readonly onDrain: () => void;
  private readonly stillWanted: () => boolean;
  private pending: Uint8Array[] = [];
  private timer: NodeJS.Timeout | undefined;
  private pauseMillis = FIRST_PAUSE_MILLIS;
  private isClosed = false;

  /** `onDrain` is called after `write` has returned false, when all is written; `stillWanted` is asked before each further try. */
  constructor(descriptor: number, onDrain: () => void, stillWanted: () => boolean) {
    this.descriptor = descriptor;
    this.onDrain = onDrain;
    this.stillWanted = stillWanted;
  }

  /** False: it could not take everything, the rest is kept, and no more should be written until `onDrain`. */
  write(data: Uint8Array): boolean {
    if (this.isClosed) return true;
    this.pending.push(data);
    if (this.timer !== undefined) return false;
    if (this.flush()) return true;
    this.wait();
    return false;
  }

  /** To be called before the descriptor is closed. */
  close(): void {
    this.isClosed = true;
    this.pending = [];
    clearTimeout(this.timer);
  }

  /** True when all is written, or can never be. */
  private flush(): boolean {
    for (let data = this.pending[0]; data !== undefined; data = this.pending[0]) {
      const written = this.tryWrite(data);
      if (written > 0) this.pauseMillis = FIRST_PAUSE_MILLIS;
      if (written < data.length) {
        this.pending[0] = data.subarray(written);
        return false;
      }
      this.pending.shift();
    }
    return true;
  }

  private tryWrite(data: Uint8Array): number {
    try {
      return fs.writeSync(this.descriptor, data);
    } catch (error) {
      if (isSystemError(error) && error.code === 'EAGAIN') return 0;
      // EIO: no program has the terminal open any more. What was typed then is for nobody.
      return data.length;
    }
  }

  private wait(): void {
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (!this.stillWanted() || this.isClosed) return;
      if (this.flush()) this.onDrain();
      else this.wait();
    }, this.pauseMillis);
    this.pauseMillis = Math.min(this.pauseMillis * 2, LONGEST_PAUSE_MILLIS);
  }
}
