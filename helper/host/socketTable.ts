/**
 * In which net namespace each socket is. A socket stays in the one in which it was made, so each is asked once, however many processes have it; and as
 * asking costs more than all other reading of it, not all at once.
 */

import { inodeOf } from '../kernel/files.ts';
import { EINVAL, EPERM } from '../kernel/numbers.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import {
  type HeldSocket,
  KIND_INDEX,
  NO_SOCKETS,
  type OpenSockets,
  type ProcessRecord,
  refOf,
  type SocketPlaces,
  TUN,
} from './processRecord.ts';
import { askSockets, type SocketPlace } from './socketCopies.ts';

/** So many are asked in one go, which takes 2 ms. */
const SOCKETS_AT_ONCE = 128;
/** So many that are no more may be remembered before they are looked for. */
const MAX_STALE = 4096;
/** A socket that was there whenever its process was read, and never when it was copied. */
const MAX_ATTEMPTS = 3;
/** In place of a namespace's number. */
const REFUSED = -1;
const NO_SOCKET = -2;

type Key = number | string;
/** Sockets that are to be asked, each once. */
export type SocketQueue = Map<Key, SocketPlace>;

export class SocketTable {
  /** The number of the namespace, `REFUSED` or `NO_SOCKET`, by the inode number, which the kernel gives again only after 2³² others. */
  private readonly namespaces = new Map<Key, number>();
  private readonly attempts = new Map<Key, number>();

  /** What is known of where a process's sockets are. */
  placesOf(record: ProcessRecord): SocketPlaces {
    if (record.sockets.length === 0) return NO_SOCKETS;
    const own = record.namespaces[KIND_INDEX.net];
    const elsewhere = new Map<number, HeldSocket>();
    let unasked = 0;
    let refused = 0;
    for (const { key, descriptor, ino } of socketsOf(record)) {
      const namespace = this.namespaces.get(key);
      if (namespace === undefined) unasked += 1;
      else if (namespace === REFUSED) refused += 1;
      else if (namespace !== NO_SOCKET && namespace !== own) addTo(elsewhere, namespace, descriptor, ino === TUN);
    }
    return { elsewhere: elsewhere.size === 0 ? NO_SOCKETS.elsewhere : [...elsewhere.values()], unasked, refused };
  }

  /**
   * Those that were not asked yet, and the descriptors of the tun device, whose numbers do not tell whether they are the same as before.
   */
  unaskedOf(records: Iterable<ProcessRecord>): SocketQueue {
    const queue: SocketQueue = new Map();
    for (const record of records) {
      for (const { key, descriptor, ino } of socketsOf(record)) {
        if (this.namespaces.has(key) && ino !== TUN) continue;
        if (!queue.has(key)) queue.set(key, { process: refOf(record), descriptor, ino });
      }
    }
    return queue;
  }

  /** Asks the next `SOCKETS_AT_ONCE` of a queue. The pids of processes that should be read again, since they have others by now. */
  askSome(queue: SocketQueue): Set<number> {
    const keys = new Map<SocketPlace, Key>();
    for (const [key, place] of queue) {
      if (keys.size === SOCKETS_AT_ONCE) break;
      keys.set(place, key);
      queue.delete(key);
    }
    const stale = new Set<number>();
    if (keys.size === 0) return stale;
    askSockets([...keys.keys()], (place, namespace) => {
      const key = keys.get(place)!;
      if (namespace >= 0) this.note(key, inodeOf(namespace));
      else if (namespace === -EPERM) this.note(key, REFUSED);
      else if (namespace === -EINVAL) this.note(key, NO_SOCKET);
      else {
        stale.add(place.process.pid);
        this.fail(key);
      }
    });
    return stale;
  }

  private note(key: Key, namespace: number): void {
    this.namespaces.set(key, namespace);
    this.attempts.delete(key);
  }

  private fail(key: Key): void {
    const attempts = (this.attempts.get(key) ?? 0) + 1;
    if (attempts === MAX_ATTEMPTS) this.note(key, REFUSED);
    else this.attempts.set(key, attempts);
  }

  /** Forgets sockets that are no more, when there are many. */
  forgetAllBut(records: Iterable<ProcessRecord>): void {
    if (this.namespaces.size + this.attempts.size <= MAX_STALE) return;
    const living = new Set<Key>();
    for (const record of records) for (const { key } of socketsOf(record)) living.add(key);
    if (this.namespaces.size + this.attempts.size <= living.size + MAX_STALE) return;
    for (const known of [this.namespaces, this.attempts])
      for (const key of known.keys()) if (!living.has(key)) known.delete(key);
  }
}

function* socketsOf(record: ProcessRecord): Generator<{ key: Key; descriptor: number; ino: number }> {
  const { sockets }: { sockets: OpenSockets } = record;
  for (let at = 0; at < sockets.length; at += 2) {
    const descriptor = sockets[at]!;
    const ino = sockets[at + 1]!;
    yield { key: keyOf(record, descriptor, ino), descriptor, ino };
  }
}

function keyOf({ pid, startTime }: ProcessRef, descriptor: number, ino: number): Key {
  return ino === TUN ? `${pid} ${startTime} ${descriptor}` : ino;
}

function addTo(elsewhere: Map<number, HeldSocket>, ino: number, descriptor: number, tun: boolean): void {
  const same = elsewhere.get(ino);
  if (same === undefined) elsewhere.set(ino, { kind: 'net', ino, descriptor, tun, others: 0 });
  else same.others += 1;
}
