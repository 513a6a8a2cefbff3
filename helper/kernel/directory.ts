/**
 * Walking a tree that is not trusted, one component at a time below held descriptors: openat2(2), getdents64(2), statx(2),
 * readlinkat(2).
 *
 * A name is any bytes but NUL and `/`. Here it is a string with one character a byte (`latin1`), which costs a byte each, compares
 * as the bytes do and goes back to the kernel unchanged. Names that vanish and directories that may not be read happen all
 * the time, so these return `-errno` and do not throw.
 */

import { lastErrno, libcFunction } from './libc.ts';
import {
  AT_EMPTY_PATH,
  AT_NO_AUTOMOUNT,
  AT_STATX_DONT_SYNC,
  AT_SYMLINK_NOFOLLOW,
  ENAMETOOLONG,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  STATX_ATTR_MOUNT_ROOT,
  STATX_BASIC_STATS,
} from './numbers.ts';
import { OPEN_CLOEXEC, OPEN_HOW_BYTES, SYS_openat2, triedAgain } from './openat2.ts';

const openat2Call = libcFunction(
  'long syscall(long number, long directory, const uint8_t *path, const uint8_t *how, size_t size)',
);
const statxCall = libcFunction('int statx(int directory, const uint8_t *path, int flags, uint32_t mask, uint8_t *buffer)');
const getdentsCall = libcFunction('intptr_t getdents64(int descriptor, uint8_t *buffer, size_t count)');
const readlinkatCall = libcFunction('intptr_t readlinkat(int directory, const uint8_t *path, uint8_t *buffer, size_t size)');

const STATX_BYTES = 256;
/** The unit of `st_blocks`, whatever the blocks of the file system are: inode(7). */
export const SECTOR_BYTES = 512;
const MAX_PATH_BYTES = 4096;
const SHORT_BYTES = 64;
/** Of `struct linux_dirent64`. */
const TYPE_OFFSET = 18;
const NAME_OFFSET = 19;

/** Entries of one getdents64(2): about 4000. */
const listing = Buffer.allocUnsafeSlow(128 * 1024);
const path = Buffer.allocUnsafeSlow(MAX_PATH_BYTES + 1);
const status = Buffer.allocUnsafeSlow(STATX_BYTES);
const link = Buffer.allocUnsafeSlow(MAX_PATH_BYTES);
const how = Buffer.alloc(OPEN_HOW_BYTES);
/** As the kernel fills them in: both processors that this is built for are little-endian, and a view is read in a fraction of the time. */
const status16 = new Uint16Array(status.buffer);
const status32 = new Uint32Array(status.buffer);
how.writeBigUInt64LE(BigInt(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH), 16);

/** What statx(2) says of a file. */
export interface FileStatus {
  /** Type and permission bits, as `st_mode`. */
  mode: number;
  uid: number;
  gid: number;
  links: number;
  sizeBytes: number;
  /** Of `SECTOR_BYTES`. */
  blocks: number;
  modifiedSeconds: number;
  modifiedNanos: number;
  /** Of a device node. */
  major: number;
  minor: number;
  /** Device and inode number, exact as text: the same for every hard link of a file. */
  device: string;
  inoHigh: number;
  inoLow: number;
  /** Another mount is attached here: this is not what the directory itself holds. */
  covered: boolean;
}

/** What a walk over very many files asks of each. */
export type BriefStatus = Pick<FileStatus, 'mode' | 'sizeBytes' | 'blocks' | 'covered'>;

/** False when it is longer than any path of the kernel. */
function setPath(name: string): boolean {
  const { length } = name;
  if (length > MAX_PATH_BYTES) return false;
  // Most are short, and then the call into Node takes longer than the bytes do.
  if (length > SHORT_BYTES) path.write(name, 0, 'latin1');
  else for (let at = 0; at < length; at += 1) path[at] = name.charCodeAt(at);
  path[length] = 0;
  return true;
}

/**
 * Opens `name`, a name or a relative path, below a directory. It is not followed when it is a symbolic link, nor is one on the
 * way (ELOOP), nor is another mount entered (EXDEV). A close-on-exec descriptor, or `-errno`.
 */
export function openBelow(directory: number, name: string, flags: number): number {
  if (!setPath(name)) return -ENAMETOOLONG;
  how.writeBigUInt64LE(BigInt(flags) | OPEN_CLOEXEC, 0);
  return triedAgain(() => openOnce(directory));
}

function openOnce(directory: number): number {
  const descriptor = Number(openat2Call(SYS_openat2, directory, path, how, OPEN_HOW_BYTES));
  return descriptor === -1 ? -lastErrno() : descriptor;
}

/** Of `name` in a directory, itself when it is a symbolic link; or `-errno`. */
export function statusBelow(directory: number, name: string): FileStatus | number {
  if (!setPath(name)) return -ENAMETOOLONG;
  return statusAt(directory, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
}

export function statusOf(descriptor: number): FileStatus | number {
  setPath('');
  return statusAt(descriptor, AT_EMPTY_PATH | AT_NO_AUTOMOUNT);
}

/** As `statusBelow`, into an object that the next call fills anew. */
export function briefStatusBelow(directory: number, name: string): BriefStatus | number {
  if (!setPath(name)) return -ENAMETOOLONG;
  const result = askStatus(directory, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
  if (result < 0) return result;
  brief.mode = status16[14]!;
  brief.sizeBytes = natural(10);
  brief.blocks = natural(12);
  brief.covered = isMountRoot();
  return brief;
}

const brief: BriefStatus = { mode: 0, sizeBytes: 0, blocks: 0, covered: false };

/** Fills `status`: 0, or `-errno`. */
function askStatus(directory: number, flags: number): number {
  // AT_STATX_DONT_SYNC: what a file system that is served elsewhere last said will do, for it has just been asked for the name.
  return statxCall(directory, path, flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, status) === -1 ? -lastErrno() : 0;
}

/** Of `struct statx`, by the words of 32 bits that it is made of. */
function statusAt(directory: number, flags: number): FileStatus | number {
  const result = askStatus(directory, flags);
  if (result < 0) return result;
  return {
    mode: status16[14]!,
    uid: status32[5]!,
    gid: status32[6]!,
    links: status32[4]!,
    sizeBytes: natural(10),
    blocks: natural(12),
    modifiedSeconds: status32[28]! + (status32[29]! | 0) * 0x1_0000_0000,
    modifiedNanos: status32[30]!,
    major: status32[32]!,
    minor: status32[33]!,
    device: deviceText(status32[34]!, status32[35]!),
    inoHigh: status32[9]!,
    inoLow: status32[8]!,
    covered: isMountRoot(),
  };
}

function isMountRoot(): boolean {
  return (status32[2]! & STATX_ATTR_MOUNT_ROOT) !== 0;
}

/** A 64-bit number; the sizes of files stay exact up to 2^53. */
function natural(word: number): number {
  return status32[word]! + status32[word + 1]! * 0x1_0000_0000;
}

let lastMajor = -1;
let lastMinor = -1;
let lastDevice = '';

/** All files of a tree have the same one. */
function deviceText(major: number, minor: number): string {
  if (major !== lastMajor || minor !== lastMinor) {
    lastMajor = major;
    lastMinor = minor;
    lastDevice = `${major}:${minor}`;
  }
  return lastDevice;
}

/** The text of a symbolic link, a character a byte; or `-errno`. */
export function linkBelow(directory: number, name: string): string | number {
  if (!setPath(name)) return -ENAMETOOLONG;
  const length = Number(readlinkatCall(directory, path, link, link.length));
  return length === -1 ? -lastErrno() : link.toString('latin1', 0, length);
}

/** Names that are wanted: greater than `after`, and not greater than `upTo`. The rest is told apart without making strings of it. */
export interface NameRange {
  after?: Uint8Array;
  upTo?: Uint8Array;
}

/**
 * The next names in an open directory, in the order of its file system, at most about 4000, each in the range given to `take` with its `d_type`, without `.`
 * and `..`: how many entries were read when there may be more, 0 at the end, or `-errno`. `take` may narrow the range.
 */
export function nextNames(descriptor: number, range: NameRange, take: (name: string, type: number) => void): number {
  const length = Number(getdentsCall(descriptor, listing, listing.length));
  if (length <= 0) return length === -1 ? -lastErrno() : 0;
  let count = 0;
  // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name.
  for (let entry = 0; entry < length; entry += listing.readUInt16LE(entry + 16)) {
    const begin = entry + NAME_OFFSET;
    count += 1;
    if (range.upTo !== undefined && isGreater(begin, range.upTo)) continue;
    if (range.after !== undefined && !isGreater(begin, range.after)) continue;
    const name = listing.toString('latin1', begin, endOfName(entry));
    if (name !== '.' && name !== '..') take(name, listing[entry + TYPE_OFFSET]!);
  }
  return count;
}

/** Records are aligned to eight bytes, so the NUL is one of the last eight; what is behind it is left as it was. */
function endOfName(entry: number): number {
  let end = entry + Math.max(NAME_OFFSET, listing.readUInt16LE(entry + 16) - 8);
  while (listing[end] !== 0) end += 1;
  return end;
}

/** Whether the name that begins there, and ends with NUL, is greater by its bytes. */
function isGreater(begin: number, than: Uint8Array): boolean {
  for (let at = 0; at < than.length; at += 1) {
    const byte = listing[begin + at]!;
    if (byte !== than[at]!) return byte > than[at]!;
  }
  return listing[begin + than.length] !== 0;
}
