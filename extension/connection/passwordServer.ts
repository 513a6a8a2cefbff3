/**
 * Answers the askpass program for one start of the helper. It lives in a fresh folder of mode 0700 and answers only who
 * sends the nonce that lies in there. A password passes through; it is kept nowhere.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { oneLine, shellWord } from '../plain/plainText.ts';
import { type Answer, MAX_LINE_BYTES, NONCE, PROGRAM, type Question, SOCKET } from './askpassFolder.ts';

const MAX_PROMPT_LENGTH = 500;

export interface PasswordQuestion {
  /** sudo's prompt, as a single line. */
  prompt: string;
  /** sudo asks the same again: the password given before was wrong. */
  again: boolean;
  /** Aborted when sudo no longer waits for the answer. */
  abandoned: AbortSignal;
}

/** Resolves with the password, which may be empty, or with undefined when the person cancelled. */
export type AskForPassword = (question: PasswordQuestion) => Promise<string | undefined>;

export interface AskpassProgram {
  node: string;
  /** `dist/askpass.js`. */
  script: string;
}

export interface PasswordServer extends AsyncDisposable {
  /** Path of the executable for `SUDO_ASKPASS`. */
  readonly askpass: string;
}

/**
 * @param folders where the private folder may be made: the first in which a file can be executed is taken, because a
 *   temporary directory may be mounted `noexec`.
 * @throws when none of the folders will do.
 */
export async function servePasswords(folders: string[], program: AskpassProgram, ask: AskForPassword): Promise<PasswordServer> {
  const folder = await privateFolder(folders, program);
  const nonce = randomBytes(32).toString('hex');
  await writeFile(path.join(folder, NONCE), nonce, { mode: 0o600 });
  const open = new Set<net.Socket>();
  const answered = new Set<string>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => undefined);
    void answer(socket, nonce, answered, ask);
  });
  await listening(server, path.join(folder, SOCKET));
  return {
    askpass: path.join(folder, PROGRAM),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function privateFolder(folders: string[], program: AskpassProgram): Promise<string> {
  const problems: string[] = [];
  for (const parent of folders) {
    let folder: string | undefined;
    try {
      // mkdtemp(3) makes it with mode 0700.
      folder = await mkdtemp(path.join(parent, 'isoscope-'));
      const executable = path.join(folder, PROGRAM);
      await writeFile(executable, wrapper(folder, program), { mode: 0o700 });
      // access(2) says EACCES for X_OK when the file system is mounted noexec.
      await access(executable, constants.X_OK);
      return folder;
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }
  }
  throw new Error(problems.join('; '));
}

/** `SUDO_ASKPASS` must be one executable, and sudo gives it only the prompt. */
function wrapper(folder: string, program: AskpassProgram): string {
  const [node, script, place] = [program.node, program.script, folder].map(shellWord);
  return `#!/bin/sh\nELECTRON_RUN_AS_NODE=1 exec ${node} ${script} ${place} "$1"\n`;
}

function listening(server: net.Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).listen(path, resolve));
}

async function answer(socket: net.Socket, nonce: string, answered: Set<string>, ask: AskForPassword): Promise<void> {
  const question = parseQuestion(await firstLine(socket));
  if (question === undefined || !sameSecret(question.nonce, nonce)) {
    socket.destroy();
    return;
  }
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const prompt = oneLine(question.prompt.trim(), MAX_PROMPT_LENGTH);
  const password = await ask({ prompt, again: answered.has(prompt), abandoned: gone.signal });
  if (password !== undefined) answered.add(prompt);
  const reply: Answer = password === undefined ? {} : { password };
  socket.end(`${JSON.stringify(reply)}\n`);
}

/** The first line that the client sends, or what it sent when it ended or went over the limit. */
function firstLine(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n') || text.length > MAX_LINE_BYTES) resolve(text);
    });
    socket.once('close', () => resolve(text));
  });
}

function parseQuestion(line: string): Question | undefined {
  if (line.length > MAX_LINE_BYTES) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { nonce, prompt } = value as Record<string, unknown>;
  return typeof nonce === 'string' && typeof prompt === 'string' ? { nonce, prompt } : undefined;
}

function sameSecret(given: string, secret: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}
