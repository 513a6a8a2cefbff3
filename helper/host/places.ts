/** Where a namespace can be opened: the files that lead to it, and how to open one without being led elsewhere. */

import { closing, O_DIRECTORY, openAt, openDirectory } from '../kernel/files.ts';
import { AT_FDCWD, ENOENT, O_PATH } from '../kernel/numbers.ts';
import { openMountPoint } from '../kernel/openat2.ts';
import type { Pin } from '../protocol/namespaces.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import type { IndexedNamespace } from './namespaceIndex.ts';
import { isNamespace } from './nsfsFile.ts';
import { openNamespaceBySocket } from './socketCopies.ts';

/** A file below `/proc/PID`: `ns/net`, `task/7/ns/net`, `ns/pid_for_children`, `fd/7`, or `root/run/netns/blue`. */
interface FilePlace {
  pid: number;
  path: string;
}

/** A descriptor that leads to its net namespace only when it is asked: of a socket, or of the tun device. */
interface SocketOfProcess {
  socket: { process: ProcessRef; descriptor: number };
}

export type Place = FilePlace | SocketOfProcess;

/**
 * Opens the namespace that `place` leads to, when it is the expected one: a descriptor for setns(2) and ioctl_ns(2), or
 * `-errno`, `-ENOENT` when another one is found there by now.
 */
export function openPlace(place: Place, ino: number): number {
  if ('socket' in place) return openNamespaceBySocket(place.socket, ino);
  const { pid, path } = place;
  const directory = openDirectory(AT_FDCWD, `/proc/${pid}`);
  if (directory < 0) return directory;
  const found = closing(directory, () => openBelow(directory, path));
  if (found < 0) return found;
  return reopenNamespace(found, ino);
}

/** `O_PATH` opens nothing: what is found is looked at first, and a FIFO or device in a container's mount point stays untouched. */
function openBelow(directory: number, path: string): number {
  const [, prefix, inside] = /^(.*?root)(\/.*)$/.exec(path) ?? [];
  if (prefix === undefined || inside === undefined) return openAt(directory, path, O_PATH);
  const root = openAt(directory, prefix, O_PATH | O_DIRECTORY);
  if (root < 0) return root;
  return closing(root, () => openMountPoint(root, inside));
}

/** A usable descriptor instead of an `O_PATH` one, which it closes; `-ENOENT` when that is not of the expected namespace. */
export function reopenNamespace(found: number, ino: number): number {
  return closing(found, () => (isNamespace(found, ino) ? openAt(AT_FDCWD, `/proc/self/fd/${found}`, 0) : -ENOENT));
}

/** Ways that are tried: of many members of a namespace all may be ending, or not for this user to look at. */
const MAX_ATTEMPTS = 8;

/** A descriptor of the namespace by the first place that leads to it. */
export function openFirst(places: Iterable<Place>, ino: number): number | undefined {
  let attempts = 0;
  for (const place of places) {
    const descriptor = openPlace(place, ino);
    if (descriptor >= 0) return descriptor;
    attempts += 1;
    if (attempts === MAX_ATTEMPTS) break;
  }
  return undefined;
}

/** Where the index knows a namespace to be found, the surest first. */
export function* placesOf({ kind, members, pins }: IndexedNamespace): Generator<Place> {
  for (const pid of members.keys()) yield { pid, path: `ns/${kind}` };
  for (const [pid, own] of pins) {
    for (const pin of own) {
      const path = pathOf(pin, kind);
      if (path !== undefined) yield { pid, path };
    }
  }
  // The costliest last: a process is started for it.
  for (const pin of [...pins.values()].flat()) {
    if (pin.by !== 'socket') continue;
    yield { socket: pin };
  }
}

function pathOf(pin: Pin, kind: string): string | undefined {
  if (pin.by === 'thread') return `task/${pin.tid}/ns/${kind}`;
  if (pin.by === 'forChildren') return `ns/${kind}_for_children`;
  if (pin.by === 'descriptor') return `fd/${pin.descriptor}`;
  return undefined;
}
