/** The text of a link to a namespace, `net:[4026531840]`: namespaces(7), and of nsfs mounts and descriptors. */
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../protocol/namespaces.ts';

export interface NamespaceLink {
  kind: NamespaceKind;
  ino: number;
}

const LINK = /^([a-z]+):\[([0-9]{1,15})\]$/;
const KINDS = new Set<string>(NAMESPACE_KINDS);

/** Undefined for other links: `socket:[123]`, `/dev/null`. */
export function parseNamespaceLink(text: string): NamespaceLink | undefined {
  const match = LINK.exec(text);
  if (match === null) return undefined;
  const [, kind = '', ino] = match;
  return KINDS.has(kind) ? { kind: kind as NamespaceKind, ino: Number(ino) } : undefined;
}

export function formatNamespaceLink({ kind, ino }: NamespaceLink): string {
  return `${kind}:[${ino}]`;
}
