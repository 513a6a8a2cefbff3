/** User names of the host: read at the helper's start, and again by a reader thread when `/etc/passwd` has changed. */
import type { JobTable } from '../reading/answering.ts';
import { job } from '../reading/job.ts';
import { readers } from '../reading/readers.ts';
import { cachedVersion, PASSWD, readUsers, type Users } from './userFile.ts';

const ReadUsers = job<Record<string, never>, Users>('readUsers');

let known: Users | undefined;

function current(): Users {
  known ??= readUsers();
  return known;
}

/** Names as they are now; those last known when the file does not answer. */
export async function refreshUsers(): Promise<void> {
  if (cachedVersion() === current().version) return;
  try {
    known = await readers.ask(ReadUsers, () => ({ params: {}, paths: [PASSWD] }));
  } catch {
    // The log has which file system it is.
  }
}

export function answerUsers(jobs: JobTable): void {
  jobs.on(ReadUsers, () => readUsers());
}

/** The name, or the number itself for a uid without one (such as those of a rootless container). */
export function userName(uid: number): string {
  return userNames()(uid);
}

/** Names for many processes at once. */
export function userNames(): (uid: number) => string {
  const { names } = current();
  return (uid) => names.get(uid) ?? String(uid);
}
