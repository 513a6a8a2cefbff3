/** Unix sockets of the host that a program in a sandbox can connect to. That a mount is read-only does not keep from it (unix(7)). */
import fs from 'node:fs';
import path from 'node:path';
import { parseUnixSockets } from '../../proc/unixSockets.ts';
import { realIfThere, statOf } from '../hostFiles/hostMounts.ts';
import { isWithin } from '../hostFiles/within.ts';
import type { PlannedMount } from './plannedMounts.ts';

/** Of the host, and where it is inside. */
export interface SeenPath {
  path: string;
  destination: string;
  /** Undefined for the root. */
  mount?: PlannedMount;
}

/** As whom the program runs on the host; an unknown one may be anybody. */
export interface HostUser {
  uid: number | undefined;
  gid: number;
}

/** Real paths of those that something listens on by now, and that are not covered inside; and in which directories none can be looked at. */
export function reachedSockets(
  seen: readonly SeenPath[],
  mounts: readonly PlannedMount[],
  user: HostUser,
  isDeaf: (path: string) => boolean,
): { sockets: string[]; unanswered: string[] } {
  if (seen.length === 0) return { sockets: [], unanswered: [] };
  const isReached = (socket: string) =>
    seen.some(({ path: source, destination, mount }) => {
      if (!isWithin(socket, source)) return false;
      return coverOf(path.join(destination, path.relative(source, socket)), mounts) === mount;
    });
  // Of this thread: the main one is in other net namespaces at times.
  const named = parseUnixSockets(fs.readFileSync('/proc/thread-self/net/unix', 'utf8'));
  const folders = new Map<string, string | undefined>();
  const unanswered = [...new Set(named.map((socket) => path.dirname(socket)))].filter(isDeaf);
  for (const folder of unanswered) folders.set(folder, undefined);
  const real = named.map((socket) => realIn(socket, folders)).filter((socket) => socket !== undefined);
  const sockets = [...new Set(real)].filter((socket) => isReached(socket) && mayConnect(socket, user)).toSorted();
  return { sockets, unanswered: unanswered.filter((folder) => seen.some(({ path: source }) => isWithin(folder, source))) };
}

/** What is mounted last of that which a path inside lies on. */
export function coverOf(inside: string, mounts: readonly PlannedMount[]): PlannedMount | undefined {
  return mounts.findLast(({ what, place }) => what !== 'symlink' && isWithin(inside, `/${place.parts.join('/')}`));
}

/** Most sockets share their folder with others. */
function realIn(socket: string, folders: Map<string, string | undefined>): string | undefined {
  const folder = path.dirname(socket);
  if (!folders.has(folder)) folders.set(folder, realIfThere(folder));
  const real = folders.get(folder);
  return real === undefined ? undefined : path.join(real, path.basename(socket));
}

/** Connecting needs the permission to write. Root without capabilities is a user like others. */
function mayConnect(socket: string, { uid, gid }: HostUser): boolean {
  const stat = statOf(socket);
  if (stat?.isSocket() !== true) return false;
  if (uid === undefined) return true;
  const shift = stat.uid === uid ? 6 : stat.gid === gid ? 3 : 0;
  return ((stat.mode >> shift) & 0o2) !== 0;
}
