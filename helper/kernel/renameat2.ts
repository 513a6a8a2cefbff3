/** Exchanging two files atomically: renameat2(2) with `RENAME_EXCHANGE`. */

import { checked, libcFunction } from './libc.ts';
import { AT_FDCWD, RENAME_EXCHANGE } from './numbers.ts';
import { syscallNumber } from './syscalls.ts';

// musl before 1.2.6 has no wrapper.
const syscall = libcFunction(
  'long syscall(long number, int oldDirectory, const char *old, int newDirectory, const char *new, long flags)',
);

const SYS_renameat2 = syscallNumber('renameat2');

/** Each gets the other's name. Throws a `SyscallError`, `ENOENT` when one of them is lacking, and then nothing has changed. */
export function exchangeFiles(one: string, other: string): void {
  checked('renameat2', Number(syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)), other);
}
