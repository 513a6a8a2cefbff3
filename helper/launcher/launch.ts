/** Starts the launcher with a syscall program, and hears how it went. */
import net from 'node:net';
import { Failure, reasonOf } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { errnoName } from '../kernel/libc.ts';
import { sendDescriptors } from '../kernel/passDescriptors.ts';
import { openSocketPair, waitForEnd } from '../kernel/spawn.ts';
import type { ExitStatus } from '../protocol/programs.ts';
import { said } from '../saying.ts';
import { encodeProgram, KILL_GROUP_SIGNAL, type Step, type SyscallProgram } from './program.ts';
import { ARRIVED, decodeReport, FAILED, MALFORMED, REPORT_BYTES, RESULTED, type Report, SYNCED } from './report.ts';
import { startLauncher } from './startLauncher.ts';

export interface LaunchOptions {
  program: SyscallProgram;
  /** The launcher's standard input and outputs: descriptors of the helper, or nothing (`/dev/null`). */
  stdio: [number | 'ignore', number | 'ignore', number | 'ignore'];
  /** Descriptors of the helper that become 4, 5, … in the launcher. */
  descriptors: number[];
  /** What the launcher's processes are called in ps(1). */
  title?: string[];
  /**
   * Called at each `sync` step with the pid, as the helper sees it, of the process that waits there, and what was reported so far. The
   * program goes on when this returns, and ends when it throws. A descriptor that is returned becomes the result of the step, and is closed here.
   */
  onSync?: (pid: number, step: Step, results: readonly StepResult[]) => HandedOver | Promise<HandedOver>;
}

type HandedOver = number | undefined;

/** A step whose result was reported: the result, or `-errno`. */
export interface StepResult {
  step: number;
  value: number;
}

export interface Launched {
  /** Pid of the launcher: of the process that waits for the program when there is a `fork` step. */
  readonly pid: number;
  /**
   * Resolves with the reported results when `execve` has succeeded, or the program came to its end; rejects with a `Failure` when a step failed, or it was
   * killed before that.
   */
  readonly started: Promise<StepResult[]>;
  /** Resolves when it has ended, whether it started or not. */
  readonly ended: Promise<ExitStatus>;
  /** Kills the process group of the program, when there is a `fork` step; does nothing once it has ended. */
  kill(): void;
  /** Sends a signal, which what waits for the program hands on to it; does nothing once it has ended. */
  signal(signal: NodeJS.Signals): void;
}

/** A step of a program failed; `step` tells which. */
export class StepFailure extends Failure {
  readonly step: Step;
  readonly index: number;
  readonly errno: number;
  readonly results: StepResult[];

  constructor(program: SyscallProgram, index: number, errno: number, results: StepResult[]) {
    const step = program.steps[index]!;
    const syscall = step.kind === 'syscall' ? step.name : SYSCALL_OF[step.kind];
    super(reasonOf(errnoName(errno)), said('couldNotDo', step.purpose, errnoName(errno), syscall), {
      errno: errnoName(errno),
      syscall,
    });
    this.step = step;
    this.index = index;
    this.errno = errno;
    this.results = results;
  }
}

/** It was killed before it had arrived at what it is for. */
export class NeverBegan extends Failure {
  constructor() {
    super('kernel', said('killedBeforeItBegan'), {
      hint: said('maybeNoMemory'),
    });
  }
}

const GO = Buffer.from('g');
const SYSCALL_OF = { fork: 'clone', init: 'clone', sync: 'read', tether: 'prctl', finally: 'exit' } as const;

/** Starts `program`. The descriptors in `options` may be closed as soon as this returns. */
export function launch(options: LaunchOptions): Launched {
  const encoded = options.program.encoded ?? encodeProgram(options.program);
  const { ours, theirs } = openSocketPair();
  let pid: number;
  try {
    pid = startLauncher(theirs, options.descriptors, options.stdio, options.title);
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
  }
  let hasEnded = false;
  const ended = new Promise<ExitStatus>((resolve) => {
    waitForEnd(pid, (end) => {
      hasEnded = true;
      // Killed before there was a child to be killed instead.
      resolve(end.signal === `signal ${KILL_GROUP_SIGNAL}` ? { signal: 'SIGKILL' } : end);
    });
  });
  const socket = new net.Socket({ fd: ours });
  socket.on('error', () => undefined); // EPIPE when it ended early; its end says why
  socket.write(encoded);
  const started = hear({ socket, ours }, options);
  // Whoever awaits it hears of a failure; nobody has to.
  started.catch(() => undefined);
  const kill = () => {
    // As long as its end was not seen it was not waited for, and its pid is its own.
    if (!hasEnded) process.kill(pid, KILL_GROUP_SIGNAL);
  };
  const signal = (name: NodeJS.Signals) => {
    if (!hasEnded) process.kill(pid, name);
  };
  return { pid, started, ended, kill, signal };
}

/** The helper's end of the socket, and its descriptor. */
interface HelperEnd {
  socket: net.Socket;
  ours: number;
}

function hear({ socket, ours }: HelperEnd, options: LaunchOptions): Promise<StepResult[]> {
  const results: StepResult[] = [];
  return new Promise((resolve, reject) => {
    let hasArrived = false;
    /** What waits at a sync step: its pid as it sees itself, until the parent's report of the fork gives the helper's view. */
    const synchronise = syncs({ socket, ours }, options, results, reject);
    onReport(socket, ({ kind, step, value }) => {
      if (kind === ARRIVED) hasArrived = true;
      else if (kind === RESULTED) results.push({ step, value });
      else if (kind === SYNCED) synchronise.arrived(step, value);
      else if (kind === FAILED) reject(new StepFailure(options.program, step, value, results));
      else if (kind === MALFORMED) reject(new Error(`the launcher refused a program of ours (line ${value})`));
      synchronise.proceed();
    });
    socket.on('close', () => (hasArrived ? resolve(results) : reject(new NeverBegan())));
  });
}

/** One comes in several chunks, or several in one. */
function onReport(socket: net.Socket, listener: (report: Report) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (; rest.length >= REPORT_BYTES; rest = rest.subarray(REPORT_BYTES)) listener(decodeReport(rest));
  });
}

/**
 * A process that waits at a sync step may see another pid than the helper does, being in a nested pid namespace; the helper's
 * is in its parent's report of the fork, which may come later.
 */
function syncs({ socket, ours }: HelperEnd, options: LaunchOptions, results: StepResult[], reject: (error: unknown) => void) {
  const { steps } = options.program;
  let waiting: { index: number; pid: number } | undefined;
  const go = async (index: number, pid: number) => {
    try {
      const descriptor = await options.onSync?.(pid, steps[index]!, results);
      if (typeof descriptor === 'number') handOver(ours, descriptor);
      else socket.write('g');
    } catch (error) {
      reject(error);
      socket.destroy();
    }
  };
  return {
    arrived: (index: number, pid: number) => {
      waiting = { index, pid };
    },
    proceed: () => {
      if (waiting === undefined) return;
      const { index, pid } = waiting;
      const fork = steps.findLastIndex((step, at) => at < index && (step.kind === 'fork' || step.kind === 'init'));
      const seen = fork === -1 ? pid : results.find((result) => result.step === fork)?.value;
      if (seen === undefined) return;
      waiting = undefined;
      void go(index, seen);
    },
  };
}

/** The launcher has read everything up to here, so there is room for it. */
function handOver(socket: number, descriptor: number): void {
  try {
    sendDescriptors(socket, [descriptor], GO);
  } finally {
    close(descriptor);
  }
}
