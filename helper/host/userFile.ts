/** Users of the host by `/etc/passwd`, read again when the file has changed. For reader threads, and for the helper's start. */

import fs from 'node:fs';
import { statusOf } from '../kernel/directory.ts';
import { close, openAt } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import { openCachedInRoot } from '../kernel/openat2.ts';
import { parseHomes, parsePasswd } from '../proc/passwd.ts';

export const PASSWD = '/etc/passwd';
const MAX_BYTES = 4 * 1024 * 1024;
/** There is no such file. */
const NONE = '';

export interface Users {
  /** What tells one state of the file from another. */
  version: string;
  names: ReadonlyMap<number, string>;
  homes: ReadonlyMap<number, string>;
}

let known: Users = { version: NONE, names: new Map(), homes: new Map() };

/** As last known where the file cannot be read, or is too long. */
export function readUsers(): Users {
  const version = versionOf(openAt(AT_FDCWD, PASSWD, O_PATH));
  if (version === NONE || version === known.version) return known;
  try {
    const text = fs.readFileSync(PASSWD, 'utf8');
    known = { version, names: parsePasswd(text), homes: parseHomes(text) };
  } catch {
    // It has gone in between, or may not be read.
  }
  return known;
}

export function homeOf(uid: number): string | undefined {
  return readUsers().homes.get(uid);
}

/** Undefined when the kernel would have to ask a file system for it. */
export function cachedVersion(): string | undefined {
  const root = openAt(AT_FDCWD, '/', O_PATH);
  if (root < 0) return undefined;
  const file = openCachedInRoot(root, PASSWD, O_PATH);
  close(root);
  return file < 0 ? undefined : versionOf(file);
}

/** Of what is opened, which is closed. */
function versionOf(file: number): string {
  if (file < 0) return NONE;
  const status = statusOf(file);
  close(file);
  if (typeof status === 'number' || status.sizeBytes > MAX_BYTES) return NONE;
  const { inoHigh, inoLow, modifiedSeconds, modifiedNanos, sizeBytes } = status;
  return [status.device, inoHigh, inoLow, modifiedSeconds, modifiedNanos, sizeBytes].join();
}
