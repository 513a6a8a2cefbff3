/**
 * Who owns each namespace, and whose child it is: asked of the kernel (ioctl_ns(2)), upwards until there is no more. This
 * finds namespaces in which there is no process and which nobody holds: they live because of what is below them.
 */

import { reasonOf } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { errnoName } from '../kernel/libc.ts';
import { openOwner, openParent, ownerUid } from '../kernel/nsfs.ts';
import { EPERM } from '../kernel/numbers.ts';
import type { Unknown } from '../protocol/errors.ts';
import type { NamespaceKind, NamespaceRef } from '../protocol/namespaces.ts';
import { nsfsDevice, refOfDescriptor } from './nsfsFile.ts';
import { openPlace, type Place } from './places.ts';

export interface Relations {
  kind: NamespaceKind;
  owner: NamespaceRef | null | Unknown;
  /** pid and user only. */
  parent?: NamespaceRef | null | Unknown;
  /** user only. */
  ownerUid?: number | Unknown;
}

/** How many places are tried before the answer is "unknown": each may have gone meanwhile. */
const MAX_ATTEMPTS = 8;

/**
 * A namespace's relations never change, so they are read once. But its number is given to another one soon after its end:
 * whoever knows that a number ended, or came up, must say so.
 */
export class RelationTable {
  private readonly byIno = new Map<number, Relations>();

  /** What is known of a namespace that was looked up before, or found above one that was. */
  get(ino: number, kind: NamespaceKind): Relations | undefined {
    const relations = this.byIno.get(ino);
    return relations?.kind === kind ? relations : undefined;
  }

  /** Looks a namespace up through the first of `places` that leads to it, or else through what `lastResort` opens. */
  lookUp(kind: NamespaceKind, ino: number, places: Iterable<Place>, lastResort: () => number | undefined): Relations {
    const known = this.get(ino, kind);
    if (known !== undefined) return known;
    let attempts = 0;
    let failure = -EPERM;
    for (const place of places) {
      const descriptor = openPlace(place, ino);
      if (descriptor >= 0) return this.readAndClose(kind, ino, descriptor);
      failure = descriptor;
      attempts += 1;
      if (attempts === MAX_ATTEMPTS) break;
    }
    const descriptor = lastResort();
    if (descriptor !== undefined) return this.readAndClose(kind, ino, descriptor);
    return unknownRelations(kind, unknown(failure));
  }

  forget(numbers: Iterable<number>): void {
    for (const ino of numbers) this.byIno.delete(ino);
  }

  forgetAllBut(used: ReadonlyMap<number, unknown>): void {
    for (const ino of this.byIno.keys()) if (!used.has(ino)) this.byIno.delete(ino);
  }

  private readAndClose(kind: NamespaceKind, ino: number, descriptor: number): Relations {
    try {
      return this.read(kind, ino, descriptor);
    } finally {
      close(descriptor);
    }
  }

  /** Recursion ends at the initial namespaces or at the helper's own: at most 32 levels (user_namespaces(7), pid_namespaces(7)). */
  private read(kind: NamespaceKind, ino: number, descriptor: number): Relations {
    const relations: Relations = { kind, owner: this.follow('user', openOwner(descriptor)) };
    if (kind === 'pid') relations.parent = this.follow('pid', openParent(descriptor));
    if (kind === 'user') {
      // A user namespace is owned by its parent.
      relations.parent = relations.owner;
      const uid = ownerUid(descriptor);
      relations.ownerUid = uid < 0 ? unknown(uid) : uid;
    }
    this.byIno.set(ino, relations);
    return relations;
  }

  private follow(kind: NamespaceKind, descriptor: number): NamespaceRef | null | Unknown {
    // EPERM: it is above the helper's own namespace, or there is none above the first.
    if (descriptor < 0) return descriptor === -EPERM ? null : unknown(descriptor);
    const ref = refOfDescriptor(descriptor, kind);
    if (this.get(ref.ino, kind) === undefined) this.readAndClose(kind, ref.ino, descriptor);
    else close(descriptor);
    return ref;
  }
}

function unknown(failure: number): Unknown {
  const errno = errnoName(-failure);
  return { unknown: errno === 'ENOENT' ? 'gone' : reasonOf(errno), errno };
}

function unknownRelations(kind: NamespaceKind, why: Unknown): Relations {
  return {
    kind,
    owner: why,
    ...(kind === 'pid' || kind === 'user' ? { parent: why } : {}),
    ...(kind === 'user' ? { ownerUid: why } : {}),
  };
}

/** The namespaces directly above one, as far as they are known. */
export function namespacesAbove({ owner, parent }: Pick<Relations, 'owner' | 'parent'>): NamespaceRef[] {
  const above: NamespaceRef[] = [];
  for (const ref of [owner, parent]) if (ref && !('unknown' in ref)) above.push(ref);
  return above;
}

export function namespaceRef(kind: NamespaceKind, ino: number): NamespaceRef {
  return { kind, dev: nsfsDevice, ino };
}
