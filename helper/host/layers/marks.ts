/**
 * What the files of a layer mean to what lies below: whiteouts, opaque directories, redirects and metacopy files, as the kernel
 * (Documentation/filesystems/overlayfs.rst), fuse-overlayfs and aufs write them.
 */

import os from 'node:os';
import { type FileStatus, statusBelow } from '../../kernel/directory.ts';
import { EINVAL, ENODATA, ENOENT, EOPNOTSUPP, EPERM, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG } from '../../kernel/numbers.ts';
import { type AttributePlace, attributeOf, mayHaveAttribute } from '../../kernel/xattr.ts';
import { isAtLeast } from '../../proc/kernelRelease.ts';
import type { Unknown } from '../../protocol/errors.ts';

/** Before the name that is deleted; and the file that makes its directory opaque (OCI image-spec layer.md). */
export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_FILE = '.wh..wh..opq';
/** aufs keeps its own affairs under names that begin so. */
export const RESERVED_PREFIX = '.wh..wh.';

/** Before Linux 6.7 an empty file is an empty file, whatever its attributes. */
const KNOWS_WHITEOUT_ATTRIBUTES = isAtLeast(os.release(), 6, 7);

/** The kernel refuses a longer redirect (OVL_REDIRECT_MAX is 256 for those it writes; a path otherwise). */
const MAX_REDIRECT_BYTES = 4096;

/** How the marks of an overlay are written. */
export interface MarkStyle {
  /** `user.overlay.` with the mount option `userxattr`. */
  prefix: 'trusted.overlay.' | 'user.overlay.';
  /** `.wh.` files are marks: fuse-overlayfs and aufs. */
  whiteoutFiles: boolean;
  /** The mount follows redirects (not with `redirect_dir=nofollow`). */
  followsRedirects: boolean;
  /** There are data-only layers: files may lead to them whatever else is followed (Linux 6.16, with `userxattr`). */
  followsToData?: boolean;
  /** Files may have their content below (`metacopy=on`, or data-only layers): every one is to be asked. */
  metacopy: boolean;
  /** Why the attributes cannot be believed when they are not seen: `trusted.*` is hidden from those without CAP_SYS_ADMIN. */
  unknown?: Unknown;
}

export interface DirectoryMarks {
  opaque: boolean;
  /** `overlay.opaque` is `x`: an empty file in it may be a whiteout by attribute. */
  hasWhiteoutAttributes: boolean;
}

export function isDirectory(status: Pick<FileStatus, 'mode'>): boolean {
  return (status.mode & S_IFMT) === S_IFDIR;
}

export function isRegular(status: Pick<FileStatus, 'mode'>): boolean {
  return (status.mode & S_IFMT) === S_IFREG;
}

/** Undefined when it is not there, nor can be; throws the errno's number otherwise, as `AttributeUnreadable`. */
function attribute(place: AttributePlace, name: string): Buffer | undefined {
  const value = attributeOf(place, name);
  if (typeof value !== 'number') return value;
  // EPERM: `user.*` of what is no file or directory. EINVAL: a name that a file system does not take.
  if ([ENODATA, EOPNOTSUPP, EPERM, EINVAL, ENOENT].includes(-value)) return undefined;
  throw new AttributeUnreadable(value);
}

/** An attribute that decides what is seen could not be read. `result` is `-errno`. */
export class AttributeUnreadable extends Error {
  override readonly name = 'AttributeUnreadable';
  readonly result: number;

  constructor(result: number) {
    super(`an attribute cannot be read: ${result}`);
    this.result = result;
  }
}

/** Whether an open directory need be asked for its marks; most have none. */
export function mayBeMarked(style: MarkStyle, directory: number): boolean {
  return style.whiteoutFiles || mayHaveAttribute(directory, style.prefix);
}

/** Of an open directory. */
export function marksOfDirectory(style: MarkStyle, directory: number): DirectoryMarks {
  const value = opaqueValue(style, directory);
  const byFile = style.whiteoutFiles && typeof statusBelow(directory, OPAQUE_FILE) !== 'number';
  return { opaque: value === 'y' || byFile, hasWhiteoutAttributes: value === 'x' && KNOWS_WHITEOUT_ATTRIBUTES };
}

function opaqueValue(style: MarkStyle, directory: number): string | undefined {
  const place = { directory, name: '.' };
  const value = attribute(place, `${style.prefix}opaque`)?.toString('latin1');
  if (value !== undefined || !style.whiteoutFiles) return value;
  // What fuse-overlayfs may not write as the kernel does, it writes under a name of its own.
  return (attribute(place, 'user.fuseoverlayfs.opaque') ?? attribute(place, 'user.overlay.opaque'))?.toString('latin1');
}

/** A file that stands for "there is nothing of this name from here down". `.wh.` files are found by their own names. */
export function isWhiteout(
  style: MarkStyle,
  directory: number,
  name: string,
  marks: DirectoryMarks,
  status: FileStatus,
): boolean {
  if ((status.mode & S_IFMT) === S_IFCHR) return status.major === 0 && status.minor === 0;
  if (!marks.hasWhiteoutAttributes || !isRegular(status) || status.sizeBytes !== 0) return false;
  return attribute({ directory, name }, `${style.prefix}whiteout`) !== undefined;
}

/** A regular file whose content is a lower layer's. */
export function isMetacopy(style: MarkStyle, directory: number, name: string, status: FileStatus): boolean {
  if (!isRegular(status)) return false;
  // A metacopy file is one hole: without the mount option, only such a file is asked.
  if (!style.metacopy && (status.blocks !== 0 || status.sizeBytes === 0)) return false;
  return attribute({ directory, name }, `${style.prefix}metacopy`) !== undefined;
}

export interface Redirect {
  /** From the root of the layers below; else a name beside this one. */
  absolute: boolean;
  names: string[];
}

/** Where the lower part of a directory, or of a metacopy file, is; `invalid` when the kernel would refuse it. */
export function redirectOf(style: MarkStyle, place: AttributePlace): Redirect | 'invalid' | undefined {
  const value = attribute(place, `${style.prefix}redirect`)?.toString('latin1');
  return value === undefined ? undefined : parseRedirect(value);
}

/** A name, or an absolute path without empty components (ovl_get_redirect_xattr in fs/overlayfs/util.c). */
export function parseRedirect(value: string): Redirect | 'invalid' {
  const absolute = value.startsWith('/');
  const names = (absolute ? value.slice(1) : value).split('/');
  const sound = names.every((name) => name !== '' && name !== '.' && name !== '..' && !name.includes('\0'));
  if (!sound || value.length > MAX_REDIRECT_BYTES || (!absolute && names.length !== 1)) return 'invalid';
  return { absolute, names };
}

export function redirectText({ absolute, names }: Redirect): string {
  return `${absolute ? '/' : ''}${names.join('/')}`;
}
