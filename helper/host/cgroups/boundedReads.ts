/** Reads of cgroup files that the kernel may hold up: on libuv's pool, given up after a time, and never more threads lost to them than can be spared. */
import { Failure } from '../../failure.ts';
import { BATCH_READS, type BatchedRead, ReadBatch } from '../../kernel/aio.ts';
import { close } from '../../kernel/files.ts';
import type { Said } from '../../protocol/sentences.ts';
import { inPoolRoom, isRoomLost } from '../../reading/poolRoom.ts';
import { said } from '../../saying.ts';

export const READ_MILLIS = 2000;
/** What is read on the pool, or a `Failure`, `busy`, when it takes longer or too many others do; `unbegun` is called when it is never begun. */
export function readOnPool<T>(name: string, begin: () => Promise<T>, unbegun: () => void, millis = READ_MILLIS): Promise<T> {
  return inPoolRoom({
    begin,
    unbegun,
    millis,
    refused: () => stuck(name, said('earlierReadsHaveNotComeBack')),
    late: () => stuck(name, said('readingDidNotEnd', name, millis / 1000)),
  });
}

export function stuck(name: string, text: Said): Failure {
  return new Failure('busy', text, {
    path: name,
    hint: said('kernelHoldsCgroupBack'),
  });
}

/** A file of a cgroup that stays open and is read at its start with others. */
export class HeldFile implements BatchedRead {
  readonly descriptor: number;
  /** The cgroup that it is of, by `heldBackKey`, and its name there. */
  readonly cgroup: string;
  readonly name: string;
  into: Buffer;
  result: number | undefined;
  /** How many batches have it: one that was given up may keep it. */
  private readers = 0;
  private isClosed = false;

  /** Takes the descriptor over. */
  constructor(descriptor: number, cgroup: string, name: string, bytes: number) {
    this.descriptor = descriptor;
    this.cgroup = cgroup;
    this.name = name;
    this.into = Buffer.allocUnsafeSlow(bytes);
  }

  /** What it holds is longer than the room for it. */
  grow(): void {
    this.into = Buffer.allocUnsafeSlow(4 * this.into.length);
    this.result = undefined;
  }

  beginRead(): void {
    this.readers += 1;
  }

  endRead(): void {
    this.readers -= 1;
    if (this.isClosed && this.readers === 0) close(this.descriptor);
  }

  /** Not while it is read: its number would be another file's before the kernel came to it. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.readers === 0) close(this.descriptor);
  }
}

/** Files whose reading has not come back from the kernel, by the cgroup, which is left alone until it does. */
const heldBack = new Map<string, string>();

export function heldBackKey({ hierarchy, ino }: { hierarchy: string; ino: number }): string {
  return `${hierarchy} ${ino}`;
}

/** The file of this cgroup that the kernel does not give; asked for each of thousands, and almost never anything. */
export function heldBackFile(cgroup: { hierarchy: string; ino: number }): string | undefined {
  return heldBack.size === 0 ? undefined : heldBack.get(heldBackKey(cgroup));
}

const idle: ReadBatch[] = [];
let turn: Promise<unknown> = Promise.resolve();

/**
 * Reads each that is not of a cgroup that is held back; what was not read has no result. Whether all was read at once: false when some of it was
 * waited for.
 */
export function readTogether(files: readonly HeldFile[]): Promise<boolean> {
  const reading = turn.then(() => readInBatches(files));
  turn = reading.catch(() => undefined);
  return reading;
}

async function readInBatches(files: readonly HeldFile[]): Promise<boolean> {
  for (const file of files) file.result = undefined;
  let isTimely = true;
  for (let at = 0; at < files.length; at += BATCH_READS) {
    let waiting: readonly HeldFile[] = files.slice(at, at + BATCH_READS);
    while (waiting.length > 0 && !isRoomLost()) {
      waiting = waiting.filter(({ cgroup }) => !heldBack.has(cgroup));
      if (await readBatch(waiting)) break;
      isTimely = false;
      waiting = waiting.filter(({ result }) => result === undefined);
    }
  }
  return isTimely;
}

/** False when it was given up. */
async function readBatch(files: readonly HeldFile[]): Promise<boolean> {
  const batch = idle.pop() ?? new ReadBatch();
  let culprit: HeldFile | undefined;
  const begin = () => {
    for (const file of files) file.beginRead();
    return batch.read(files).finally(() => {
      for (const file of files) file.endRead();
      idle.push(batch);
      if (culprit !== undefined) heldBack.delete(culprit.cgroup);
    });
  };
  let isLate = false;
  const late = () => {
    isLate = true;
    return new Unread();
  };
  try {
    await inPoolRoom({ begin, unbegun: () => idle.push(batch), millis: READ_MILLIS, refused: () => new Unread(), late });
    return true;
  } catch (error) {
    if (!(error instanceof Unread)) throw error;
  }
  if (!isLate) return false;
  batch.collect();
  // Without a thread to begin with it nothing is known of any of them.
  culprit = batch.hasBegun ? files.find(({ result }) => result === undefined) : undefined;
  batch.giveUp();
  if (culprit !== undefined) heldBack.set(culprit.cgroup, culprit.name);
  return files.every(({ result }) => result !== undefined);
}

class Unread extends Error {}
