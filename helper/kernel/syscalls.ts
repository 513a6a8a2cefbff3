/** System call numbers by name, for the two architectures that this is built for. */
import { SYSCALL_NUMBERS } from './syscallNumbers.ts';

export type SyscallName = keyof typeof SYSCALL_NUMBERS;

/** Throws for another architecture than x86-64 and arm64. */
export function syscallNumber(name: SyscallName, architecture: string = process.arch): number {
  const [x64, arm64] = SYSCALL_NUMBERS[name];
  if (architecture === 'x64') return x64;
  if (architecture === 'arm64') return arm64;
  throw new Error(`no system call numbers for ${architecture}`);
}
