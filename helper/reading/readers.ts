/**
 * The one room for reads that may never come back: reader threads. Only the kernel's own files are read on the main thread; what is on any other file
 * system is read here. A thread whose call does not come back is left alone with the file system that it asks, which is named, and nobody is asked
 * about that one again until the call ends; the other jobs of the thread are begun anew on another.
 *
 * A Worker and not libuv's pool: the work is many calls in a row, and the pool has four threads for all.
 */
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CancellationToken } from 'vscode-jsonrpc';
import { Failure } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { log } from '../log.ts';
import type { Said } from '../protocol/sentences.ts';
import { english, said } from '../saying.ts';
import { blockedFileSystem, fileSystemName, waitingSince } from './blockedCall.ts';
import { type DeafDevice, unanswered, whyDeafOnTheWay } from './deafDevices.ts';
import { ABANDONED, CURRENT_JOB, type Job, type Order, type Report, receivedError, SHARED_WORDS } from './job.ts';

/** A file system that takes longer for one call is taken not to answer. */
const PATIENCE_MILLIS = 2000;
const LOOK_MILLIS = 250;
/** Threads that may be lost to file systems that do not answer: one server that is gone may have served several. Each takes some 15 MB until it comes back. */
const MAX_LOST = 6;
/** Nobody asked for so long: the thread is given back, with what it kept for further requests, which is none older than a minute. */
const IDLE_MILLIS = 90_000;
const PROGRAM_NAME = 'reader.js';

/** What a job is begun with. The descriptors are the reader's from then on. */
export interface Begun<P> {
  params: P;
  descriptors?: readonly number[];
  /** The device number of the file system that it asks first, where that is known. */
  device?: string;
  /** The path that it asks for, where a descriptor does not tell. */
  path?: string;
  /** Absolute paths of the helper's own root, all of which it asks for. */
  paths?: readonly string[];
}

interface Beginning {
  begun: Begun<unknown>;
  deaf: readonly DeafDevice[];
}

export interface AskOptions<T> {
  token?: CancellationToken | undefined;
  tell?: (told: T) => void;
  /** The thread that began what this goes on with. */
  on?: Reader;
  /** Descriptors that come with the result; without it they are closed. */
  take?: (descriptors: readonly number[]) => void;
  /** Called with the thread that does it. */
  by?: (reader: Reader) => void;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: unknown): void;
  tell: ((told: never) => void) | undefined;
  take: ((descriptors: readonly number[]) => void) | undefined;
  device: string | undefined;
  path: string | undefined;
}

/** The thread was given up because of another job. */
class Displaced extends Error {
  readonly words: Said;

  constructor(words: Said) {
    super(english(words));
    this.words = words;
  }
}

/** A thread, and what it is doing. */
export class Reader {
  private readonly worker: Worker;
  private readonly shared = new Int32Array(new SharedArrayBuffer(4 * SHARED_WORDS));
  private readonly pending = new Map<number, Pending>();
  private threadId: number | undefined;
  private waiting: { since: string; from: number } | undefined;
  private idleFrom = performance.now();
  private readonly ended: (reader: Reader) => void;

  constructor(program: string, ended: (reader: Reader) => void) {
    this.ended = ended;
    this.worker = new Worker(program, { workerData: { shared: this.shared.buffer }, stdin: false });
    this.worker.unref();
    this.worker.on('message', (report: Report) => this.receive(report));
    this.worker.on('error', (error) => log('error', `a reader thread failed: ${error.stack ?? error.message}`));
    this.worker.on('exit', () => this.end());
  }

  /** The thread is no more; what it kept went with it. */
  hasEnded = false;

  get isBusy(): boolean {
    return this.pending.size > 0;
  }

  /** Since when it has nothing to do; undefined while it has. */
  get idleSince(): number | undefined {
    return this.isBusy ? undefined : this.idleFrom;
  }

  begin(id: number, name: string, { begun: { params, descriptors = [] }, deaf }: Beginning, pending: Pending): void {
    this.pending.set(id, pending);
    this.post({ kind: 'begin', id, job: name, params, descriptors, deaf });
  }

  cancel(id: number): void {
    this.post({ kind: 'cancel', id });
  }

  stop(): void {
    this.post({ kind: 'end' });
  }

  private post(order: Order): void {
    this.worker.postMessage(order);
  }

  private receive(report: Report): void {
    if (report.kind === 'ready') {
      this.threadId = report.threadId;
      return;
    }
    const pending = this.pending.get(report.id);
    if (report.kind === 'told') {
      pending?.tell?.(report.told as never);
      return;
    }
    this.pending.delete(report.id);
    this.idleFrom = performance.now();
    if (report.kind === 'failed') pending?.reject(receivedError(report.error));
    else {
      if (pending?.take === undefined) for (const descriptor of report.descriptors) close(descriptor);
      else pending.take(report.descriptors);
      pending?.resolve(report.result);
    }
    if (this.pending.size === 0 && Atomics.load(this.shared, ABANDONED) !== 0) this.stop();
  }

  /** Whether it waits in one system call for longer than it is given. */
  isBlocked(now: number): boolean {
    if (!this.isBusy || this.threadId === undefined) return false;
    const since = waitingSince(this.threadId);
    if (since === undefined || since !== this.waiting?.since) {
      this.waiting = since === undefined ? undefined : { since, from: now };
      return false;
    }
    return now - this.waiting.from >= PATIENCE_MILLIS;
  }

  /** Gives it up. The file system that it asks, and the job that does not go on. */
  abandon(): DeafDevice {
    Atomics.store(this.shared, ABANDONED, 1);
    const culprit = Atomics.load(this.shared, CURRENT_JOB);
    const begun = this.pending.get(culprit);
    const found = blockedFileSystem(this.threadId!);
    const device = begun?.device ?? found.device;
    const asked = begun?.path ?? found.path;
    const system = device === undefined ? said('fileSystem') : said('fileSystemOfDevice', fileSystemName(device));
    const words = asked === undefined ? said('doesNotAnswer', system) : said('doesNotAnswerFor', system, asked);
    for (const [id, { reject }] of this.pending) {
      reject(id === culprit ? unanswered(words, asked) : new Displaced(words));
    }
    // Kept in name only: their reports, and what comes with them, are for nobody.
    for (const [id] of this.pending) this.pending.set(id, NOBODY);
    return { device, words };
  }

  private end(): void {
    for (const { reject } of this.pending.values()) reject(new Failure('kernel', said('readerThreadHasEnded')));
    this.pending.clear();
    this.hasEnded = true;
    this.ended(this);
  }
}

const NOBODY: Pending = {
  resolve: () => undefined,
  reject: () => undefined,
  tell: undefined,
  take: undefined,
  device: undefined,
  path: undefined,
};

class Readers {
  private current: Reader | undefined;
  /** Given up, each with the file system that it waits for. */
  private readonly lost = new Map<Reader, DeafDevice>();
  private timer: NodeJS.Timeout | undefined;
  private lastId = 0;

  /** Jobs are under way, or never end: an orderly exit would wait for them. */
  get areBusy(): boolean {
    return this.lost.size > 0 || this.current?.isBusy === true;
  }

  /** Whether a file system is known not to answer, by its device number: why, in words. */
  whyDeaf(device: string | undefined): Failure | undefined {
    if (this.lost.size === 0 || device === undefined) return undefined;
    const found = [...this.lost.values()].find((one) => one.device === device);
    return found && unanswered(found.words);
  }

  /**
   * Has a job done. `prepare` is called once more for each thread that was given up because of another job. Rejects with what the job threw; with a
   * `Failure`, `busy`, when its file system does not answer, and at once when too many threads are lost.
   */
  async ask<P, R, T>(
    { name }: Job<P, R, T>,
    prepare: Begun<P> | (() => Begun<P> | Promise<Begun<P>>),
    options: AskOptions<T> = {},
  ): Promise<R> {
    for (let attempt = 0; ; attempt += 1) {
      const begun = typeof prepare === 'function' ? await prepare() : prepare;
      try {
        return (await this.askOnce(name, begun, options as AskOptions<never>)) as R;
      } catch (error) {
        if (!(error instanceof Displaced)) throw error;
        if (attempt >= MAX_LOST || typeof prepare !== 'function' || options.on !== undefined) throw unanswered(error.words);
      }
    }
  }

  private async askOnce(name: string, begun: Begun<unknown>, options: AskOptions<never>): Promise<unknown> {
    const { token, tell, take, by } = options;
    const refusal = this.whyDeaf(begun.device) ?? this.whyDeafOnTheWay(begun.paths) ?? this.whyFull();
    if (refusal !== undefined || (options.on !== undefined && this.lost.has(options.on))) {
      for (const descriptor of begun.descriptors ?? []) close(descriptor);
      throw refusal ?? unanswered(this.lost.get(options.on!)!.words);
    }
    const reader = options.on ?? this.open();
    by?.(reader);
    this.lastId += 1;
    const id = this.lastId;
    const cancelling = token?.onCancellationRequested(() => reader.cancel(id));
    try {
      return await new Promise((resolve, reject) => {
        const deaf = [...this.lost.values()];
        reader.begin(id, name, { begun, deaf }, { resolve, reject, tell, take, device: begun.device, path: begun.path });
        if (token?.isCancellationRequested === true) reader.cancel(id);
        this.look();
      });
    } finally {
      cancelling?.dispose();
    }
  }

  /** Likewise by absolute paths of the helper's own root. */
  whyDeafOnTheWay(paths: readonly string[] = []): Failure | undefined {
    return whyDeafOnTheWay(paths, [...this.lost.values()]);
  }

  private whyFull(): Failure | undefined {
    if (this.lost.size < MAX_LOST) return undefined;
    return unanswered(
      [...this.lost.values()].map(({ words }) => words).reduce((before, one) => said('sentences', before, one)),
    );
  }

  private open(): Reader {
    this.current ??= new Reader(readerProgram(), (reader) => this.forget(reader));
    return this.current;
  }

  private forget(reader: Reader): void {
    this.lost.delete(reader);
    if (this.current === reader) this.current = undefined;
  }

  private look(): void {
    this.timer ??= setInterval(() => this.lookNow(), LOOK_MILLIS).unref();
  }

  private lookNow(): void {
    const { current } = this;
    if (current?.isBlocked(performance.now()) === true) {
      this.current = undefined;
      const lost = current.abandon();
      this.lost.set(current, lost);
      log('warn', english(lost.words));
    } else if (current !== undefined && performance.now() - (current.idleSince ?? Number.POSITIVE_INFINITY) > IDLE_MILLIS) {
      this.current = undefined;
      current.stop();
    }
    if (this.current !== undefined) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

/** Of this process. */
export const readers = new Readers();

/** Beside the helper's own program. */
function readerProgram(): string {
  return path.join(path.dirname(realpathSync(process.argv[1]!)), PROGRAM_NAME);
}
