/** User names and home directories of the host, from `/etc/passwd`; read again when the file changes. */
import fs from 'node:fs';
import { parseHomes, parsePasswd } from '../proc/passwd.ts';

const PASSWD = '/etc/passwd';
const MAX_BYTES = 4 * 1024 * 1024;

let readAt = { mtimeMs: -1, names: new Map<number, string>(), homes: new Map<number, string>() };

function current(): typeof readAt {
  const stat = fs.statSync(PASSWD, { throwIfNoEntry: false });
  if (stat !== undefined && stat.mtimeMs !== readAt.mtimeMs && stat.size <= MAX_BYTES) {
    const text = fs.readFileSync(PASSWD, 'utf8');
    readAt = { mtimeMs: stat.mtimeMs, names: parsePasswd(text), homes: parseHomes(text) };
  }
  return readAt;
}

/** The name, or the number itself for a uid without one (such as those of a rootless container). */
export function userName(uid: number): string {
  return current().names.get(uid) ?? String(uid);
}

/** Names for many processes at once, with one look at the file. */
export function userNames(): (uid: number) => string {
  const { names } = current();
  return (uid) => names.get(uid) ?? String(uid);
}

export function homeOf(uid: number): string | undefined {
  return current().homes.get(uid);
}
