/** Extended attributes: fgetxattr(2), lgetxattr(2), llistxattr(2), flistxattr(2); xattr(7). Names are ASCII, values any bytes. */
import { lastErrno, libcFunction } from './libc.ts';

const fgetxattrCall = libcFunction('intptr_t fgetxattr(int descriptor, const char *name, uint8_t *value, size_t size)');
const lgetxattrCall = libcFunction('intptr_t lgetxattr(const uint8_t *path, const char *name, uint8_t *value, size_t size)');
const flistxattrCall = libcFunction('intptr_t flistxattr(int descriptor, uint8_t *list, size_t size)');
const llistxattrCall = libcFunction('intptr_t llistxattr(const uint8_t *path, uint8_t *list, size_t size)');

/** XATTR_SIZE_MAX and XATTR_LIST_MAX (linux/limits.h). */
const MAX_BYTES = 65_536;
const value = Buffer.allocUnsafeSlow(MAX_BYTES);
const path = Buffer.allocUnsafeSlow(512);

/** The attribute is not there. */
export const ENODATA = 61;

/** A file that is open for reading, or a name in an open directory, which is not followed when it is a symbolic link. */
export interface AttributePlace {
  directory: number;
  /** One character a byte; absent: the directory itself. */
  name?: string;
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

function getAttribute(directory: number, name: string | undefined, attribute: string): number | bigint {
  if (name === undefined) return fgetxattrCall(directory, attribute, value, MAX_BYTES);
  setPath(directory, name);
  return lgetxattrCall(path, attribute, value, MAX_BYTES);
}

/** Names of the attributes, or `-errno`. `trusted.*` is left out for those without CAP_SYS_ADMIN. */
export function attributesOf({ directory, name }: AttributePlace): string[] | number {
  const length = Number(listAttributes(directory, name));
  if (length === -1) return -lastErrno();
  return value
    .toString('latin1', 0, length)
    .split('\0')
    .filter((attribute) => attribute !== '');
}

function listAttributes(directory: number, name: string | undefined): number | bigint {
  if (name === undefined) return flistxattrCall(directory, value, MAX_BYTES);
  setPath(directory, name);
  return llistxattrCall(path, value, MAX_BYTES);
}
