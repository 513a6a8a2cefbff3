/** The root directory of a mount namespace, held open: where the paths of its mount table begin. */
import {
  AT_FDCWD,
  close,
  O_DIRECTORY,
  O_PATH,
  openAt,
  openDirectory,
  readLinkText,
  readNamespaceLink,
  readText,
} from '../../kernel/files.ts';
import { ownNamespaces } from '../hostNamespaces.ts';
import { visitMountNamespaces } from '../mountNamespaceVisit.ts';
import { type MountPins, openFirst, readers } from '../mountPins.ts';
import type { NamespaceIndex } from '../namespaceIndex.ts';

const MAX_MOUNTINFO_BYTES = 32 * 1024 * 1024;
/** Processes of a mount namespace that are asked, until one is not in a chroot. */
const MAX_ATTEMPTS = 8;

const OWN = ownNamespaces().mnt?.ino;

export interface NamespaceRoot extends Disposable {
  /** `O_PATH` descriptor. */
  readonly root: number;
  /** The mount table as it reads from there, now. */
  mountinfo(): string;
}

/** What leads to the mount namespaces of this host. */
export interface MountNamespaces {
  readonly index: NamespaceIndex;
  readonly mounts: MountPins;
}

/** Undefined when nothing that this user may look at leads to the namespace. */
export function openNamespaceRoot(ino: number, { index, mounts }: MountNamespaces): NamespaceRoot | undefined {
  let chrooted: NamespaceRoot | undefined;
  let attempts = 0;
  for (const path of pathsInto(ino, index)) {
    const found = openRootOf(path, ino);
    if (found?.complete === true) {
      chrooted?.[Symbol.dispose]();
      return found;
    }
    if (chrooted === undefined) chrooted = found;
    else found?.[Symbol.dispose]();
    attempts += 1;
    if (attempts === MAX_ATTEMPTS) break;
  }
  return chrooted ?? openRootByVisit(ino, mounts);
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
  const root = readNamespaceLink(directory, 'ns/mnt') === ino ? openAt(directory, 'root', O_PATH | O_DIRECTORY) : -1;
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

/** A mount namespace that no process is in. */
function openRootByVisit(ino: number, mounts: MountPins): NamespaceRoot | undefined {
  const descriptor = openFirst(mounts.allPlacesOf(ino), ino);
  if (descriptor === undefined) return undefined;
  const [visited] = visitMountNamespaces([{ descriptor, open: '/' }]);
  close(descriptor);
  const root = visited?.opened;
  if (root === undefined) return undefined;
  return { root, mountinfo: () => visited?.mountinfo ?? '', [Symbol.dispose]: () => close(root) };
}

function textOf(result: string | number): string {
  return typeof result === 'string' ? result : '';
}
