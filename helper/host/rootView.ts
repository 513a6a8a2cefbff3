/** What confines a process's view of the file system: chroot(2), a mount namespace whose root was pivoted, or both. */
import { AT_FDCWD, close, O_PATH, openAt, readLinkText, readText } from '../kernel/files.ts';
import { type Mount, parseMountinfo } from '../proc/mountinfo.ts';
import type { RootView, Unknown } from '../protocol.ts';
import { unreadable } from './unreadable.ts';

const MAX_MOUNTINFO_BYTES = 32 * 1024 * 1024;
const MAX_FDINFO_BYTES = 4096;
/** Of the places where the host's root is mounted; a container can add as many as `fs.mount-max`. */
const MAX_PLACES = 1000;
/** Processes of the same mount namespace that are asked for a mount which the process itself is not shown. */
const MAX_PEERS = 16;

/**
 * Reads the view of the process whose `/proc/PID` is held as `directory`. `peers` are other processes in its mount
 * namespace: proc_pid_mountinfo(5) leaves out what is not below the reader's root, so a process whose root is a mere
 * directory is not shown the mount that it stands on.
 */
export function readRootView(directory: number, ownMountNamespace: boolean, peers: Iterable<number>): RootView | Unknown {
  // The link is a path from the root of the mount namespace, not from the root of whoever reads it, unless they share it.
  const path = readLinkText(directory, 'root');
  if (typeof path === 'number') return unreadable(path);
  const mounts = readMounts(directory, 'mountinfo');
  const mount = mountOfRoot(directory, 'root', mounts, peers);
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

function readMounts(directory: number, path: string): Mount[] | Unknown {
  const text = readText(directory, path, MAX_MOUNTINFO_BYTES);
  if (typeof text === 'number') return unreadable(text);
  // A table that was cut off would hide what its rest says.
  if (text.length >= MAX_MOUNTINFO_BYTES) return { unknown: 'kernel', errno: 'EFBIG' };
  return parseMountinfo(text);
}

function mountOfRoot(directory: number, path: string, mounts: Mount[] | Unknown, peers: Iterable<number>): Mount | undefined {
  const id = mountIdOf(directory, path);
  if (id === undefined) return undefined;
  const find = (table: Mount[] | Unknown) => (Array.isArray(table) ? table.find((mount) => mount.id === id) : undefined);
  const shown = find(mounts) ?? find(readMounts(AT_FDCWD, '/proc/self/mountinfo'));
  if (shown !== undefined) return shown;
  let asked = 0;
  for (const pid of peers) {
    // Mount ids are unique on the host while the mount lives, so a peer that moved elsewhere cannot mislead.
    const mount = find(readMounts(AT_FDCWD, `/proc/${pid}/mountinfo`));
    asked += 1;
    if (mount !== undefined || asked === MAX_PEERS) return mount;
  }
  return undefined;
}

/** `mnt_id` of proc_pid_fdinfo(5), of a directory that is opened only as a place (`O_PATH`). */
function mountIdOf(directory: number, path: string): number | undefined {
  const root = openAt(directory, path, O_PATH);
  if (root < 0) return undefined;
  const text = readText(AT_FDCWD, `/proc/self/fdinfo/${root}`, MAX_FDINFO_BYTES);
  close(root);
  const id = typeof text === 'string' ? /^mnt_id:\s*([0-9]+)$/m.exec(text)?.[1] : undefined;
  return id === undefined ? undefined : Number(id);
}

/** Where the directory that is the host's root, or one above it on its file system, is mounted. */
function placesOfHostRoot(mounts: Mount[]): string[] | Unknown {
  const own = readMounts(AT_FDCWD, '/proc/self/mountinfo');
  if (!Array.isArray(own)) return own;
  const hostRoot = mountOfRoot(AT_FDCWD, '/', own, []);
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
