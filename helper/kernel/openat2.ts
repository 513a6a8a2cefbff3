/** Opening a path inside a root that is not trusted: openat2(2). */
import { lastErrno, libcFunction } from './libc.ts';

const syscall = libcFunction('long syscall(long number, long directory, const char *path, const uint8_t *how, size_t size)');

const SYS_openat2 = 437;
const RESOLVE_NO_XDEV = 1n;
const RESOLVE_NO_MAGICLINKS = 2n;
const RESOLVE_NO_SYMLINKS = 4n;
const RESOLVE_BENEATH = 8n;
const RESOLVE_IN_ROOT = 16n;
const O_CLOEXEC = 0o2000000n;
/** struct open_how: flags, mode, resolve. */
const OPEN_HOW_BYTES = 24;

/**
 * Opens `path` as a process chrooted to `root` would, and follows no magic link (`/proc/1/root`). Never leaves `root`, whatever
 * symbolic links and `..` it meets. A descriptor, close-on-exec. On a pool thread, since a file system made by a process in
 * a container may never answer; rejects when it cannot be opened.
 */
export function openInRoot(root: number, path: string, flags: number): Promise<number> {
  const how = openHow(flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  return new Promise((resolve, reject) => {
    syscall.async(SYS_openat2, root, path, how, OPEN_HOW_BYTES, (error: unknown, descriptor: number | bigint) => {
      if (error !== null && error !== undefined) return reject(error);
      // errno belongs to the pool's thread, where it cannot be read.
      if (Number(descriptor) === -1) return reject(new Error(`${path} cannot be opened there`));
      return resolve(Number(descriptor));
    });
  });
}

/**
 * Opens `path`, whose bytes need not be UTF-8, below `directory` and on its very mount: no symbolic link, no `..` that leads out, nothing that
 * was mounted over it. A descriptor, close-on-exec, or `-errno`: `EXDEV` for what lies elsewhere, `ELOOP` for a link.
 */
export function openOnMount(directory: number, path: Buffer, flags: number): number {
  const how = openHow(flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  const descriptor = Number(syscall(SYS_openat2, directory, Buffer.concat([path, NUL]), how, OPEN_HOW_BYTES));
  return descriptor === -1 ? -lastErrno() : descriptor;
}

const NUL = Buffer.of(0);

function openHow(flags: number, resolve: bigint): Buffer {
  const how = Buffer.alloc(OPEN_HOW_BYTES);
  how.writeBigUInt64LE(BigInt(flags) | O_CLOEXEC, 0);
  how.writeBigUInt64LE(resolve, 16);
  return how;
}
