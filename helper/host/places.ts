/** Where a namespace can be opened: the files that lead to it, and how to open one without being led elsewhere. */
import fs from 'node:fs';
import { AT_FDCWD, close, ENOENT, O_PATH, openAt, openDirectory } from '../kernel/files.ts';
import type { NamespaceRef, Pin } from '../protocol.ts';
import type { IndexedNamespace } from './namespaceIndex.ts';

/** A file below `/proc/PID`: `ns/net`, `task/7/ns/net`, `ns/pid_for_children`, `fd/7`, or `root/run/netns/blue`. */
export interface Place {
  pid: number;
  path: string;
}

/** The device of nsfs, one for all namespaces. */
export const nsfsDevice = fs.statSync('/proc/self/ns/mnt').dev;

/**
 * Opens the namespace that `place` leads to, when it is the expected one: a descriptor for setns(2) and ioctl_ns(2), or
 * `-errno`, `-ENOENT` when another one is found there by now.
 */
export function openPlace({ pid, path }: Place, ino: number): number {
  const directory = openDirectory(AT_FDCWD, `/proc/${pid}`);
  if (directory < 0) return directory;
  // O_PATH opens nothing: what is found is looked at first, and a FIFO or device in a container's mount point stays untouched.
  const found = openAt(directory, path, O_PATH);
  close(directory);
  if (found < 0) return found;
  return reopenNamespace(found, ino);
}

/** A usable descriptor instead of an `O_PATH` one, which it closes; `-ENOENT` when that is not of the expected namespace. */
export function reopenNamespace(found: number, ino: number): number {
  const namespace = isNamespace(found, ino) ? openAt(AT_FDCWD, `/proc/self/fd/${found}`, 0) : -ENOENT;
  close(found);
  return namespace;
}

/** Whether a descriptor is of the namespace with that number. */
export function isNamespace(descriptor: number, ino: number): boolean {
  const stat = fs.fstatSync(descriptor);
  return stat.dev === nsfsDevice && stat.ino === ino;
}

export function refOfDescriptor(descriptor: number, kind: NamespaceRef['kind']): NamespaceRef {
  const { dev, ino } = fs.fstatSync(descriptor);
  return { kind, dev, ino };
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
}

function pathOf(pin: Pin, kind: string): string | undefined {
  if (pin.by === 'thread') return `task/${pin.tid}/ns/${kind}`;
  if (pin.by === 'forChildren') return `ns/${kind}_for_children`;
  if (pin.by === 'descriptor') return `fd/${pin.descriptor}`;
  return undefined;
}
