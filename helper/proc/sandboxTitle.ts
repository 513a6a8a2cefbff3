/** The arguments by which the processes of the launcher that keep a sandbox say in ps(1), and to any helper, whose they are. Pure. */
import type { Unknown } from '../protocol/errors.ts';

export interface SandboxTitle {
  /** Sixteen hexadecimal digits. */
  id: string;
  name: string;
}

const PROGRAM = 'isoscope-sandbox';
/** Of the one that waits outside of the sandbox's user namespace, to clean up in the end: in place of the first, and as long. */
export const KEEPER = 'isoscope-keeping';

export function sandboxTitle({ id, name }: SandboxTitle): string[] {
  return [PROGRAM, name, id];
}

/** Of the sandbox that the process says it keeps, from within its user namespace or from outside. */
export function idInTitle(words: readonly string[] | Unknown | undefined): string | undefined {
  if (!Array.isArray(words)) return undefined;
  const [first, ...rest] = words as readonly string[];
  return parseSandboxTitle(first === KEEPER ? [PROGRAM, ...rest] : (words as readonly string[]))?.id;
}

/** Undefined when the process does not keep a sandbox, or does so from outside of its user namespace. Anybody may write the same: it says what to look for, and proves nothing. */
export function parseSandboxTitle(words: readonly string[] | Unknown | undefined): SandboxTitle | undefined {
  if (!Array.isArray(words) || words.length !== 3 || words[0] !== PROGRAM) return undefined;
  const [, name, id] = words as [string, string, string];
  return /^[A-Za-z0-9][\w.-]{0,62}$/.test(name) && /^[0-9a-f]{16}$/.test(id) ? { id, name } : undefined;
}
