/** What confines a process's view of the file system: chroot(2), a mount namespace whose root was pivoted, or both. */

import { closing, openAt, readLinkText, readText } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import { type Mount, parseMountinfo } from '../proc/mountinfo.ts';
import type { Unknown } from '../protocol/errors.ts';
import type { RootView } from '../protocol/processes.ts';
import { type Member, tableOfNamespace, tableThrough } from './namespaceRoot.ts';
import { unreadable } from './unreadable.ts';

const MAX_FDINFO_BYTES = 4096;
/** Of the places where the host's root is mounted; a container can add as many as `fs.mount-max`. */
const MAX_PLACES = 1000;

/** Reads the view of the process; `ownMountNamespace`: it is in another one than the host's. */
export function readRootView(member: Member, ownMountNamespace: boolean): RootView | Unknown {
  // The link is a path from the root of the mount namespace, not from the root of whoever reads it, unless they share it.
  const path = readLinkText(member.directory, 'root');
  if (typeof path === 'number') return unreadable(path);
  const mounts = mountsOf(member);
  const mount = Array.isArray(mounts) ? mountOfRoot(member.directory, 'root', mounts) : undefined;
  return {
    confinement: confinementOf(path !== '/', ownMountNamespace),
    path,
    ...(mount === undefined ? {} : { mount: { type: mount.type, source: mount.source } }),
    hostRootReachableAt: Array.isArray(mounts) ? placesOfHostRoot(mounts) : mounts,
  };
}

function confinementOf(belowRoot: boolean, ownMountNamespace: boolean): RootView['confinement'] {
  if (ownMountNamespace) return belowRoot ? 'chrootInMountNamespace' : 'mountNamespace';
  return belowRoot ? 'chroot' : 'host';
}

/** All of the namespace's: a part would hide what its rest says. */
function mountsOf(member: Member): Mount[] | Unknown {
  const table = tableOfNamespace(member);
  if ('unknown' in table) return table;
  if (table.complete) return parseMountinfo(table.mountinfo);
  // As root it was not for lack of privilege: the table is too long, or the process that was to look did not get there.
  return process.geteuid?.() === 0 ? { unknown: 'kernel' } : { unknown: 'permission', errno: 'EPERM' };
}

function mountOfRoot(directory: number, path: string, mounts: Mount[]): Mount | undefined {
  const id = mountIdOf(directory, path);
  return id === undefined ? undefined : mounts.find((mount) => mount.id === id);
}

/** `mnt_id` of proc_pid_fdinfo(5), of a directory that is opened only as a place (`O_PATH`). */
function mountIdOf(directory: number, path: string): number | undefined {
  const root = openAt(directory, path, O_PATH);
  if (root < 0) return undefined;
  const text = closing(root, () => readText(AT_FDCWD, `/proc/self/fdinfo/${root}`, MAX_FDINFO_BYTES));
  const id = typeof text === 'string' ? /^mnt_id:\s*([0-9]+)$/m.exec(text)?.[1] : undefined;
  return id === undefined ? undefined : Number(id);
}

/** Where the directory that is the host's root, or one above it on its file system, is mounted. */
function placesOfHostRoot(mounts: Mount[]): string[] | Unknown {
  const own = tableThrough(AT_FDCWD, '/proc/self/');
  if (typeof own === 'number') return unreadable(own);
  const hostRoot = mountOfRoot(AT_FDCWD, '/', parseMountinfo(own.mountinfo));
  if (hostRoot === undefined) return { unknown: 'notFound' };
  const places = new Set<string>();
  for (const { device, root, mountPoint } of mounts) {
    if (device === hostRoot.device && covers(root, hostRoot.root)) places.add(mountPoint);
    if (places.size === MAX_PLACES) break;
  }
  return [...places];
}

function covers(directory: string, other: string): boolean {
  return directory === '/' || other === directory || other.startsWith(`${directory}/`);
}
