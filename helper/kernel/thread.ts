/** Threads of this process, as the kernel counts them: gettid(2), _exit(2). */

import { libcFunction } from './libc.ts';
import { syscallNumber } from './syscalls.ts';

const syscall = libcFunction('long syscall(long number)');
const exitCall = libcFunction('void _exit(int status)');

const SYS_gettid = syscallNumber('gettid');

/** The number below `/proc/self/task/` of the thread that calls. */
export function ownThreadId(): number {
  return Number(syscall(SYS_gettid));
}

/** Ends all threads at once, also those that wait in the kernel. Nothing is flushed, and no handler runs. */
export function exitAtOnce(status: number): never {
  exitCall(status);
  throw new Error('_exit returned');
}
