/**
 * A mount namespace as somebody at its root sees it. `/proc/PID/mountinfo` leaves out what is not below the root of that process
 * (show_mountinfo() in fs/proc_namespace.c), so through one that chroot(2) confines most of the namespace's mounts are invisible,
 * and still there: setns(2) puts whoever joins at the namespace's root.
 */

import {
  close,
  closing,
  O_DIRECTORY,
  openAt,
  openDirectory,
  readLinkText,
  readNamespaceLink,
  readText,
} from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import type { Unknown } from '../protocol/errors.ts';
import { ownNamespaces } from './hostNamespaces.ts';
import { visitMountNamespaces } from './mountNamespaceVisit.ts';
import type { IndexedNamespace, NamespaceIndex } from './namespaceIndex.ts';
import { openFirst, type Place } from './places.ts';
import { unreadable } from './unreadable.ts';

/** 100,000 mounts, the kernel's default limit (fs.mount-max), take about 20 MB. */
const MAX_MOUNTINFO_BYTES = 32 * 1024 * 1024;
/** Processes of a mount namespace that are asked, until one is at its root. */
const MAX_ATTEMPTS = 8;

const OWN = ownNamespaces().mnt?.ino;

/** The mounts of a namespace. */
export interface NamespaceTable {
  mountinfo: string;
  /** False: only those below the root of the process that it was read through, with paths that begin there. */
  complete: boolean;
}

/** A namespace's root directory, held open: where the paths of its mount table begin. */
export interface NamespaceRoot extends Disposable {
  /** `O_PATH` descriptor. */
  readonly root: number;
  /** The mount table as it reads from there, now. */
  mountinfo(): string;
}

/** What leads to the mount namespaces of this host. */
export interface MountNamespaces {
  readonly index: NamespaceIndex;
  readonly mounts: { allPlacesOf(ino: number): Iterable<Place> };
}

/** The processes, then the single threads, that are in a mount namespace. */
export function* readers({ members, pins }: IndexedNamespace): Generator<{ pid: number; prefix: string }> {
  for (const pid of members.keys()) yield { pid, prefix: '' };
  for (const [pid, own] of pins) for (const pin of own) if (pin.by === 'thread') yield { pid, prefix: `task/${pin.tid}/` };
}

/** The table as a process or thread sees it, by its held directory in `/proc` and the `prefix` below it; or `-errno`. */
export function tableThrough(directory: number, prefix = ''): NamespaceTable | number {
  const mountinfo = readText(directory, `${prefix}mountinfo`, MAX_MOUNTINFO_BYTES);
  if (typeof mountinfo === 'number') return mountinfo;
  const isWhole = mountinfo.length < MAX_MOUNTINFO_BYTES;
  return { mountinfo, complete: isWhole && readLinkText(directory, `${prefix}root`) === '/' && hasRoot(mountinfo) };
}

/** The path of a root on a mount that was detached since is `/` too; none of the namespace's mounts is below it. */
function hasRoot(mountinfo: string): boolean {
  return /^\d+ \d+ \S+ \S+ \/ /m.test(mountinfo);
}

/** The table through whoever sees most of it; undefined when nobody who can be asked is in there. */
export function tableAmongMembers(namespace: IndexedNamespace): NamespaceTable | undefined {
  let part: NamespaceTable | undefined;
  let attempts = 0;
  for (const { pid, prefix } of readers(namespace)) {
    const table = tableThrough(AT_FDCWD, `/proc/${pid}/${prefix}`);
    if (typeof table !== 'number') {
      if (table.complete) return table;
      part ??= table;
    }
    attempts += 1;
    if (attempts === MAX_ATTEMPTS) break;
  }
  return part;
}

/** One process in a mount namespace. */
export interface Member {
  /** Its directory in `/proc`, held open. */
  directory: number;
  mountNamespace: number;
  /** Others that are known to be in the same one. */
  others?: IndexedNamespace | undefined;
}

/**
 * The whole table of a process's mount namespace, be its root where it may: through the process, another one there, or a process of
 * ours that joins. When that fails, what the process itself is shown, or why not even that.
 */
export function tableOfNamespace({ directory, mountNamespace, others }: Member): NamespaceTable | Unknown {
  const own = tableThrough(directory);
  if (typeof own !== 'number' && own.complete) return own;
  const host = mountNamespace === OWN ? tableThrough(AT_FDCWD, '/proc/self/') : undefined;
  if (typeof host === 'object' && host.complete) return host;
  const table = others && tableAmongMembers(others);
  if (table?.complete) return table;
  const visited = tableByVisit(directory);
  if (visited !== undefined) return { mountinfo: visited, complete: true };
  return typeof own === 'number' ? unreadable(own) : own;
}

function tableByVisit(directory: number): string | undefined {
  const descriptor = openAt(directory, 'ns/mnt', 0);
  if (descriptor < 0) return undefined;
  const [visited] = closing(descriptor, () => visitMountNamespaces([{ descriptor }]));
  return visited?.mountinfo;
}

/** Undefined when nothing that this user may look at leads to the namespace. */
export function openNamespaceRoot(ino: number, ways: MountNamespaces): NamespaceRoot | undefined {
  let part: NamespaceRoot | undefined;
  let attempts = 0;
  for (const path of pathsInto(ino, ways.index)) {
    const found = openOr(part, () => openRootOf(path, ino));
    if (found?.complete === true) {
      part?.[Symbol.dispose]();
      return found;
    }
    if (part === undefined) part = found;
    else found?.[Symbol.dispose]();
    attempts += 1;
    if (attempts === MAX_ATTEMPTS) break;
  }
  const visited = openOr(part, () => openRootByVisit(ino, ways));
  if (visited === undefined) return part;
  part?.[Symbol.dispose]();
  return visited;
}

/** Gives back what was found before when the next cannot be opened. */
function openOr<T>(before: NamespaceRoot | undefined, open: () => T): T {
  try {
    return open();
  } catch (error) {
    before?.[Symbol.dispose]();
    throw error;
  }
}

function* pathsInto(ino: number, index: NamespaceIndex): Generator<string> {
  if (ino === OWN) yield '/proc/self/';
  const namespace = index.get(ino);
  if (namespace === undefined) return;
  for (const { pid, prefix } of readers(namespace)) yield `/proc/${pid}/${prefix}`;
}

/** Of a process or thread, when it is in that mount namespace still. */
function openRootOf(path: string, ino: number): (NamespaceRoot & { complete: boolean }) | undefined {
  const directory = openDirectory(AT_FDCWD, path);
  if (directory < 0) return undefined;
  let root = -1;
  try {
    if (readNamespaceLink(directory, 'ns/mnt') === ino) root = openAt(directory, 'root', O_PATH | O_DIRECTORY);
  } catch (error) {
    close(directory);
    throw error;
  }
  const complete = readLinkText(directory, 'root') === '/';
  // Looked at again: of a process that moved elsewhere in between, it may be the root of its new namespace.
  if (root < 0 || readNamespaceLink(directory, 'ns/mnt') !== ino) {
    if (root >= 0) close(root);
    close(directory);
    return undefined;
  }
  return {
    root,
    complete,
    mountinfo: () => textOf(readText(directory, 'mountinfo', MAX_MOUNTINFO_BYTES)),
    [Symbol.dispose]: () => {
      close(root);
      close(directory);
    },
  };
}

/** A mount namespace whose root no process is at. */
function openRootByVisit(ino: number, { mounts }: MountNamespaces): NamespaceRoot | undefined {
  const descriptor = openFirst(mounts.allPlacesOf(ino), ino);
  if (descriptor === undefined) return undefined;
  const [visited] = closing(descriptor, () => visitMountNamespaces([{ descriptor, open: '/' }]));
  const root = visited?.opened;
  if (root === undefined) return undefined;
  return { root, mountinfo: () => visited?.mountinfo ?? '', [Symbol.dispose]: () => close(root) };
}

function textOf(result: string | number): string {
  return typeof result === 'string' ? result : '';
}
