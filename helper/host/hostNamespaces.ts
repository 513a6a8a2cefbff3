/** The helper's own namespaces, which stand for the host's. */
import fs from 'node:fs';
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind, NamespaceRef } from '../protocol/namespaces.ts';
import type { NamespaceInos, ProcessRecord } from './processRecord.ts';

/** A kind that the kernel lacks is absent. */
export function ownNamespaces(): Partial<Record<NamespaceKind, NamespaceRef>> {
  const own: Partial<Record<NamespaceKind, NamespaceRef>> = {};
  for (const kind of NAMESPACE_KINDS) {
    const stat = fs.statSync(`/proc/self/ns/${kind}`, { throwIfNoEntry: false });
    if (stat !== undefined) own[kind] = { kind, dev: stat.dev, ino: stat.ino };
  }
  return own;
}

const own = ownNamespaces();
export const hostInos: NamespaceInos = NAMESPACE_KINDS.map((kind) => own[kind]?.ino);

/** Whether its namespace of that kind, an index of `NAMESPACE_KINDS`, is another than the host's; false where that may not be read. */
export function isOwn({ namespaces }: ProcessRecord, kind: number): boolean {
  const ino = namespaces[kind];
  return typeof ino === 'number' && ino !== hostInos[kind];
}

/** Whether it lives in a namespace other than the host's; false where that may not be read. */
export function hasOwnNamespaces({ namespaces }: ProcessRecord): boolean {
  return namespaces.some((ino, index) => typeof ino === 'number' && ino !== hostInos[index]);
}
