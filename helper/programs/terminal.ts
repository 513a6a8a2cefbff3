/** `terminals/open`: a program on a pseudoterminal, to which a client attaches over the stream socket. */
import crypto from 'node:crypto';
import fs from 'node:fs';
import type net from 'node:net';
import { findInRoot } from '../host/fileInRoot.ts';
import { close } from '../kernel/files.ts';
import { openPty, openPtyAt, type Pty, resizePty } from '../kernel/pty.ts';
import { hasInput, isHungUp } from '../kernel/readiness.ts';
import type { Launched } from '../launcher/launch.ts';
import { log } from '../log.ts';
import type { ExitStatus, TerminalsOpenParams, TerminalsOpenResult } from '../protocol/programs.ts';
import { english, said } from '../saying.ts';
import { encodeFrame, type Frame, type FrameDecoder, TOKEN_BYTES } from '../stream/frame.ts';
import { type Attachable, descriptorOf } from '../stream/server.ts';
import { own } from './identity.ts';
import { type Candidate, makePlan, type Plan } from './plan.ts';
import { PtyInput } from './ptyInput.ts';
import { PtyOutput } from './ptyOutput.ts';
import { start } from './start.ts';
import type { OpenNamespace } from './target.ts';

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;
const TOKEN_MILLIS = 30_000;
/**
 * What a pty can hold of the output of a program that has ended: 64 KiB in flip buffers, 4 KiB in the line discipline, and
 * what is read ahead. Anything more is of another that still writes.
 */
const MAX_LEFT_BYTES = 256 * 1024;

/** Starts a program with these as its standard input and outputs; `confirmed` resolves when it runs. */
export type StartOnTerminal = (stdio: [number, number, number]) => Launched & { confirmed: Promise<Candidate> };

/** Every terminal of this helper. */
export class Terminals {
  /** By the SHA-256 of their tokens: finding one must not tell, by how long it takes, how much of a token was right. */
  private readonly waiting = new Map<string, Terminal>();
  private readonly terminals = new Set<Terminal>();
  private readonly onIdle: () => void;

  /** `onIdle` is called when the last terminal has ended. */
  constructor(onIdle: () => void) {
    this.onIdle = onIdle;
  }

  get count(): number {
    return this.terminals.size;
  }

  async open(params: TerminalsOpenParams, streamSocket: string, openNamespace: OpenNamespace): Promise<TerminalsOpenResult> {
    return this.openPlanned(await makePlan(params, { terminal: true, openNamespace }), params, streamSocket);
  }

  /** Disposes of the plan. */
  async openPlanned(plan: Plan, size: { columns?: number; rows?: number }, streamSocket: string): Promise<TerminalsOpenResult> {
    try {
      const pty = await openPtyFor(plan);
      const { candidate, token } = await this.serve(pty, size, (stdio) => start(plan, stdio));
      return { streamSocket, token, command: [candidate.path, ...candidate.arguments.slice(1)], user: plan.user };
    } finally {
      plan.dispose();
    }
  }

  /**
   * A terminal for the program that `start` starts on the slave of `pty`, once that has begun, with the token that attaches to
   * it. The pty is closed when it cannot be started.
   */
  async serve(
    pty: Pty,
    size: { columns?: number; rows?: number },
    startProgram: StartOnTerminal,
  ): Promise<{ candidate: Candidate; token: string }> {
    const { terminal, confirmed } = this.start(pty, size, startProgram);
    const candidate = await confirmed;
    const token = crypto.randomBytes(TOKEN_BYTES);
    this.expect(terminal, token);
    return { candidate, token: token.toString('hex') };
  }

  /** What the token stands for, once, and within its time. */
  take(token: Uint8Array): Attachable | undefined {
    const key = keyOf(token);
    const terminal = this.waiting.get(key);
    this.waiting.delete(key);
    return terminal;
  }

  /** Ends those that nobody has attached to. */
  dropWaiting(): void {
    for (const terminal of this.waiting.values()) terminal.hangUp();
    this.waiting.clear();
  }

  private start(
    pty: Pty,
    { columns, rows }: { columns?: number; rows?: number },
    startProgram: StartOnTerminal,
  ): { terminal: Terminal; confirmed: Promise<Candidate> } {
    try {
      resizePty(pty, columns ?? DEFAULT_COLUMNS, rows ?? DEFAULT_ROWS);
      const program = startProgram([pty.slave, pty.slave, pty.slave]);
      const terminal = new Terminal(pty.master, program);
      this.terminals.add(terminal);
      void terminal.closed.then(() => {
        this.terminals.delete(terminal);
        if (this.terminals.size === 0) this.onIdle();
      });
      program.confirmed.catch(() => terminal.hangUp());
      return { terminal, confirmed: program.confirmed };
    } catch (error) {
      close(pty.master);
      throw error;
    } finally {
      close(pty.slave);
    }
  }

  private expect(terminal: Terminal, token: Buffer): void {
    const key = keyOf(token);
    this.waiting.set(key, terminal);
    const timer = setTimeout(() => {
      if (this.waiting.delete(key)) terminal.hangUp();
    }, TOKEN_MILLIS);
    void terminal.closed.then(() => {
      clearTimeout(timer);
      this.waiting.delete(key);
    });
  }
}

function keyOf(token: Uint8Array): string {
  return crypto.createHash('sha256').update(token).digest('hex');
}

/**
 * A pseudoterminal of the devpts that is mounted where the program will run, so that `tty` and `ps` have a name for it
 * there; where there is none, or something that pretends to be one, of the host's.
 */
async function openPtyFor(plan: Plan): Promise<Pty> {
  const pty = (plan.root === undefined ? undefined : await openPtyIn(plan.root.descriptor)) ?? openPty();
  const { hostUid } = plan.identity;
  if (own().privileged && hostUid !== undefined) fs.fchownSync(pty.slave, hostUid, fs.fstatSync(pty.slave).gid);
  return pty;
}

async function openPtyIn(root: number): Promise<Pty | undefined> {
  const ptmx = await findInRoot(root, 'dev/pts/ptmx');
  if (ptmx === undefined) return undefined;
  try {
    return openPtyAt(ptmx);
  } catch (error) {
    log('info', `the terminal is of the host's devpts: ${String(error)}`);
    return undefined;
  } finally {
    close(ptmx);
  }
}

/** A pseudoterminal with its program, from its start until its client has gone. */
class Terminal implements Attachable {
  /** Resolves when nothing is left of it but what ignores SIGHUP, and its client knows. */
  readonly closed: Promise<void>;
  private readonly descriptor: number;
  private readonly master: PtyOutput;
  private readonly program: Launched;
  private connection: net.Socket | undefined;
  private input: PtyInput | undefined;

  constructor(master: number, program: Launched) {
    this.descriptor = master;
    this.program = program;
    this.master = new PtyOutput(master);
    this.master.on('close', () => this.input?.close());
    this.closed = new Promise((resolve) => {
      this.master.once('close', () => {
        // The line is lost as soon as the program ends, which is before the client was told how it ended.
        if (this.connection === undefined || this.connection.destroyed) resolve();
        else this.connection.once('close', () => resolve());
      });
    });
  }

  /** Closes the master: programs on it get SIGHUP, as when the line of a real terminal is lost. */
  hangUp(): void {
    this.input?.close();
    this.master.destroy();
    this.connection?.destroy();
  }

  attach(
    connection: net.Socket,
    decoder: FrameDecoder,
    size: { columns: number; rows: number },
    frames: Iterable<Frame>,
  ): void {
    if (this.master.destroyed) {
      connection.end(encodeFrame({ type: 'error', message: english(said('terminalHasBeenClosed')) }));
      return;
    }
    this.connection = connection;
    connection.once('close', () => this.hangUp());
    this.resize(size);
    this.sendOutput(connection);
    this.takeInput(connection);
    const receive = (received: Iterable<Frame>) => {
      try {
        for (const frame of received) this.receive(frame, connection);
      } catch (error) {
        log('warn', `a client of the stream socket: ${String(error)}`);
        connection.destroy();
      }
    };
    receive(frames);
    connection.on('data', (chunk: Buffer) => receive(decoder.push(chunk)));
    connection.resume();
    void this.program.ended.then((exit) => this.finish(connection, exit));
  }

  private resize({ columns, rows }: { columns: number; rows: number }): void {
    if (columns > 0 && rows > 0 && !this.master.destroyed) resizePty({ master: this.descriptor }, columns, rows);
  }

  /** Reads no faster than the client takes it, and so the program writes no faster. */
  private sendOutput(connection: net.Socket): void {
    this.master.on('data', (data: Buffer) => {
      if (!connection.write(encodeFrame({ type: 'data', data }))) this.master.pause();
    });
    connection.on('drain', () => this.master.resume());
    this.master.resume();
  }

  private receive(frame: Frame, connection: net.Socket): void {
    if (frame.type === 'resize') this.resize(frame);
    else if (frame.type === 'data' && this.input?.write(frame.data) === false) connection.pause();
    else if (frame.type !== 'data') connection.destroy();
  }

  /** A program that does not read its input holds up the client, not the helper's memory. */
  private takeInput(connection: net.Socket): void {
    // A connection that is not read does not tell that its other end has gone.
    const stillWanted = () => {
      if (!connection.destroyed && isHungUp(descriptorOf(connection))) this.hangUp();
      return !this.master.destroyed;
    };
    this.input = new PtyInput(this.descriptor, () => connection.resume(), stillWanted);
  }

  private async finish(connection: net.Socket, exit: ExitStatus): Promise<void> {
    await this.drained();
    const frame: Frame =
      exit.signal !== undefined ? { type: 'exit', signal: exit.signal } : { type: 'exit', code: exit.code ?? 0 };
    connection.end(encodeFrame(frame), () => this.hangUp());
  }

  /** The program has ended: resolves when what it wrote has been handed to the connection. */
  private drained(): Promise<void> {
    return new Promise((resolve) => {
      let left = MAX_LEFT_BYTES;
      const check = () => {
        if (this.master.destroyed || left <= 0 || (!this.master.holdsOutput && !hasInput(this.descriptor))) resolve();
      };
      this.master.on('data', (data: Buffer) => {
        left -= data.length;
        setImmediate(check);
      });
      this.master.once('close', resolve);
      check();
    });
  }
}
