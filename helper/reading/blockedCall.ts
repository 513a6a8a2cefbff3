/**
 * The system call in which a thread of this process waits, and the file system that it asks: `/proc/self/task/TID/status` and `syscall`
 * (proc_pid_syscall(5)), which the kernel answers by itself.
 */

import fs from 'node:fs';
import { statusOf } from '../kernel/directory.ts';
import { close, identityOf, openAt, readLinkText, readText } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import { openCachedInRoot } from '../kernel/openat2.ts';
import { type Mount, parseMountinfo, SERVED } from '../proc/mountinfo.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';

const MAX_STATUS_BYTES = 8192;
const MAX_MOUNTINFO_BYTES = 8 * 1024 * 1024;
const MAX_PATH_BYTES = 4096;
/** path_resolution(7). */
const MAX_LINKS = 40;

/** How often a thread was given a processor; undefined while it has one, or waits for one. It changes whenever a call comes back. */
export function waitingSince(threadId: number): string | undefined {
  const status = readText(AT_FDCWD, `/proc/self/task/${threadId}/status`, MAX_STATUS_BYTES);
  if (typeof status === 'number' || !/^State:\t[SD]/m.test(status)) return undefined;
  return [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\t([0-9]+)$/gm)].map(([, count]) => count).join(' ');
}

/** A file system that does not answer. */
export interface BlockedFileSystem {
  /** What was asked for, as far as the kernel tells. */
  path?: string;
  /** Its device number. */
  device?: string;
}

/** What the thread asks of whom; nothing where the kernel does not tell. */
export function blockedFileSystem(threadId: number): BlockedFileSystem {
  const text = readText(AT_FDCWD, `/proc/self/task/${threadId}/syscall`, MAX_STATUS_BYTES);
  const [, first, second] = typeof text === 'string' ? text.split(' ') : [];
  if (first === undefined || second === undefined) return {};
  // Calls with a descriptor have it as the first argument, and calls with a path have that where AT_FDCWD leaves it to the path.
  const argument = BigInt.asIntN(32, BigInt(first));
  if (BigInt(first) < 0x1000_0000n) return ofDescriptor(Number(first));
  return ofPath(textAt(BigInt(argument === BigInt(AT_FDCWD) ? second : first)));
}

function ofDescriptor(descriptor: number): BlockedFileSystem {
  const path = readLinkText(AT_FDCWD, `/proc/self/fd/${descriptor}`);
  const device = deviceOf(descriptor);
  return { ...(typeof path === 'string' ? { path } : {}), ...(device === undefined ? {} : { device }) };
}

function ofPath(path: string | undefined): BlockedFileSystem {
  if (path === undefined) return {};
  const descriptor = /^\/proc\/self\/fd\/([0-9]+)/.exec(path)?.[1];
  if (descriptor !== undefined) return ofDescriptor(Number(descriptor));
  const root = openAt(AT_FDCWD, '/', O_PATH);
  if (root < 0) return { path };
  const device = deviceOnTheWay(root, path);
  close(root);
  return { path, ...(device === undefined ? {} : { device }) };
}

/** A path in this process's own memory. */
function textAt(address: bigint): string | undefined {
  const memory = openAt(AT_FDCWD, '/proc/self/mem', 0);
  if (memory < 0) return undefined;
  try {
    const bytes = Buffer.alloc(MAX_PATH_BYTES);
    const length = fs.readSync(memory, bytes, 0, bytes.length, address);
    const end = bytes.indexOf(0);
    return end < 0 || end >= length ? undefined : bytes.toString('utf8', 0, end);
  } catch {
    // The call has ended, and what it was given is no more.
    return undefined;
  } finally {
    close(memory);
  }
}

/** Device number of an open file, as mountinfo has it: `0:52`. Waits for no file system. */
export function deviceOf(descriptor: number): string | undefined {
  const identity = identityOf(descriptor);
  return typeof identity === 'string' ? identity.slice(0, identity.lastIndexOf(':')) : undefined;
}

/**
 * The device number of the file system that answers for a path inside `root`: of the deepest directory on the way that the kernel knows by itself, which
 * of a file system that was never asked anything is the place where it is mounted. Waits for none.
 */
export function deviceOnTheWay(root: number, path: string): string | undefined {
  const names = path.split('/').filter((name) => name !== '');
  for (let count = names.length; count >= 0; count -= 1) {
    const descriptor = openCachedInRoot(root, names.slice(0, count).join('/') || '.', O_PATH);
    if (descriptor < 0) continue;
    const device = deviceOf(descriptor);
    close(descriptor);
    return device;
  }
  return undefined;
}

/**
 * `deviceOnTheWay` of where symbolic links lead, those on file systems that somebody else answers for left out: their texts would have to be asked for. `path` is
 * absolute.
 */
export function deviceBehindLinks(root: number, path: string): string | undefined {
  let pending = path.split('/');
  let reached: string[] = [];
  for (let links = 0; pending.length > 0 && links <= MAX_LINKS; ) {
    const name = pending.shift()!;
    if (name === '..') reached.pop();
    if (['', '.', '..'].includes(name)) continue;
    const target = targetOf(root, [...reached, name].join('/'));
    if (target === undefined) reached.push(name);
    else {
      links += 1;
      if (target.startsWith('/')) reached = [];
      pending = [...target.split('/'), ...pending];
    }
  }
  return deviceOnTheWay(root, reached.join('/'));
}

/** Undefined for what is no link, or not one that may be read. */
function targetOf(root: number, path: string): string | undefined {
  const descriptor = openCachedInRoot(root, path, O_PATH | fs.constants.O_NOFOLLOW);
  if (descriptor < 0) return undefined;
  try {
    const status = statusOf(descriptor);
    if (typeof status === 'number' || (status.mode & fs.constants.S_IFMT) !== fs.constants.S_IFLNK) return undefined;
    const device = deviceOf(descriptor);
    const mount = device === undefined ? undefined : mountOf(device);
    const target = mount === undefined || SERVED.test(mount.type) ? undefined : readLinkText(descriptor, '');
    return typeof target === 'string' ? target : undefined;
  } finally {
    close(descriptor);
  }
}

function mountOf(device: string): Mount | undefined {
  const text = readText(AT_FDCWD, '/proc/self/mountinfo', MAX_MOUNTINFO_BYTES);
  return typeof text === 'string' ? parseMountinfo(text).find((one) => one.device === device) : undefined;
}

/** For people: `fuse.sshfs at /mnt/far (0:52)`, as far as it is mounted here. */
export function fileSystemName(device: string): Said {
  const mount = mountOf(device);
  return mount === undefined ? said('deviceNumbered', device) : said('mountedAt', mount.type, mount.mountPoint, device);
}
