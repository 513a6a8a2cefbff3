/** Opening a path inside a root that is not trusted: openat2(2). */
import { lastErrno, libcFunction, SyscallError } from './libc.ts';

const syscall = libcFunction('long syscall(long number, long directory, const char *path, const uint8_t *how, size_t size)');

const SYS_openat2 = 437;
const RESOLVE_NO_MAGICLINKS = 2n;
const RESOLVE_IN_ROOT = 16n;
const O_CLOEXEC = 0o2000000n;
/** struct open_how: flags, mode, resolve. */
const OPEN_HOW_BYTES = 24;

/**
 * Opens `path` as a process chrooted to `root` would, and follows no magic link (`/proc/1/root`). Never leaves `root`, whatever
 * symbolic links and `..` it meets. A descriptor, close-on-exec. On a pool thread, since a file system made by a process in
 * a container may never answer; rejects with a `SyscallError` when it cannot be opened.
 */
export function openInRoot(root: number, path: string, flags: number): Promise<number> {
  const how = Buffer.alloc(OPEN_HOW_BYTES);
  how.writeBigUInt64LE(BigInt(flags) | O_CLOEXEC, 0);
  how.writeBigUInt64LE(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, 16);
  return new Promise((resolve, reject) => {
    syscall.async(SYS_openat2, root, path, how, OPEN_HOW_BYTES, (error: unknown, descriptor: number | bigint) => {
      if (error !== null && error !== undefined) return reject(error);
      if (Number(descriptor) !== -1) return resolve(Number(descriptor));
      // errno belongs to the pool's thread, where it cannot be read. What just failed there fails here without waiting.
      const again = Number(syscall(SYS_openat2, root, path, how, OPEN_HOW_BYTES));
      return again === -1 ? reject(new SyscallError('openat2', lastErrno(), path)) : resolve(again);
    });
  });
}
