/** The environment a program starts with. Its bytes may be anything but NUL, so it stays bytes throughout. */
import fs from 'node:fs';
import { Failure } from '../failure.ts';
import type { HeldProcess } from './target.ts';

/** Of a process's environment; the kernel allows it a quarter of its stack, commonly 2 MiB, and real ones have a few KiB. */
const MAX_ENVIRONMENT_BYTES = 256 * 1024;

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What a program with the host's tools keeps of the helper's own environment, which is VS Code's or sudo's. */
const KEPT = ['LANG', 'LANGUAGE', 'LC_ALL', 'LC_CTYPE', 'LC_MESSAGES', 'TZ', 'COLORTERM'];

export class Environment {
  private readonly variables = new Map<string, Buffer>();

  /** The environment that a process has now, as it was started with or has changed it. */
  static of(process: HeldProcess): Environment {
    const environment = new Environment();
    for (const entry of split(readBounded(process))) {
      const equals = entry.indexOf('=');
      if (equals > 0) environment.variables.set(entry.toString('latin1', 0, equals), entry);
    }
    return environment;
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

function readBounded(process: HeldProcess): Buffer {
  const file = process.open('environ', 0, 'the environment');
  const content = Buffer.alloc(MAX_ENVIRONMENT_BYTES + 1);
  let length = 0;
  try {
    for (let got = -1; got !== 0 && length < content.length; length += got) {
      got = fs.readSync(file, content, length, content.length - length, null);
    }
  } catch (error) {
    process.check();
    throw error;
  }
  if (length > MAX_ENVIRONMENT_BYTES) {
    throw new Failure(
      'unsupported',
      `The environment of process ${process.ref.pid} is larger than ${MAX_ENVIRONMENT_BYTES} bytes.`,
      {
        hint: 'Enter without the root directory of the process.',
      },
    );
  }
  return content.subarray(0, length);
}

function* split(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    const stop = end === -1 ? bytes.length : end;
    yield bytes.subarray(start, stop);
    start = stop + 1;
  }
}
