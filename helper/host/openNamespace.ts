/** Opens any namespace of this host by its identity, wherever it is kept alive. */

import { Failure } from '../failure.ts';
import { close, closing, openDirectory, readNamespaceLink } from '../kernel/files.ts';
import { openOwner, openParent } from '../kernel/nsfs.ts';
import { AT_FDCWD } from '../kernel/numbers.ts';
import { formatNamespaceLink } from '../proc/namespaceLink.ts';
import type { NamespaceRef } from '../protocol/namespaces.ts';
import { said } from '../saying.ts';
import { MountPins } from './mountPins.ts';
import { NamespaceIndex } from './namespaceIndex.ts';
import { isNamespace, nsfsDevice } from './nsfsFile.ts';
import { openFirst, openPlace } from './places.ts';
import { listPids, readProcess } from './processReader.ts';
import type { ProcessRecord } from './processRecord.ts';
import { SocketTable } from './socketTable.ts';

/** Levels of user or pid namespaces: the kernel allows 32 of each (user_namespaces(7), pid_namespaces(7)). */
const MAX_LEVELS = 64;
const REFRESH = said('refreshViewAndChooseAnotherNamespace');
const AS_ROOT = said('ifListedRestartAsRoot');
/** Of 128 sockets and 2 ms each: who asks waits for it. */
const MAX_SOCKET_TURNS = 16;

/**
 * An `O_CLOEXEC` descriptor of the namespace, for setns(2); the caller closes it. It is the one asked for, by device and inode
 * number, or there is none: throws a `Failure` with `gone`.
 *
 * Searches by rising cost: where `known` has it, if given; the processes in it; then threads, descriptors, sockets, `pid_for_children`
 * and bind mounts in every mount namespace; then upwards from all others, for one that only its descendants keep alive.
 */
export function openNamespace(ref: NamespaceRef, known?: MountPins): number {
  const descriptor = ref.dev === nsfsDevice ? search(ref, known) : undefined;
  if (descriptor !== undefined) return descriptor;
  throw new Failure('gone', said('namespaceCannotBeFound', formatNamespaceLink(ref)), {
    hint: process.geteuid?.() === 0 ? REFRESH : said('sentences', REFRESH, AS_ROOT),
  });
}

function search(ref: NamespaceRef, known: MountPins | undefined): number | undefined {
  const expected = known === undefined ? undefined : openFirst(known.allPlacesOf(ref.ino), ref.ino);
  return expected ?? openOfMember(ref) ?? openHeld(ref);
}

function openOfMember({ kind, ino }: NamespaceRef): number | undefined {
  const proc = openDirectory(AT_FDCWD, '/proc');
  try {
    for (const pid of listPids()) {
      if (readNamespaceLink(proc, `${pid}/ns/${kind}`) !== ino) continue;
      const descriptor = openPlace({ pid, path: `ns/${kind}` }, ino);
      if (descriptor >= 0) return descriptor;
    }
    return undefined;
  } finally {
    close(proc);
  }
}

function openHeld(ref: NamespaceRef): number | undefined {
  const index = new NamespaceIndex();
  for (const record of readAll(ref.kind === 'net' || ref.kind === 'user')) index.add(record);
  const mounts = new MountPins(index);
  mounts.read('all');
  return openFirst(mounts.allPlacesOf(ref.ino), ref.ino) ?? mounts.openByVisit(ref.ino) ?? openAbove(ref, index, mounts);
}

/** Every process; with `sockets` it is asked of theirs in which net namespaces they are. */
function readAll(sockets: boolean): ProcessRecord[] {
  const records = listPids().flatMap((pid) => readProcess(pid) ?? []);
  if (!sockets) return records;
  const table = new SocketTable();
  const queue = table.unaskedOf(records);
  for (let turn = 0; turn < MAX_SOCKET_TURNS && queue.size > 0; turn += 1) table.askSome(queue);
  for (const record of records) record.socketPlaces = table.placesOf(record);
  return records;
}

/** Only user namespaces (which own, and have children) and pid namespaces (which have children) are kept by what is below. */
function openAbove({ kind, ino }: NamespaceRef, index: NamespaceIndex, mounts: MountPins): number | undefined {
  if (kind !== 'user' && kind !== 'pid') return undefined;
  const visited = new Set<number>();
  const starts = [...index.namespaces, ...mounts.namespaces()].filter((start) => kind === 'user' || start.kind === 'pid');
  for (const start of starts) {
    if (visited.has(start.ino)) continue;
    visited.add(start.ino);
    const descriptor = openFirst(mounts.allPlacesOf(start.ino), start.ino);
    if (descriptor === undefined) continue;
    const found = climb(descriptor, kind === 'pid' ? openParent : openOwner, ino);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Closes every descriptor on the way, the first one too. */
function climb(start: number, above: (descriptor: number) => number, ino: number): number | undefined {
  let current = start;
  for (let level = 0; level < MAX_LEVELS; level += 1) {
    const next = closing(current, above);
    if (next < 0) return undefined;
    if (isNamespace(next, ino)) return next;
    current = next;
  }
  close(current);
  return undefined;
}
