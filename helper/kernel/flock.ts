/** A lock on an open file, which goes with its last descriptor in whatever process: flock(2). */

import { lastErrno, libcFunction, SyscallError } from './libc.ts';
import { EWOULDBLOCK, LOCK_EX, LOCK_NB } from './numbers.ts';

const flockCall = libcFunction('int flock(int descriptor, int operation)');

/** Takes it, or says at once that somebody else has it. @throws SyscallError */
export function tryLock(descriptor: number): boolean {
  if (flockCall(descriptor, LOCK_EX | LOCK_NB) === 0) return true;
  if (lastErrno() === EWOULDBLOCK) return false;
  throw new SyscallError('flock', lastErrno());
}
