/** Processes held by a descriptor, so that a reused pid is never mistaken for them: pidfd_open(2), pidfd_send_signal(2). */

import { checked, libcFunction } from './libc.ts';
import { hasInput } from './readiness.ts';
import { syscallNumber } from './syscalls.ts';

// musl, and glibc before 2.36, have no wrappers; the numbers are the same on every architecture.
const syscall = libcFunction('long syscall(long number, long a, long b, long c, long d)');

const SYS_pidfd_send_signal = syscallNumber('pidfd_send_signal');
const SYS_pidfd_open = syscallNumber('pidfd_open');
const SYS_pidfd_getfd = syscallNumber('pidfd_getfd');

/** A descriptor (close-on-exec) of the process that has this pid now. Throws a `SyscallError`, `ESRCH` when none has. */
export function openPidfd(pid: number): number {
  return checked('pidfd_open', Number(syscall(SYS_pidfd_open, pid, 0, 0, 0)));
}

/** True once the process has ended, though it may not have been waited for. */
export function hasEnded(pidfd: number): boolean {
  return hasInput(pidfd);
}

/** A descriptor (close-on-exec) for what another process has open as `descriptor`: pidfd_getfd(2). Throws a `SyscallError`. */
export function takeDescriptor(pidfd: number, descriptor: number): number {
  return checked('pidfd_getfd', Number(syscall(SYS_pidfd_getfd, pidfd, descriptor, 0, 0)));
}

export function sendSignal(pidfd: number, signal: number): void {
  checked('pidfd_send_signal', Number(syscall(SYS_pidfd_send_signal, pidfd, signal, 0, 0)));
}
