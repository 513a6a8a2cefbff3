/**
 * What programs write to a pseudoterminal, read from its master to the very end. Node's own stream does not: before libuv 1.52 (Node 20 and 22) it takes
 * a read that gave less than it asked for, as each of a terminal does, for the last one once the line is lost (libuv#4992).
 */
import fs from 'node:fs';
import { Readable } from 'node:stream';
import tty from 'node:tty';
import { isSystemError } from '../failure.ts';
import { close, duplicate } from '../kernel/files.ts';

/** A read of a terminal gives at most 4,095 bytes (N_TTY_BUF_SIZE in drivers/tty/n_tty.c). */
const READ_BYTES = 4096;

/** Paused until somebody reads. Ends when no program has the terminal open any more and everything was read, and closes the master then. */
export class PtyOutput extends Readable {
  private readonly master: number;
  /** Reads as long as the line is there, and tells when it is lost. */
  private readonly source: tty.ReadStream;
  private isLost = false;

  /** `master` is open with `O_NONBLOCK`, and is this one's from now on. */
  constructor(master: number) {
    super();
    this.master = master;
    this.source = new tty.ReadStream(duplicate(master));
    this.source.pause();
    this.source.on('error', () => undefined); // EIO: no program has it open any more
    this.source.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) this.source.pause();
    });
    this.source.on('close', () => {
      this.isLost = true;
      this.readOn();
    });
  }

  /** Whether something was read that nobody has taken yet. */
  get holdsOutput(): boolean {
    return this.readableLength > 0 || this.source.readableLength > 0;
  }

  override _read(): void {
    if (this.isLost) this.readOn();
    else this.source.resume();
  }

  /** What the kernel still has of it: some 12 KB at the most. */
  private readOn(): void {
    if (this.destroyed || this.readableEnded) return;
    let wantsMore = true;
    while (wantsMore) {
      const chunk = this.readRest();
      wantsMore = this.push(chunk) && chunk !== null;
    }
  }

  /** Null at the end. */
  private readRest(): Buffer | null {
    const chunk = Buffer.alloc(READ_BYTES);
    try {
      const length = fs.readSync(this.master, chunk);
      return length === 0 ? null : chunk.subarray(0, length);
    } catch (error) {
      if (isSystemError(error)) return null;
      throw error;
    }
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.source.destroy();
    close(this.master);
    done(error);
  }
}
