/** System call numbers by name, for the two architectures that this is built for. */
import { TABLE } from './syscallTable.ts';

export type SyscallName = keyof typeof TABLE;

/** Throws for another architecture than x86-64 and arm64, and for a call that the architecture does not have. */
export function syscallNumber(name: SyscallName, architecture: string = process.arch): number {
  const [x64, , , arm64] = TABLE[name];
  if (architecture !== 'x64' && architecture !== 'arm64') throw new Error(`no system call numbers for ${architecture}`);
  const number = architecture === 'x64' ? x64 : arm64;
  if (number === null) throw new Error(`${architecture} has no system call ${name}`);
  return number;
}
