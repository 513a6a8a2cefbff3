/** Which kinds of namespaces of a target can be entered, and which are proposed. Pure. */
import type { InitializeResult } from '../../helper/protocol/host.ts';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { Process } from '../../helper/protocol/processes.ts';

export interface KindChoice {
  kind: NamespaceKind;
  /** Inode number, or null when it may not be read. */
  ino: number | null;
  /** The target is in the host's own: entering it changes nothing. */
  shared: boolean;
  proposed: boolean;
}

/** A choice for every kind that the kernel has, those of the target's own first. */
export function kindChoices(
  target: Process['namespaces'],
  host: InitializeResult['namespaces'],
  proposed: NamespaceKind,
): KindChoice[] {
  const choices = NAMESPACE_KINDS.flatMap((kind): KindChoice[] => {
    const ino = target[kind];
    if (ino === undefined) return [];
    const shared = ino !== null && ino === host[kind]?.ino;
    return [{ kind, ino, shared, proposed: !shared && kind === proposed }];
  });
  return [...choices.filter((choice) => !choice.shared), ...choices.filter((choice) => choice.shared)];
}

/** The same choices, but proposing what keeps the host's tools: every one of the target's own but `mnt`, whose files they are. */
export function withHostTools(choices: readonly KindChoice[]): KindChoice[] {
  return choices.map((choice) => ({ ...choice, proposed: !choice.shared && choice.kind !== 'mnt' }));
}
