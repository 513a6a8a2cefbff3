/** A reader thread: does the jobs that it is given, several in turns, until it is told to end. */
import { type MessagePort, workerData } from 'node:worker_threads';
import type { Failure } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { ownThreadId } from '../kernel/thread.ts';
import { whyDeafOnTheWay } from './deafDevices.ts';
import { ABANDONED, CURRENT_JOB, type Job, type Order, type Report, sentError } from './job.ts';

/** What a job is done with, beside its parameters. */
export interface JobContext<T> {
  /** Set when nobody waits for the job any more. */
  readonly token: { readonly isCancellationRequested: boolean };
  /** To be called when it goes on after others had a turn: a call that does not come back is taken to be this job's. */
  resume(): void;
  tell(told: T): void;
  /** That came with it, closed at its end, unless somebody takes them over. */
  readonly descriptors: Descriptors;
  /** Why an absolute path that was come upon should not be asked for: its file system was known not to answer when the job began. */
  whyDeaf(path: string): Failure | undefined;
  /** To be given away with the result. */
  give(descriptor: number): void;
}

/** Open descriptors that one owner closes. */
export class Descriptors implements Disposable {
  private numbers: readonly number[];

  constructor(numbers: readonly number[]) {
    this.numbers = numbers;
  }

  /** To another owner: nothing is left here. */
  move(): Descriptors {
    const moved = new Descriptors(this.numbers);
    this.numbers = [];
    return moved;
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.numbers) close(descriptor);
    this.numbers = [];
  }
}

type Handler = (params: never, context: JobContext<never>) => unknown;

export class JobTable {
  private readonly handlers = new Map<string, Handler>();

  on<P, R, T>({ name }: Job<P, R, T>, handler: (params: P, context: JobContext<T>) => R | Promise<R>): void {
    this.handlers.set(name, handler as Handler);
  }

  handlerOf(name: string): Handler {
    const handler = this.handlers.get(name);
    if (handler === undefined) throw new Error(`there is no job ${name}`);
    return handler;
  }
}

/** Answers what comes from the thread that made this one. */
export function answerJobs(port: MessagePort, jobs: JobTable): void {
  const shared = new Int32Array((workerData as { shared: SharedArrayBuffer }).shared);
  const tokens = new Map<number, Token>();
  const report = (one: Report) => port.postMessage(one);
  port.on('message', (order: Order) => {
    if (order.kind === 'end') port.close();
    else if (order.kind === 'cancel') {
      tokens.get(order.id)?.cancel();
    } else if (Atomics.load(shared, ABANDONED) === 0) void begin(order);
    else {
      new Descriptors(order.descriptors)[Symbol.dispose]();
      report({ kind: 'failed', id: order.id, error: { kind: 'unforeseen', message: 'the thread was given up' } });
    }
  });
  report({ kind: 'ready', threadId: ownThreadId() });

  async function begin({ id, job, params, descriptors, deaf }: Order & { kind: 'begin' }): Promise<void> {
    using given = new Descriptors(descriptors);
    const token = tokenUnless(() => Atomics.load(shared, ABANDONED) !== 0);
    const results: number[] = [];
    tokens.set(id, token);
    const context: JobContext<unknown> = {
      token,
      resume: () => Atomics.store(shared, CURRENT_JOB, id),
      tell: (told) => report({ kind: 'told', id, told }),
      descriptors: given,
      whyDeaf: (path) => whyDeafOnTheWay([path], deaf),
      give: (descriptor) => results.push(descriptor),
    };
    context.resume();
    try {
      const result = await jobs.handlerOf(job)(params as never, context as JobContext<never>);
      report({ kind: 'done', id, result, descriptors: results });
    } catch (error) {
      new Descriptors(results)[Symbol.dispose]();
      report({ kind: 'failed', id, error: sentError(error) });
    } finally {
      tokens.delete(id);
    }
  }
}

interface Token {
  readonly isCancellationRequested: boolean;
  cancel(): void;
}

function tokenUnless(isAbandoned: () => boolean): Token {
  let isCancelled = false;
  return {
    get isCancellationRequested() {
      return isCancelled || isAbandoned();
    },
    cancel: () => {
      isCancelled = true;
    },
  };
}
