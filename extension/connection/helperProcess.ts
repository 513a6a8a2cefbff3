/** One run of the helper: its process, the JSON-RPC connection over its pipes, and how it ended. Knows nothing of VS Code. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createMessageConnection, type MessageConnection } from 'vscode-jsonrpc/node';
import type { CommandLine } from './elevation.ts';
import { messageReader } from './messageReader.ts';
import { messageWriter } from './messageWriter.ts';

/** How it ended, in the terms of waitpid(2), and the last lines that it wrote to standard error. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Name of the error that kept it from being started at all: `ENOENT` when there is no such program. */
  spawnError?: string;
  lastWords: string;
}

/** After the process has ended, or has closed its standard output, the rest is awaited this long. */
const GRACE_MILLIS = 1000;
const LAST_WORDS_LINES = 20;

export class HelperProcess {
  readonly connection: MessageConnection;
  /** Resolves once, when the process has ended or its standard output has. */
  readonly ended: Promise<Ending>;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lastLines: string[] = [];

  constructor(commandLine: CommandLine, environment: NodeJS.ProcessEnv, onLogLine: (line: string) => void) {
    const child = spawn(commandLine.command, commandLine.arguments, { env: environment, cwd: '/', stdio: 'pipe' });
    this.child = child;
    // A write to a helper that has just ended is answered by the end itself.
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.lastLines.push(line);
      if (this.lastLines.length > LAST_WORDS_LINES) this.lastLines.shift();
      onLogLine(line);
    });
    this.connection = createMessageConnection(messageReader(child.stdout), messageWriter(child.stdin), silentLogger);
    this.connection.onError(([error]) => onLogLine(`[warn] connection: ${error.message}`));
    this.ended = this.watchEnd();
    this.connection.listen();
  }

  /** Closes its standard input: it ends by itself once no terminal is attached to it. */
  stop(): void {
    this.child.stdin.end();
    this.connection.dispose();
    // Answers still under way must not fill the pipe.
    this.child.stdout.resume();
  }

  /** `SIGTERM`, which sudo passes on. Not permitted, and then without effect, when sudo runs as root and we do not. */
  terminate(): void {
    this.child.kill('SIGTERM');
  }

  private watchEnd(): Promise<Ending> {
    const { child } = this;
    let spawnError: string | undefined;
    child.once('error', (error: NodeJS.ErrnoException) => {
      spawnError = error.code ?? error.message;
    });
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const disconnected = new Promise<void>((resolve) => {
      this.connection.onClose(() => {
        // A closed stream alone settles no request.
        this.connection.dispose();
        resolve();
      });
    });
    return (async () => {
      await Promise.race([closed, exited, disconnected]);
      // The last lines of the log may come after the exit; a child of the helper may hold its pipes for ever.
      await Promise.race([closed, afterMillis(GRACE_MILLIS)]);
      this.connection.dispose();
      const lastWords = this.lastLines.join('\n');
      return { code: child.exitCode, signal: child.signalCode, lastWords, ...(spawnError === undefined ? {} : { spawnError }) };
    })();
  }
}

function afterMillis(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis).unref());
}

// The library's default writes to the console of the extension host.
const silentLogger = { error: () => undefined, warn: () => undefined, info: () => undefined, log: () => undefined };
