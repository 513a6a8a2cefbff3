/**
 * Reading many small kernel files at the least cost: openat(2), read(2), readlinkat(2), getdents64(2) and statx(2) relative
 * to a held directory, into buffers that are allocated once.
 *
 * `/proc/PID` of a process that ends answers ENOENT or ESRCH, one that may not be examined EACCES, and both happen
 * thousands of times in one scan: so these return `-errno`, as the kernel itself does, and do not throw.
 */

import fs from 'node:fs';
import { checked, lastErrno, libcFunction, openedOr, SyscallError } from './libc.ts';
import {
  AT_EMPTY_PATH,
  AT_STATX_DONT_SYNC,
  AT_SYMLINK_NOFOLLOW,
  DT_DIR,
  F_DUPFD_CLOEXEC,
  O_CLOEXEC,
  O_PATH,
  STATX_INO,
  STATX_NLINK,
  STATX_SIZE,
  STATX_UID,
} from './numbers.ts';

const openatCall = libcFunction('int openat(int directory, const char *path, int flags)');
const readCall = libcFunction('intptr_t read(int descriptor, void *buffer, size_t count)');
const preadCall = libcFunction('intptr_t pread(int descriptor, void *buffer, size_t count, int64_t offset)');
const fcntlCall = libcFunction('int fcntl(int descriptor, int command, int argument)');
const closeCall = libcFunction('int close(int descriptor)');
const readlinkatCall = libcFunction('intptr_t readlinkat(int directory, const char *path, void *buffer, size_t size)');
const statxCall = libcFunction('int statx(int directory, const char *path, int flags, uint32_t mask, void *buffer)');
const getdentsCall = libcFunction('intptr_t getdents64(int descriptor, void *buffer, size_t count)');

/** The same number on every architecture that Node runs on. */
export const O_DIRECTORY = fs.constants.O_DIRECTORY;

/** Shared by every function here; what they return is copied out of it before the next call. */
const buffer = Buffer.alloc(64 * 1024);
const statBuffer = Buffer.alloc(256);

/** A descriptor (`O_CLOEXEC`), or `-errno`; throws a `SyscallError` for want of descriptors or memory. A path that is not UTF-8 is given as its bytes, with the final NUL. */
export function openAt(directory: number, path: string | Buffer, flags: number): number {
  return openedOr('openat', openatCall(directory, path, flags | O_CLOEXEC));
}

/** Another descriptor of the same open file (`F_DUPFD_CLOEXEC`). Throws a `SyscallError`. */
export function duplicate(descriptor: number): number {
  return checked('fcntl', fcntlCall(descriptor, F_DUPFD_CLOEXEC, 0));
}

export function close(descriptor: number): void {
  closeCall(descriptor);
}

/** Uses a descriptor, and closes it however that ends. */
export function closing<T>(descriptor: number, use: (descriptor: number) => T): T {
  try {
    return use(descriptor);
  } finally {
    closeCall(descriptor);
  }
}

/** A descriptor of each, or none is left open: what `open` throws is thrown on. */
export function openEach<T>(all: readonly T[], open: (one: T) => number): number[] {
  const opened: number[] = [];
  try {
    for (const one of all) opened.push(open(one));
    return opened;
  } catch (error) {
    for (const descriptor of opened) close(descriptor);
    throw error;
  }
}

/** The directory of a process, to read below; `-errno` when there is none. It stays that process's when the pid is reused. */
export function openDirectory(directory: number, path: string): number {
  return openAt(directory, path, O_PATH | O_DIRECTORY);
}

/**
 * The file's bytes, at most `limit` of them, or `-errno`. Reads once when the file fits, for one read(2) of a proc file is
 * consistent in itself and two are not. The bytes are valid until the next call.
 */
export function readBytes(directory: number, path: string, limit = buffer.length): Buffer | number {
  const descriptor = openAt(directory, path, 0);
  if (descriptor < 0) return descriptor;
  const length = readCall(descriptor, buffer, Math.min(limit, buffer.length));
  const result = length === -1 ? -lastErrno() : buffer.subarray(0, Number(length));
  closeCall(descriptor);
  return result;
}

/** The bytes of a file that stays open, from its start, as `readBytes` gives them. */
export function readAgain(descriptor: number): Buffer | number {
  const length = preadCall(descriptor, buffer, buffer.length, 0);
  return length === -1 ? -lastErrno() : buffer.subarray(0, Number(length));
}

/** Reads a file that may be longer than one buffer, such as mountinfo, up to `limit` bytes; as UTF-8, or `-errno`. */
export function readText(directory: number, path: string, limit: number): string | number {
  const descriptor = openAt(directory, path, 0);
  if (descriptor < 0) return descriptor;
  const chunks: Buffer[] = [];
  let total = 0;
  let failure = 0;
  while (total < limit) {
    const length = Number(readCall(descriptor, buffer, Math.min(buffer.length, limit - total)));
    if (length === -1) failure = -lastErrno();
    if (length <= 0) break;
    chunks.push(Buffer.from(buffer.subarray(0, length)));
    total += length;
  }
  closeCall(descriptor);
  return failure < 0 ? failure : Buffer.concat(chunks).toString('utf8');
}

/** The text of a symbolic link in the shared buffer: its length, or `-errno`. See `linkBytes`. */
export function readLink(directory: number, path: string): number {
  const length = Number(readlinkatCall(directory, path, buffer, 4096));
  return length === -1 ? -lastErrno() : length;
}

/** The bytes that the last `readLink` found. */
export const linkBytes: Buffer = buffer;

/** The text of a symbolic link, or `-errno`. */
export function readLinkText(directory: number, path: string): string | number {
  const length = readLink(directory, path);
  return length < 0 ? length : buffer.toString('utf8', 0, length);
}

/**
 * The number in a namespace's link, `net:[4026531840]`, or `-errno`. This is the innermost loop of a scan: it makes no string.
 */
export function readNamespaceLink(directory: number, path: string): number {
  const length = readLink(directory, path);
  if (length < 0) return length;
  let ino = 0;
  for (let at = buffer.indexOf(0x5b) + 1; at < length - 1; at += 1) ino = ino * 10 + buffer[at]! - 0x30;
  return ino;
}

/** Owner of an open file: for `/proc/PID` itself the effective uid, even of a process that is not dumpable. Waits for no file system. */
export function ownerOf(descriptor: number): number {
  // AT_STATX_DONT_SYNC: what a file system that is served elsewhere last said will do: nobody is asked.
  if (statxCall(descriptor, '', AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_UID, statBuffer) === -1) return -lastErrno();
  return statBuffer.readUInt32LE(20);
}

/** Device and inode number of an open file as text, exact; or `-errno`. Waits for no file system. */
export function identityOf(descriptor: number): string | number {
  if (statxCall(descriptor, '', AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, statBuffer) === -1) return -lastErrno();
  return `${statBuffer.readUInt32LE(136)}:${statBuffer.readUInt32LE(140)}:${statBuffer.readBigUInt64LE(32)}`;
}

/** Inode number of an open file, or `-errno`. Waits for no file system. */
export function inodeOf(descriptor: number): number {
  if (statxCall(descriptor, '', AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, statBuffer) === -1) return -lastErrno();
  return Number(statBuffer.readBigUInt64LE(32));
}

/** Size of a file, or `-errno`. */
export function sizeOf(directory: number, path: string): number {
  if (statxCall(directory, path, 0, STATX_SIZE, statBuffer) === -1) return -lastErrno();
  return Number(statBuffer.readBigUInt64LE(40));
}

export interface DirectoryStatus {
  ino: number;
  uid: number;
  /** Its own two, and one for each directory in it, where the file system counts those (cgroupfs does). */
  links: number;
}

/** Of a directory or what else has that name, a link not followed; `-errno`. */
export function directoryStatus(directory: number, path: string): DirectoryStatus | number {
  const wanted = STATX_INO | STATX_UID | STATX_NLINK;
  const flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
  if (statxCall(directory, path, flags, wanted, statBuffer) === -1) return -lastErrno();
  return { links: statBuffer.readUInt32LE(16), uid: statBuffer.readUInt32LE(20), ino: Number(statBuffer.readBigUInt64LE(32)) };
}

const NEWLINE = 0x0a;
const DIGIT_ZERO = 0x30;
/** A list that the kernel makes line by line is given a page at a time: what is this much shorter than one was all. */
const SHORT_BYTES = 2048;

/** How many lines a file has, however long it is, or `-errno`. */
export function countLines(directory: number, path: string): number {
  const descriptor = openAt(directory, path, 0);
  if (descriptor < 0) return descriptor;
  let lines = 0;
  let length: number;
  do {
    length = Number(readCall(descriptor, buffer, buffer.length));
    if (length === -1) lines = -lastErrno();
    for (let at = 0; at < length; at += 1) if (buffer[at] === NEWLINE) lines += 1;
  } while (length >= SHORT_BYTES);
  closeCall(descriptor);
  return lines;
}

/** The numbers of a file that has one a line, as `cgroup.procs`, or `-errno`. */
export function readNumberLines(directory: number, path: string): number[] | number {
  const descriptor = openAt(directory, path, 0);
  if (descriptor < 0) return descriptor;
  const numbers: number[] = [];
  let errno = 0;
  let number = 0;
  let length: number;
  do {
    length = Number(readCall(descriptor, buffer, buffer.length));
    if (length === -1) errno = lastErrno();
    for (let at = 0; at < length; at += 1) {
      const byte = buffer[at]!;
      if (byte !== NEWLINE) number = number * 10 + byte - DIGIT_ZERO;
      else {
        numbers.push(number);
        number = 0;
      }
    }
  } while (length >= SHORT_BYTES);
  closeCall(descriptor);
  return errno === 0 ? numbers : -errno;
}

/** Names in a directory whose names are all numbers, `.` and `..` left out, or `-errno`. */
export function readNumbers(directory: number, path: string): number[] | number {
  return readEntries(directory, path, collectNumbers);
}

/** What `collect` takes from every piece of the directory that the kernel gives, in `buffer`; or `-errno`. */
function readEntries<T>(directory: number, path: string, collect: (length: number, into: T[]) => void): T[] | number {
  const descriptor = openAt(directory, path, O_DIRECTORY);
  if (descriptor < 0) return descriptor;
  const entries: T[] = [];
  let result: T[] | number = entries;
  for (;;) {
    const length = Number(getdentsCall(descriptor, buffer, buffer.length));
    if (length === -1) result = -lastErrno();
    if (length <= 0) break;
    collect(length, entries);
  }
  closeCall(descriptor);
  return result;
}

/** struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name. Names that are not numbers (`self`, `sys`) are skipped. */
function collectNumbers(length: number, numbers: number[]): void {
  for (let entry = 0; entry < length; entry += buffer.readUInt16LE(entry + 16)) {
    let number = 0;
    let at = entry + 19;
    let byte = buffer[at]!;
    while (byte >= 0x30 && byte <= 0x39) {
      number = number * 10 + byte - 0x30;
      at += 1;
      byte = buffer[at]!;
    }
    if (byte === 0 && at > entry + 19) numbers.push(number);
  }
}

/** The error that a negative result stands for. */
export function errorOf(result: number, syscall: string, path: string): SyscallError {
  return new SyscallError(syscall, -result, path);
}

/** An entry of a directory. The name is its bytes, which need not be UTF-8. */
export interface NameEntry {
  name: Buffer;
  ino: number;
  isDirectory: boolean;
}

/** Every entry of a directory whose file system tells their types (cgroupfs does), `.` and `..` left out, or `-errno`. */
export function readNames(directory: number, path: string): NameEntry[] | number {
  return readEntries(directory, path, collectNames);
}

function collectNames(length: number, entries: NameEntry[]): void {
  for (let entry = 0; entry < length; entry += buffer.readUInt16LE(entry + 16)) {
    const name = Buffer.from(buffer.subarray(entry + 19, buffer.indexOf(0, entry + 19)));
    if (name.length <= 2 && (name.equals(DOT) || name.equals(DOT_DOT))) continue;
    entries.push({ name, ino: Number(buffer.readBigUInt64LE(entry)), isDirectory: buffer[entry + 18] === DT_DIR });
  }
}

const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');
