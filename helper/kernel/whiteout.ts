/** Making what overlayfs reads as a deletion (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"). */

import { checked, libcFunction } from './libc.ts';
import { S_IFCHR } from './numbers.ts';
import { syscallNumber } from './syscalls.ts';

const mknodat = libcFunction('long syscall(long number, long directory, const char *path, long mode, long device)');
const lsetxattr = libcFunction(
  'int lsetxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)',
);

const SYS_mknodat = syscallNumber('mknodat');

/** A character device 0/0. Throws a `SyscallError`. */
export function makeWhiteout(directory: number, name: string): void {
  checked('mknodat', Number(mknodat(SYS_mknodat, directory, name, S_IFCHR, 0)), name);
}

/** Nothing of the layers below shows through this directory. `path` names no symbolic link. */
export function makeOpaque(path: string): void {
  checked('lsetxattr', lsetxattr(path, 'trusted.overlay.opaque', Buffer.from('y'), 1, 0), path);
}
