/** The environment a program starts with. Its bytes may be anything but NUL, so it stays bytes throughout. */
import fs from 'node:fs';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import type { HeldProcess } from './target.ts';

/**
 * The kernel's own limit of arguments and environment together, however large the stack may grow (bprm_stack_limits() in fs/exec.c). What
 * a program may have is a quarter of its stack's limit; whether it is too much for one, only its execve(2) tells.
 */
export const MAX_ENVIRONMENT_BYTES = 6 * 1024 * 1024;
/** A read that asks for more is given no more at once. */
const CHUNK_BYTES = 64 * 1024;
const MAX_STAT_BYTES = 4096;
/** Among the fields after the name; `arg_end` is the next. */
const ARG_START = 45;

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What a program with the host's tools keeps of the helper's own environment, which is VS Code's or sudo's. */
const KEPT = ['LANG', 'LANGUAGE', 'LC_ALL', 'LC_CTYPE', 'LC_MESSAGES', 'TZ', 'COLORTERM'];

export class Environment {
  private readonly variables = new Map<string, Buffer>();

  /** Of `NAME=value` entries. */
  static from(entries: Iterable<string | Buffer>): Environment {
    const environment = new Environment();
    for (const given of entries) {
      const entry = Buffer.from(given as string);
      const equals = entry.indexOf('=');
      if (equals > 0) environment.variables.set(entry.toString('latin1', 0, equals), entry);
    }
    return environment;
  }

  /**
   * The environment that a process was started with, read from its memory. Undefined when it has overwritten it since, as programs do that
   * set a title (setproctitle(3)): nginx, redis, postgres. Throws a `Failure` when it may not be read.
   */
  static of(process: HeldProcess): Environment | undefined {
    const bytes = readChunks(process, 'environ', said('theEnvironment'));
    const entries = [...split(bytes)];
    const isIntact = entriesAreIntact(bytes, entries) && argumentsAreIntact(process);
    return isIntact ? Environment.from(entries) : undefined;
  }

  /** A plain one for the host's tools. */
  static plain(): Environment {
    const environment = new Environment();
    environment.set('PATH', process.env.PATH ?? DEFAULT_PATH);
    for (const name of KEPT) {
      const value = process.env[name];
      if (value !== undefined) environment.set(name, value);
    }
    return environment;
  }

  set(name: string, value: string): void {
    // Names are compared byte by byte; latin1 keeps one character a byte.
    this.variables.set(Buffer.from(name).toString('latin1'), Buffer.from(`${name}=${value}`));
  }

  setUnlessPresent(name: string, value: string): void {
    if (!this.has(name)) this.set(name, value);
  }

  has(name: string): boolean {
    return this.variables.has(Buffer.from(name).toString('latin1'));
  }

  /** As text; bytes that are not UTF-8 become U+FFFD. */
  get(name: string): string | undefined {
    const key = Buffer.from(name).toString('latin1');
    return this.variables.get(key)?.toString('utf8', key.length + 1);
  }

  /** `NAME=value`, as execve(2) takes them. */
  entries(): Buffer[] {
    return [...this.variables.values()];
  }
}

/** What execve(2) is given, and lays out: entries with a name, each ended by a NUL. A title leaves pieces of words, blanks or nothing but NULs. */
function entriesAreIntact(bytes: Buffer, entries: readonly Buffer[]): boolean {
  if (bytes.length === 0) return true;
  return bytes.at(-1) === 0 && entries.every((entry) => /^[^=\s]+=/.test(entry.toString('latin1')));
}

/**
 * The arguments lie right before the environment, and a title that is longer than they were goes on into it: /proc/PID/cmdline then shows more than
 * the kernel once laid out for them (get_mm_proctitle() in fs/proc/base.c, proc_pid_stat(5)).
 */
function argumentsAreIntact(process: HeldProcess): boolean {
  const stat = process.tryRead('stat', MAX_STAT_BYTES) ?? '';
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [begin, end] = [Number(fields[ARG_START]), Number(fields[ARG_START + 1])];
  const words = readChunks(process, 'cmdline', said('theArguments'));
  // Zero: it may not be seen.
  return !(end > begin) || words.length <= end - begin;
}

function readChunks(process: HeldProcess, path: 'environ' | 'cmdline', what: Said): Buffer {
  const file = process.open(path, 0, what);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for (let got = -1; got !== 0 && length < MAX_ENVIRONMENT_BYTES; length += got) {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      got = fs.readSync(file, chunk, 0, chunk.length, null);
      chunks.push(chunk.subarray(0, got));
    }
  } catch (error) {
    process.check();
    throw error;
  }
  return Buffer.concat(chunks, length);
}

function* split(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    const stop = end === -1 ? bytes.length : end;
    yield bytes.subarray(start, stop);
    start = stop + 1;
  }
}
