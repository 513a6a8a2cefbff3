/** The arguments by which the processes of the launcher that keep a sandbox say in ps(1), and to any helper, whose they are. Pure. */
import type { Unknown } from '../protocol.ts';

export interface SandboxTitle {
  /** Sixteen hexadecimal digits. */
  id: string;
  name: string;
}

const PROGRAM = 'isoscope-sandbox';

export function sandboxTitle({ id, name }: SandboxTitle): string[] {
  return [PROGRAM, name, id];
}

/** Undefined when the process does not keep a sandbox. Anybody may write the same, so it is only to be shown. */
export function parseSandboxTitle(words: readonly string[] | Unknown | undefined): SandboxTitle | undefined {
  if (!Array.isArray(words) || words.length !== 3 || words[0] !== PROGRAM) return undefined;
  const [, name, id] = words as [string, string, string];
  return /^[A-Za-z0-9][\w.-]{0,62}$/.test(name) && /^[0-9a-f]{16}$/.test(id) ? { id, name } : undefined;
}
