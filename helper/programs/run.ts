/** `programs/run`: a program run to its end, with its output. */
import fs from 'node:fs';
import net from 'node:net';
import type { CancellationToken } from 'vscode-jsonrpc';
import { close } from '../kernel/files.ts';
import { openPipes, type Pipe } from '../kernel/pipe.ts';
import { hasInput } from '../kernel/readiness.ts';
import { type Launched, NeverBegan } from '../launcher/launch.ts';
import { after } from '../longTimer.ts';
import type { ExitStatus, ProgramsRunParams, ProgramsRunResult } from '../protocol/programs.ts';
import { own } from './identity.ts';
import { makePlan, type Plan } from './plan.ts';
import { killTree } from './processTree.ts';
import { start } from './start.ts';
import type { OpenNamespace } from './target.ts';

const DEFAULT_TIMEOUT_MILLIS = 60_000;
const DEFAULT_OUTPUT_LIMIT_BYTES = 1024 * 1024;

/** What kills each program that runs. */
const running = new Set<() => void>();

/** Kills every program that runs, when nobody waits for its result any more. */
export function killRunning(): void {
  for (const kill of running) kill();
}

export async function runProgram(
  params: ProgramsRunParams,
  openNamespace: OpenNamespace,
  token: CancellationToken,
): Promise<ProgramsRunResult> {
  return runPlanned(await makePlan(params, { terminal: false, openNamespace }), params, token);
}

/** Disposes of the plan. */
export async function runPlanned(plan: Plan, params: ProgramsRunParams, token: CancellationToken): Promise<ProgramsRunResult> {
  try {
    const { hostUid } = plan.identity;
    const options = { ...params, timeoutMillis: params.timeoutMillis ?? DEFAULT_TIMEOUT_MILLIS, kill: killTree };
    return await runToEnd({ ...options, ...(hostUid === undefined ? {} : { hostUid }) }, (stdio) => start(plan, stdio), token);
  } finally {
    plan.dispose();
  }
}

export interface RunOptions extends Pick<ProgramsRunParams, 'stdin' | 'timeoutMillis' | 'outputLimitBytes'> {
  /** The user of the host that the program runs as, where that is known. */
  hostUid?: number;
  /** Ends the program with all that it started. */
  kill: (program: Launched) => void;
}

/** Runs what `startProgram` starts with these as its standard input and outputs, and collects what it writes. */
export async function runToEnd(
  options: RunOptions,
  startProgram: (stdio: [number, number, number]) => Launched & { confirmed: Promise<unknown> },
  token: CancellationToken,
): Promise<ProgramsRunResult> {
  const pipes = new StandardPipes(options.outputLimitBytes ?? DEFAULT_OUTPUT_LIMIT_BYTES);
  try {
    pipes.giveTo(options.hostUid);
    const program = startProgram(pipes.stdio);
    pipes.connect(Buffer.from(options.stdin ?? '', 'base64'));
    let timedOut = false;
    let wasKilled = false;
    const kill = () => {
      wasKilled = true;
      options.kill(program);
    };
    const expire = () => {
      timedOut = true;
      kill();
    };
    using _timer = options.timeoutMillis === undefined ? undefined : after(options.timeoutMillis, expire);
    const cancelled = token.onCancellationRequested(kill);
    if (token.isCancellationRequested) kill();
    running.add(kill);
    try {
      // That it was killed in time is how it ended, and no failure.
      const begun = program.confirmed.catch((error: unknown) => {
        if (!wasKilled || !(error instanceof NeverBegan)) throw error;
      });
      const [exit] = await Promise.all([program.ended, begun]);
      return await resultOf(pipes, timedOut ? { ...exit, timedOut } : exit);
    } finally {
      running.delete(kill);
      cancelled.dispose();
    }
  } finally {
    pipes.dispose();
  }
}

async function resultOf(pipes: StandardPipes, exit: ExitStatus): Promise<ProgramsRunResult> {
  const [stdout, stderr] = await pipes.collected();
  const isText = [stdout, stderr].every((output) => isUtf8(output.content));
  const encoding = isText ? 'utf8' : 'base64';
  return {
    stdout: stdout.content.toString(encoding),
    stderr: stderr.content.toString(encoding),
    encoding,
    truncated: stdout.truncated || stderr.truncated,
    exit,
  };
}

function isUtf8(content: Buffer): boolean {
  return Buffer.from(content.toString('utf8'), 'utf8').equals(content);
}

interface Output {
  content: Buffer;
  truncated: boolean;
}

/** Standard input, output and error of a program. */
class StandardPipes {
  readonly stdio: [number, number, number];
  private readonly stdin: Pipe;
  private readonly outputs: Collector[];
  private theirs: number[];
  private input: net.Socket | undefined;

  constructor(limitBytes: number) {
    const [stdin, stdout, stderr] = openPipes(3) as [Pipe, Pipe, Pipe];
    this.stdin = stdin;
    this.stdio = [this.stdin.read, stdout.write, stderr.write];
    this.theirs = [...this.stdio];
    this.outputs = [new Collector(stdout.read, limitBytes), new Collector(stderr.read, limitBytes)];
  }

  /** A program that runs as another user may open `/dev/stdout` only when that is the user's. */
  giveTo(hostUid: number | undefined): void {
    if (hostUid === undefined || hostUid === own().uid || !own().privileged) return;
    for (const descriptor of this.stdio) fs.fchownSync(descriptor, hostUid, -1);
  }

  /** To be called when the program has its ends: closes ours of those, sends the input and collects the output. */
  connect(input: Buffer): void {
    for (const descriptor of this.theirs.splice(0)) close(descriptor);
    this.input = new net.Socket({ fd: this.stdin.write, readable: false, writable: true });
    this.input.on('error', () => undefined); // EPIPE: it does not read
    this.input.end(input);
    for (const output of this.outputs) output.connect();
  }

  /** What was written until the program ended; what it left behind in the background may go on writing, unheard. */
  collected(): Promise<[Output, Output]> {
    return Promise.all(this.outputs.map((output) => output.finish())) as Promise<[Output, Output]>;
  }

  dispose(): void {
    for (const descriptor of this.theirs.splice(0)) close(descriptor);
    if (this.input === undefined) close(this.stdin.write);
    else this.input.destroy();
    for (const output of this.outputs) output.dispose();
  }
}

/** Keeps the first bytes of a pipe, and reads on without keeping more, so that the writer is not held up. */
class Collector {
  private readonly descriptor: number;
  private readonly limit: number;
  private readonly chunks: Buffer[] = [];
  private socket: net.Socket | undefined;
  private kept = 0;
  private truncated = false;

  constructor(descriptor: number, limit: number) {
    this.descriptor = descriptor;
    this.limit = limit;
  }

  connect(): void {
    this.socket = new net.Socket({ fd: this.descriptor, readable: true, writable: false });
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => this.keep(chunk));
  }

  private keep(chunk: Buffer): void {
    const room = this.limit - this.kept;
    if (chunk.length > room) this.truncated = true;
    if (room <= 0) return;
    const part = chunk.subarray(0, room);
    this.chunks.push(part);
    this.kept += part.length;
  }

  /** The writer has ended: reads what is in the pipe, to its end or to where it is empty. */
  async finish(): Promise<Output> {
    const { socket } = this;
    if (socket !== undefined && !socket.destroyed) await drained(socket, this.descriptor);
    return { content: Buffer.concat(this.chunks, this.kept), truncated: this.truncated };
  }

  dispose(): void {
    if (this.socket === undefined) close(this.descriptor);
    else this.socket.destroy();
  }
}

/** Resolves when the stream has ended, or has given everything that there is to read now. */
function drained(socket: net.Socket, descriptor: number): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (socket.destroyed || !hasInput(descriptor)) resolve();
      else setImmediate(check);
    };
    socket.once('close', resolve);
    check();
  });
}
