/** Opening a path inside a root that is not trusted: openat2(2). */

import { close } from './files.ts';
import { lastErrno, libcFunction } from './libc.ts';
import {
  AT_FDCWD,
  EAGAIN,
  EINVAL,
  ENOSYS,
  O_CLOEXEC,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from './numbers.ts';
import { syscallNumber } from './syscalls.ts';

const syscall = libcFunction('long syscall(long number, long directory, const char *path, const uint8_t *how, size_t size)');

export const SYS_openat2 = syscallNumber('openat2');
export const OPEN_CLOEXEC = BigInt(O_CLOEXEC);
/** MAX_ATTEMPTS of launcher.c. Each takes some microseconds. */
const MAX_TRIES = 1000;
/** struct open_how: flags, mode, resolve. */
export const OPEN_HOW_BYTES = 24;

/**
 * `openInRootNow` of what the kernel knows without asking any file system: `-EAGAIN` for all else, and on kernels before 5.12. Waits for none, when
 * only a path is opened (`O_PATH`).
 */
export function openCachedInRoot(root: number, path: string, flags: number): number {
  const descriptor = openOnce(root, path, cachedHowOf(flags));
  // EINVAL: an older kernel.
  return descriptor === -EINVAL ? -EAGAIN : descriptor;
}

/**
 * What is mounted on `path` inside `root`, held (`O_PATH`), or `-errno`. The kernel keeps the way to each mount point in memory, so no file system is asked
 * but one that wants to be asked about every name: that is `-EAGAIN`. On kernels before 5.12 it is waited for.
 */
export function openMountPoint(root: number, path: string): number {
  const descriptor = openOnce(root, path, cachedHowOf(O_PATH));
  return descriptor === -EINVAL ? openInRootNow(root, path, O_PATH) : descriptor;
}

function howOf(flags: number, resolve: number): Buffer {
  const how = Buffer.alloc(OPEN_HOW_BYTES);
  how.writeBigUInt64LE(BigInt(flags) | OPEN_CLOEXEC, 0);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  return how;
}

/** RESOLVE_CACHED: only what the kernel knows without asking any file system, EAGAIN else. Linux 5.12. */
const cachedHow = howOf(0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED);
let cachedFlags = 0;

/** For a call that returns before the next one: a stack of layers is opened with the same flags, layer by layer. */
function cachedHowOf(flags: number): Buffer {
  if (flags !== cachedFlags) cachedHow.writeBigUInt64LE(BigInt(flags) | OPEN_CLOEXEC, 0);
  cachedFlags = flags;
  return cachedHow;
}

/** Whether this kernel has it: Linux 5.6. */
export function hasOpenat2(): boolean {
  const opened = openNow(AT_FDCWD, '/', howOf(O_PATH, 0));
  if (opened >= 0) close(opened);
  return opened !== -ENOSYS;
}

/** A descriptor, or `-errno`. Not tried again: `EAGAIN` may be what was asked for (RESOLVE_CACHED). */
function openOnce(root: number, path: string | Buffer, how: Buffer): number {
  const descriptor = Number(syscall(SYS_openat2, root, path, how, OPEN_HOW_BYTES));
  return descriptor === -1 ? -lastErrno() : descriptor;
}

/**
 * Calls `open`, again for as long as it is `-EAGAIN`, within the launcher's own bound: the kernel says so when anybody renames or mounts anything on the host while it
 * goes up a `..` (openat2(2)).
 */
export function triedAgain(open: () => number): number {
  let opened = -EAGAIN;
  for (let tries = 0; opened === -EAGAIN && tries < MAX_TRIES; tries += 1) opened = open();
  return opened;
}

function openNow(root: number, path: string | Buffer, how: Buffer): number {
  return triedAgain(() => openOnce(root, path, how));
}

/**
 * Opens `path`, whose bytes need not be UTF-8, below `directory` and on its very mount: no symbolic link, no `..` that leads out, nothing that
 * was mounted over it. A descriptor, close-on-exec, or `-errno`: `EXDEV` for what lies elsewhere, `ELOOP` for a link.
 */
export function openOnMount(directory: number, path: Buffer, flags: number): number {
  const how = howOf(flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  return openNow(directory, Buffer.concat([path, NUL]), how);
}

const NUL = Buffer.of(0);

/** A path of the host without any symbolic link in it: a descriptor (close-on-exec), or `-errno`, `ELOOP` when there is one. */
export function openRealPath(path: string, flags: number): number {
  return openNow(AT_FDCWD, path, howOf(flags, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS));
}

/** `path` below `directory`, and no link or `..` on the way leads out of that: a descriptor (close-on-exec), or `-errno`, `EXDEV` when one does. */
export function openBeneath(directory: number, path: string, flags: number): number {
  return openNow(directory, path, howOf(flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
}

/**
 * Opens `path` as a process chrooted to `root` would, and follows no magic link (`/proc/1/root`). Never leaves `root`, whatever symbolic links and
 * `..` it meets. A descriptor, close-on-exec, or `-errno`. Waits for the file systems on the way: for the kernel's own, and for reader threads.
 */
export function openInRootNow(root: number, path: string, flags: number): number {
  return openNow(root, path, howOf(flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
}
