/** Extended attributes: fgetxattr(2), lgetxattr(2), flistxattr(2), llistxattr(2); xattr(7). Names are ASCII, values any bytes. */

import { lastErrno, libcFunction } from './libc.ts';
import { EBADF } from './numbers.ts';

const fgetxattrCall = libcFunction('intptr_t fgetxattr(int descriptor, const char *name, uint8_t *value, size_t size)');
const lgetxattrCall = libcFunction('intptr_t lgetxattr(const uint8_t *path, const char *name, uint8_t *value, size_t size)');
const flistxattrCall = libcFunction('intptr_t flistxattr(int descriptor, uint8_t *list, size_t size)');
const llistxattrCall = libcFunction('intptr_t llistxattr(const uint8_t *path, uint8_t *list, size_t size)');

/** XATTR_SIZE_MAX and XATTR_LIST_MAX (linux/limits.h). */
const MAX_BYTES = 65_536;
const value = Buffer.allocUnsafeSlow(MAX_BYTES);
const path = Buffer.allocUnsafeSlow(512);

/** A name in an open directory, not followed when it is a symbolic link; `.` for the directory, or file, itself. One character a byte. */
export interface AttributePlace {
  directory: number;
  name: string;
}

/**
 * There is no `lgetxattrat` before Linux 6.13, but the descriptor's own link in /proc leads to that very directory, and only the
 * last component is a name that may have been exchanged.
 */
function setPath(directory: number, name: string): void {
  path[path.write(`/proc/self/fd/${directory}/${name}`, 0, 'latin1')] = 0;
}

/** The value, or `-errno`; valid until the next call. `trusted.*` without CAP_SYS_ADMIN is ENODATA, as if it were not there. */
export function attributeOf({ directory, name }: AttributePlace, attribute: string): Buffer | number {
  const length = Number(getAttribute(directory, name, attribute));
  return length === -1 ? -lastErrno() : value.subarray(0, length);
}

function getAttribute(directory: number, name: string, attribute: string): number | bigint {
  if (name === '.') {
    const length = fgetxattrCall(directory, attribute, value, MAX_BYTES);
    // A seventh of the time that the way through /proc takes, but not for what was opened with O_PATH.
    if (Number(length) !== -1 || lastErrno() !== EBADF) return length;
  }
  setPath(directory, name);
  return lgetxattrCall(path, attribute, value, MAX_BYTES);
}

function listAttributes(directory: number, name: string): number {
  if (name === '.') {
    const length = Number(flistxattrCall(directory, value, MAX_BYTES));
    if (length !== -1 || lastErrno() !== EBADF) return length;
  }
  setPath(directory, name);
  return Number(llistxattrCall(path, value, MAX_BYTES));
}

/** False when it is certain that an open directory has no attribute whose name begins so: one call instead of one for each name. */
export function mayHaveAttribute(directory: number, prefix: string): boolean {
  const length = listAttributes(directory, '.');
  return length === -1 || (length > 0 && value.subarray(0, length).includes(prefix, 0, 'latin1'));
}

/** Names of the attributes, or `-errno`. `trusted.*` is left out for those without CAP_SYS_ADMIN. */
export function attributesOf({ directory, name }: AttributePlace): string[] | number {
  const length = listAttributes(directory, name);
  if (length === -1) return -lastErrno();
  if (length === 0) return [];
  return value
    .toString('latin1', 0, length)
    .split('\0')
    .filter((attribute) => attribute !== '');
}
