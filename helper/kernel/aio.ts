/**
 * Reading many open files with one call on a thread of libuv's pool: io_submit(2). Kernel files like those of cgroups are read by it at once, one
 * after the other, in the thread that submits; which of them came back is told to any other thread (io_getevents(2)), also while one of them keeps it.
 */

import fs from 'node:fs';
import { addressOf, libcFunction } from './libc.ts';
import { EIO, O_CLOEXEC } from './numbers.ts';
import { syscallNumber } from './syscalls.ts';

const setupCall = libcFunction('long syscall(long number, uint32_t events, uint8_t *context)');
const submitCall = libcFunction('long syscall(long number, uint64_t context, long count, uint8_t *pointers)');
const eventsCall = libcFunction(
  'long syscall(long number, uint64_t context, long least, long most, uint8_t *events, const uint8_t *timeout)',
);

const NUMBERS = {
  setup: syscallNumber('io_setup'),
  events: syscallNumber('io_getevents'),
  submit: syscallNumber('io_submit'),
};

/** Of `struct iocb`: data 8, key 4, flags 4, operation 2 (0: IOCB_CMD_PREAD), priority 2, descriptor 4, buffer 8, bytes 8, offset 8, … */
const IOCB_BYTES = 64;
/** Of `struct io_event`: data 8, iocb 8, result 8, second result 8. */
const EVENT_BYTES = 32;
const AT_ONCE = Buffer.alloc(16);

/** How many reads one batch takes. */
export const BATCH_READS = 255;

/** A file to read from its start. */
export interface BatchedRead {
  readonly descriptor: number;
  /** Takes the bytes, as many as it has room for. */
  into: Buffer;
  /** How many bytes there were, or `-errno`; undefined as long as it was not read. */
  result: number | undefined;
}

/**
 * Room in the kernel for one batch after the other. It is never given back: that waits for the kernel's other processors. Descriptors must stay
 * open, and buffers where they are, until `read` resolves.
 */
export class ReadBatch {
  private readonly context: bigint | undefined;
  private readonly requests = Buffer.allocUnsafeSlow((BATCH_READS + 1) * IOCB_BYTES).fill(0);
  private readonly pointers = Buffer.allocUnsafeSlow((BATCH_READS + 1) * 8);
  private readonly events = Buffer.allocUnsafeSlow((BATCH_READS + 1) * EVENT_BYTES);
  private readonly firstAddress = addressOf(this.requests);
  /** The first of each batch: a file that always answers, which tells that a thread has begun with it. */
  private readonly sentinel: BatchedRead = { descriptor: sentinelDescriptor(), into: Buffer.alloc(1), result: undefined };
  private reads: readonly BatchedRead[] = [];

  constructor() {
    const context = Buffer.alloc(8);
    const isThere = setupCall(NUMBERS.setup, BATCH_READS + 1, context) === 0;
    // A kernel without it (CONFIG_AIO), a filter that denies it, or none left (fs.aio-max-nr).
    this.context = isThere ? context.readBigUInt64LE() : undefined;
  }

  /** Whether files are read with one call, and not one by one. */
  get isNative(): boolean {
    return this.context !== undefined;
  }

  /** A thread of the pool has taken it up. */
  get hasBegun(): boolean {
    return this.sentinel.result !== undefined;
  }

  /** At most `BATCH_READS`; resolves when each has its result. Not to be called again before. */
  async read(reads: readonly BatchedRead[]): Promise<void> {
    this.sentinel.result = undefined;
    this.reads = [this.sentinel, ...reads];
    // Kept for as long as the kernel may write to them, which is longer than they are waited for.
    const buffers = this.reads.map(({ into }) => into);
    if (this.context === undefined) await this.readEach();
    else await this.submit(this.context, this.reads.length);
    buffers.length = 0;
  }

  private async readEach(): Promise<void> {
    for (let at = 0; at < this.reads.length; at += 1) {
      const read = this.reads[at]!;
      const result = await readOne(read);
      // Given up meanwhile: it is nobody's.
      if (this.reads[at] === read) read.result = result;
    }
  }

  private async submit(context: bigint, count: number): Promise<void> {
    for (let at = 0; at < count; at += 1) this.prepare(at);
    for (let from = 0; from < this.reads.length; ) {
      const taken = await submitOnPool(context, count - from, this.pointers.subarray(from * 8));
      this.collect();
      from += Math.max(taken, 0);
      // It ends before one that it cannot even begin.
      const refused = this.reads[from];
      if (refused !== undefined) refused.result = -EIO;
      from += 1;
    }
  }

  private prepare(at: number): void {
    const { descriptor, into } = this.reads[at]!;
    const request = at * IOCB_BYTES;
    this.requests.writeUInt32LE(at, request);
    this.requests.writeUInt32LE(descriptor, request + 20);
    this.requests.writeBigUInt64LE(addressOf(into), request + 24);
    this.requests.writeUInt32LE(into.length, request + 32);
    this.pointers.writeBigUInt64LE(this.firstAddress + BigInt(request), at * 8);
  }

  /** Sets the results that there are by now. */
  collect(): void {
    if (this.context === undefined) return;
    const count = Number(eventsCall(NUMBERS.events, this.context, 0, BATCH_READS + 1, this.events, AT_ONCE));
    for (let event = 0; event < count * EVENT_BYTES; event += EVENT_BYTES) {
      const read = this.reads[this.events.readUInt32LE(event)];
      if (read !== undefined) read.result = Number(this.events.readBigInt64LE(event + 16));
    }
  }

  /** What has not come back is no more waited for: it gets another buffer, and what the kernel has not begun with yet it does not begin with. */
  giveUp(): void {
    this.pointers.fill(0);
    for (const read of this.reads) if (read.result === undefined) read.into = Buffer.allocUnsafeSlow(read.into.length);
    this.reads = [];
  }
}

let openSentinel: number | undefined;

function sentinelDescriptor(): number {
  openSentinel ??= fs.openSync('/dev/zero', fs.constants.O_RDONLY | O_CLOEXEC);
  return openSentinel;
}

/** How many it began with; -1 when not even with the first. */
function submitOnPool(context: bigint, count: number, pointers: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    submitCall.async(NUMBERS.submit, context, count, pointers, (error: unknown, taken: number | bigint) => {
      if (error !== null && error !== undefined) reject(error);
      else resolve(Number(taken));
    });
  });
}

function readOne({ descriptor, into }: BatchedRead): Promise<number> {
  return new Promise((resolve) => {
    fs.read(descriptor, into, 0, into.length, 0, (error, length) => resolve(error === null ? length : (error.errno ?? -EIO)));
  });
}
