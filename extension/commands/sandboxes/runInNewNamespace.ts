import * as vscode from 'vscode';
import { NAMESPACE_KINDS } from '../../../helper/protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../../helper/protocol/namespaces.ts';
import { ProcessesInspect, type ProcessRef } from '../../../helper/protocol/processes.ts';
import type { NamespaceChoice, SandboxSpec } from '../../../helper/protocol/sandboxes.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { CONTAINER_ROW, IN_ANY_VIEW, NEVER, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { isUnprivileged } from '../../connection/privilege.ts';
import { showExplanation } from '../../documents/sandboxExplanation.ts';
import { type CommandTarget, namesNothing } from '../../model/commandTarget.ts';
import { oneLine } from '../../plain/plainText.ts';
import { currentFolder, inFolder } from '../../programs/currentFolder.ts';
import { firstChoices, type SandboxChoices } from '../../programs/firstChoices.ts';
import { openAsFile } from '../../programs/sandboxParams.ts';
import { askForCommandLine, askForKinds, askForRoot } from '../../programs/sandboxQuestions.ts';
import type { SandboxStarter } from '../../programs/sandboxStarter.ts';
import { processOrPicked } from '../../programs/targetPicks.ts';
import { namespaceId } from '../../words/hostWords.ts';

export const runInNewNamespaceCommand: CommandContribution = {
  id: 'isoscope.sandbox.runInNewNamespace',
  title: 'Run in New Namespace…',
  icon: 'vm-active',
  menus: {
    'view/title': [{ group: 'navigation@0', when: { view: 'sandboxes' } }],
    'explorer/context': [{ group: 'isoscope@1', when: ['explorerResourceIsFolder', 'isWorkspaceTrusted'] }],
    'terminal/context': [{ group: 'isoscope@1' }],
  },
};

export const runInSameNamespacesCommand: CommandContribution = {
  id: 'isoscope.sandbox.runInSameNamespaces',
  title: 'Run in the Same Namespaces, but…',
  icon: 'vm-active',
  palette: NEVER,
  menus: {
    'view/item/context': [
      { group: '1_enter@4', when: [IN_ANY_VIEW, { anyOf: [CONTAINER_ROW, { row: 'namespace' }] }, ONE_ROW] },
      { group: '1_enter@4', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }] },
    ],
  },
};

const LAST = 'isoscope.lastSandbox';

/** What is asked of whom, and what was answered last. */
interface Asking {
  connection: HelperConnection;
  /** A helper without privilege makes no namespaces but in a user namespace of their own. */
  mustOwnUsers: boolean;
  last: SandboxChoices;
}

/**
 * Asks for kinds of namespaces, a root and a command, and opens a terminal in them. `target` is a folder of the explorer, in which it begins,
 * or something with namespaces, of which it asks which to share: "the same, but …".
 */
export async function runInNewNamespace(
  connection: HelperConnection,
  starter: SandboxStarter,
  memory: vscode.Memento,
  target?: CommandTarget | vscode.Uri,
): Promise<void> {
  await connection.start();
  const mustOwnUsers = isUnprivileged(connection);
  const first = firstChoices(mustOwnUsers);
  const before = memory.get<Partial<SandboxChoices>>(LAST);
  const last = { ...first, ...before };
  const asking: Asking = { connection, mustOwnUsers, last };
  const shared = target === undefined || target instanceof vscode.Uri || namesNothing(target) ? undefined : target;
  const process = shared === undefined ? undefined : await processOrPicked(connection, shared);
  const folder = process === undefined ? currentFolder(target) : undefined;
  const namespaces = process === undefined ? await newOnes(asking) : await sharedOnes(asking, process, shared as CommandTarget);
  if (namespaces === undefined) return;
  const ownFiles = namespaces.mnt === 'new';
  const root = ownFiles
    ? await askForRoot({ last: before?.root, first: first.root })
    : { type: 'host' as const, access: 'readWrite' as const };
  if (root === undefined) return;
  const answer = await askForCommandLine(last.command, inFolder({ root, namespaces }, folder).process?.cwd);
  if (answer === undefined) return;
  const kinds = process === undefined ? chosenKinds(namespaces, asking) : last.kinds;
  const chosen = ownFiles ? root : before?.root;
  const choices: Partial<SandboxChoices> = { kinds, command: answer.text, ...(chosen === undefined ? {} : { root: chosen }) };
  await memory.update(LAST, choices);
  const own: SandboxSpec = {
    ...(ownFiles ? { root } : {}),
    namespaces,
    ...(answer.words.length > 0 ? { process: { args: answer.words } } : {}),
  };
  const spec = inFolder(own, folder);
  if (answer.then === 'explain') return showExplanation({ spec });
  if (answer.then === 'save') return openAsFile(spec);
  await starter.startAsAnswered({ spec });
}

/** Without a user namespace that nobody chose but the lack of privilege. */
function chosenKinds(namespaces: Namespaces, { mustOwnUsers, last }: Asking): NamespaceKind[] {
  const chosen = NAMESPACE_KINDS.filter((kind) => namespaces[kind] === 'new');
  return mustOwnUsers && !last.kinds.includes('user') ? chosen.filter((kind) => kind !== 'user') : chosen;
}

type Namespaces = Partial<Record<NamespaceKind, NamespaceChoice>>;

async function newOnes({ mustOwnUsers, last }: Asking): Promise<Namespaces | undefined> {
  const kinds = await askForKinds({
    placeHolder: vscode.l10n.t('Namespaces of its own'),
    picked: mustOwnUsers ? [...last.kinds, 'user'] : last.kinds,
    description: (kind) =>
      kind === 'user' && mustOwnUsers ? vscode.l10n.t('needed for the others, as the helper is not root') : undefined,
  });
  if (kinds === undefined) return undefined;
  return Object.fromEntries(NAMESPACE_KINDS.map((kind) => [kind, kinds.includes(kind) ? 'new' : 'host']));
}

/** Those of the process that are ticked are joined, its other own ones are made anew, and the host's stay the host's. */
async function sharedOnes(
  { connection, mustOwnUsers }: Asking,
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
    of: oneLine(target.container?.name ?? details.name),
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
      if (!own.includes(kind)) return [kind, kind === 'user' && mustOwnUsers ? 'new' : 'host'];
      return [kind, joined.includes(kind) ? { process: ref } : 'new'];
    }),
  );
}
