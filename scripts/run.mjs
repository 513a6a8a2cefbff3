/** Runs programs for the scripts and says what happens: one line a step, the program's own output below it. */
import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { constants } from 'node:os';

const CLEAN_UP_MILLIS = 10_000;
const LONGEST_MILLIS = 30 * 60_000;

/** By which a person, or what started a script, asks it to end. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** A failure that the person can do something about: shown without a stack. */
export class Failure extends Error {}

/** One line of progress, on standard error so that standard output stays the result's. */
export function say(message) {
  process.stderr.write(`isoscope: ${message}\n`);
}

/** Runs a script's main function, and turns what it throws into a message and an exit status. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    say(error instanceof Failure ? error.message : (error?.stack ?? String(error)));
    process.exitCode = 1;
  }
}

/**
 * Runs a program to its end with its output on this one's standard error.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean, timeoutMillis?: number, silentMillis?: number, hint?: string, signal?: AbortSignal, uid?: number, gid?: number, output?: number }} [options]
 *   `quiet` shows the output only when the program fails; with `silentMillis` it is ended when it has written nothing for so long, and not
 *   for the time that it takes in all; `output` is a descriptor that it goes to instead; `hint` ends the failure's message; `signal` ends the program
 *   and all that it started (first asked, then killed), and its reason is told; a Ctrl-C then reaches them only so.
 * @returns {Promise<string>} what a quiet program wrote on its standard output, else the empty string
 * @throws {Failure} when it cannot be started, fails, or takes longer than `timeoutMillis`
 */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const shownOn = options.output ?? process.stderr;
    const isPiped = options.quiet || options.silentMillis !== undefined;
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: {
        ...(options.env ?? process.env),
        ...(isPiped && !options.quiet && process.stderr.isTTY ? { FORCE_COLOR: '1' } : {}),
      },
      stdio: isPiped ? ['ignore', 'pipe', 'pipe'] : ['ignore', shownOn, shownOn],
      detached: options.signal !== undefined,
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid ?? options.uid }),
    });
    const output = { out: '', all: '' };
    const take = (text, isResult) => {
      if (options.silentMillis !== undefined) timer.refresh();
      if (!options.quiet) return show(shownOn, text);
      if (isResult) output.out += text;
      output.all += text;
    };
    child.stdout?.setEncoding('utf8').on('data', (text) => take(text, true));
    child.stderr?.setEncoding('utf8').on('data', (text) => take(text, false));
    let late;
    const end = (reason) => {
      late ??= reason;
      signalProgram(child, options, 'SIGTERM');
      setTimeout(() => signalProgram(child, options, 'SIGKILL'), CLEAN_UP_MILLIS).unref();
    };
    const limit = options.silentMillis ?? options.timeoutMillis ?? LONGEST_MILLIS;
    const how = options.silentMillis === undefined ? 'took longer than' : 'did nothing for';
    const timer = setTimeout(() => end(`${how} ${limit / 1000} s`), limit);
    const abort = () => end(String(options.signal.reason));
    options.signal?.addEventListener('abort', abort, { once: true });
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Failure(`${program} cannot be started: ${error.message}${hintOf(options)}`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      if (code === 0) return resolve(output.out);
      const why = late ?? (signal ? `ended by ${signal}` : `exit status ${code}`);
      const shown = output.all.trim() === '' ? '' : `\n${output.all.trimEnd()}`;
      reject(new Failure(`${[program, ...args].join(' ')}: ${why}${shown}${hintOf(options)}`));
    });
  });
}

function show(shownOn, text) {
  if (typeof shownOn === 'number') writeSync(shownOn, text);
  else shownOn.write(text);
}

/** A program with a signal of its own leads a process group, so that what it started ends with it. */
function signalProgram(child, options, signal) {
  try {
    if (options.signal === undefined) child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // It has ended.
  }
}

function hintOf(options) {
  return options.hint === undefined ? '' : `\n${options.hint}`;
}

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP, with the exit status that stands for it.
 * @returns {Promise<number>}
 */
export function untilSignal() {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) process.once(signal, () => resolve(128 + constants.signals[signal]));
  });
}
