/** Syscall programs as text, as strace(1) shows system calls. Always one line, whatever a hostile name put in it. */

import type { Said, SaidArgument } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import type { Argument, Step } from './program.ts';

/** Of an argument that is a list, or a long text. */
const MAX_SHOWN = 80;
const COMMENT_COLUMN = 68;

/** A step as one line of text: the call, and what it is for. */
export function lineOf(step: Step): Said {
  return said('stepLine', callOf(step).padEnd(COMMENT_COLUMN), purposeOf(step));
}

function purposeOf(step: Step): Said {
  const { condition } = step;
  const purpose = printableSaid(step.purpose);
  const when = condition === undefined ? purpose : said(condition.failed ? 'doUnless' : 'doIf', purpose, condition.step + 1);
  if (step.ignoreLacking) return said('doIfThere', when);
  return step.ignoreError && !isAttempt(step) ? said('doIfPossible', when) : when;
}

/** Of others' texts in it each stays a part of one line. */
export function printableSaid({ code, args }: Said): Said {
  return args === undefined ? { code } : { code, args: args.map(printableArgument) };
}

function printableArgument(argument: SaidArgument): SaidArgument {
  if (typeof argument === 'string') return printable(argument);
  if (typeof argument === 'number') return argument;
  return 'code' in argument ? printableSaid(argument) : argument.map(printableArgument);
}

/** One of several places that a program is looked for in. */
export function isAttempt(step: Step): boolean {
  return step.kind === 'syscall' && step.name === 'execve';
}

/** strace-like. */
export function callOf(step: Step): string {
  switch (step.kind) {
    case 'syscall':
      return `${step.name}(${step.arguments.map(textOf).join(', ')})`;
    case 'fork':
    case 'init':
      return step.cgroup === undefined
        ? 'fork()'
        : `clone3({flags=CLONE_INTO_CGROUP, exit_signal=SIGCHLD, cgroup=${textOf(step.cgroup)}})`;
    case 'sync':
      return 'read(3, 1)';
    case 'finally':
      return '/* in the end */';
    case 'tether':
      return `prctl(PR_SET_PDEATHSIG, ${step.signal === 9 ? 'SIGKILL' : step.signal})`;
  }
}

function textOf(argument: Argument): string {
  switch (argument.type) {
    case 'integer':
      return argument.text ?? String(argument.value);
    case 'descriptor':
      return `${argument.value}<${printable(argument.text)}>`;
    case 'string':
      return quoted(argument.value);
    case 'strings':
      return listOf(argument.values);
    case 'bytes':
    case 'filter':
    case 'vectors':
      return argument.text;
    case 'result':
      return `result of step ${argument.step + 1}`;
  }
}

function listOf(values: (string | Buffer)[]): string {
  const long = `[/* ${values.length} strings */]`;
  // An environment may hold secrets, and is long; strace shows its length as well. More strings than characters are never shown.
  if (values.length > MAX_SHOWN || values.some((value) => Buffer.isBuffer(value))) return long;
  const text = `[${values.map(quoted).join(', ')}]`;
  return text.length > MAX_SHOWN ? long : text;
}

function quoted(value: string | Buffer): string {
  const text = typeof value === 'string' ? value : value.toString('utf8');
  return `"${printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text).replaceAll('"', '\\"')}"`;
}

/** A line stays a line, whatever a hostile name put in it. */
export function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** Quoted for a shell where that is needed. One line. */
export function shellWord(text: string): string {
  return wordOf(printable(text));
}

/** The same, for a place where lines may stay lines. */
export function shellText(text: string): string {
  return wordOf(text.split('\n').map(printable).join('\n'));
}

function wordOf(shown: string): string {
  return /^[A-Za-z0-9_/.,:=@%+-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
}
