import * as vscode from 'vscode';
import type { NamespaceChoice, SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { NAMESPACE_KINDS, type NamespaceKind, ProcessesInspect, type ProcessRef } from '../../helper/protocol.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { showExplanation } from '../documents/sandboxExplanation.ts';
import { oneLine } from '../host/plainText.ts';
import {
  askForCommandLine,
  askForKinds,
  askForRoot,
  FIRST_CHOICES,
  type SandboxChoices,
} from '../programs/sandboxQuestions.ts';
import { openAsFile } from '../programs/sandboxSpec.ts';
import type { SandboxStarter } from '../programs/sandboxStarter.ts';
import type { CommandTarget } from '../target.ts';
import { namespaceId } from '../trees/words.ts';

const LAST = 'isoscope.lastSandbox';

/**
 * Asks for kinds of namespaces, a root and a command, and opens a terminal in them. With a target it asks which of its namespaces
 * to share: "the same, but …".
 */
export async function runInNewNamespace(
  connection: HelperConnection,
  starter: SandboxStarter,
  memory: vscode.Memento,
  target: CommandTarget = {},
): Promise<void> {
  const last = { ...FIRST_CHOICES, ...memory.get<Partial<SandboxChoices>>(LAST) };
  const process = target.process ?? target.container?.leader ?? target.namespace?.leader;
  const title = vscode.l10n.t('Run in New Namespace');
  const namespaces = process === undefined ? await newOnes(title, last) : await sharedOnes(connection, process, target);
  if (namespaces === undefined) return;
  const ownFiles = namespaces.mnt === 'new';
  const root = ownFiles ? await askForRoot(title, last.root) : { type: 'host' as const, access: 'readWrite' as const };
  if (root === undefined) return;
  const answer = await askForCommandLine(title, last.command);
  if (answer === undefined) return;
  const kinds = NAMESPACE_KINDS.filter((kind) => namespaces[kind] === 'new');
  await memory.update(LAST, { kinds, root: ownFiles ? root : last.root, command: answer.text } satisfies SandboxChoices);
  const spec: SandboxSpec = {
    ...(ownFiles ? { root } : {}),
    namespaces,
    ...(answer.words.length > 0 ? { process: { args: answer.words } } : {}),
  };
  if (answer.then === 'explain') return showExplanation({ spec });
  if (answer.then === 'save') return openAsFile(spec);
  await starter.start({ spec });
}

type Namespaces = Partial<Record<NamespaceKind, NamespaceChoice>>;

async function newOnes(title: string, last: SandboxChoices): Promise<Namespaces | undefined> {
  const kinds = await askForKinds({ title, placeHolder: vscode.l10n.t('Namespaces of its own'), picked: last.kinds });
  if (kinds === undefined) return undefined;
  return Object.fromEntries(NAMESPACE_KINDS.map((kind) => [kind, kinds.includes(kind) ? 'new' : 'host']));
}

/** Those of the process that are ticked are joined, its other own ones are made anew, and the host's stay the host's. */
async function sharedOnes(
  connection: HelperConnection,
  process: ProcessRef,
  target: CommandTarget,
): Promise<Namespaces | undefined> {
  const ref = { pid: process.pid, startTime: process.startTime };
  const details = await connection.request(ProcessesInspect, { process: ref });
  const { state } = connection;
  const host = state.kind === 'ready' ? state.host.namespaces : {};
  const own = NAMESPACE_KINDS.filter((kind) => {
    const ino = details.namespaces[kind];
    return ino !== undefined && ino !== null && ino !== host[kind]?.ino;
  });
  const joined = await askForKinds({
    title: vscode.l10n.t('The Same Namespaces as {0}, but…', oneLine(target.container?.name ?? details.name)),
    placeHolder: vscode.l10n.t('Namespaces to share with it; the others are made anew'),
    picked: own,
    description: (kind) => {
      const ino = details.namespaces[kind];
      if (ino === undefined || ino === null) return vscode.l10n.t('unknown');
      return own.includes(kind) ? namespaceId({ kind, dev: 0, ino }) : vscode.l10n.t('shared with the host');
    },
  });
  if (joined === undefined) return undefined;
  return Object.fromEntries(
    NAMESPACE_KINDS.map((kind) => {
      if (!own.includes(kind)) return [kind, 'host'];
      return [kind, joined.includes(kind) ? { process: ref } : 'new'];
    }),
  );
}
