/**
 * The one place that loads the C library. Every file of helper/kernel/ declares the functions it wraps with `libcFunction`
 * and calls them through `checked`, which reads errno at once: any call in between, even a timer's, could replace it.
 */

import os from 'node:os';
import koffi from 'koffi';
import { EHOSTDOWN, EKEYREVOKED, ESOCKTNOSUPPORT, EUCLEAN, EUSERS } from './numbers.ts';

// The symbols of the running program itself: Node is linked with whichever C library the machine has (glibc or musl).
const program = koffi.load(null);

const ERRNO_NAMES = new Map<number, string>(Object.entries(os.constants.errno).map(([name, number]) => [number, name]));

/** `EPERM` for 1; `errno 512` for a number without a name. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? EXTRA_ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

// Linux errors that Node's table lacks (asm-generic/errno.h).
const EXTRA_ERRNO_NAMES = new Map(
  Object.entries({ EUSERS, ESOCKTNOSUPPORT, EHOSTDOWN, EUCLEAN, EKEYREVOKED }).map(([name, number]) => [number, name]),
);

/** A system call that failed: which, with what errno, and on what. */
export class SyscallError extends Error {
  override readonly name = 'SyscallError';
  readonly syscall: string;
  readonly errno: number;
  /** Name of the errno: `ENOENT`. The same property that Node's own errors have. */
  readonly code: string;
  readonly path: string | undefined;

  constructor(syscall: string, errno: number, path?: string) {
    super(`${syscall}${path === undefined ? '' : ` ${path}`}: ${errnoName(errno)}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = errnoName(errno);
    this.path = path;
  }
}

/**
 * Declares a function of the C library by its koffi prototype. A variadic function is declared with the fixed
 * parameters it is called with; on x86-64 and arm64 Linux both are passed alike for integers and pointers.
 */
export function libcFunction(prototype: string): ReturnType<typeof program.func> {
  return program.func(prototype);
}

/** Where the bytes of `buffer` lie, for as long as something refers to it. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}

/** errno of the last call on this thread. Only meaningful right after a call that failed. */
export function lastErrno(): number {
  return koffi.errno();
}

/** What the helper or the kernel has too little of: it says nothing about what was asked for. */
const EXHAUSTED: readonly number[] = [os.constants.errno.EMFILE, os.constants.errno.ENFILE, os.constants.errno.ENOMEM];

export function isExhaustion({ errno }: SyscallError): boolean {
  return EXHAUSTED.includes(errno);
}

/**
 * Returns the descriptor that a call gave, or `-errno`, for what is absent or forbidden is usual. Throws a `SyscallError` where it is for want of
 * descriptors or memory: whoever takes `-errno` for an answer about the file would say that something is gone that is there.
 */
export function openedOr(syscall: string, result: number): number {
  if (result !== -1) return result;
  const errno = koffi.errno();
  if (EXHAUSTED.includes(errno)) throw new SyscallError(syscall, errno);
  return -errno;
}

/** Returns the result of a call that signals failure by -1, or throws a `SyscallError`. */
export function checked(syscall: string, result: number, path?: string): number {
  if (result === -1) throw new SyscallError(syscall, koffi.errno(), path);
  return result;
}
