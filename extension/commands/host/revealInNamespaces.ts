import * as vscode from 'vscode';
import type { NamespaceKind } from '../../../helper/protocol/namespaces.ts';
import type { Process } from '../../../helper/protocol/processes.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { KIND_ORDER } from '../../model/hierarchy.ts';
import type { Host } from '../../model/liveHost.ts';
import { say } from '../../plain/notify.ts';
import { pick } from '../../plain/pick.ts';
import { processOrPicked } from '../../programs/targetPicks.ts';
import type { NamespacesTree } from '../../trees/namespacesTree.ts';
import type { TreeFilter } from '../../trees/treeFilter.ts';
import type { TreeNode } from '../../trees/treeNode.ts';
import { kindIcon, kindTitle, namespaceId, parts, processName } from '../../words/hostWords.ts';

export const revealInNamespacesCommand: CommandContribution = {
  id: 'isoscope.reveal.inNamespaces',
  title: 'Reveal in Namespaces',
  icon: 'go-to-file',
  menus: {
    'view/item/context': [
      { group: '2_reveal@2', when: [{ view: 'containers' }, { row: ['container', 'process', 'namespace'] }] },
      { group: '2_reveal@2', when: [{ view: ['cgroups', 'layers'] }, { row: ['process', 'isolated'] }, ONE_ROW] },
      { group: '2_reveal@2', when: [{ view: 'sandboxes' }, { row: ['sandbox running', 'process', 'namespace'] }] },
    ],
  },
};

/** Shows a namespace, or a process among the members of one of its namespaces, in the Namespaces view. */
export async function revealInNamespaces(
  connection: HelperConnection,
  host: Host,
  tree: NamespacesTree,
  filter: TreeFilter,
  target: CommandTarget = {},
): Promise<void> {
  const find = await rowFinder(connection, host, tree, target);
  if (find === undefined) return;
  if (find() === undefined) filter.text = '';
  // The pid tree has only pid namespaces in it.
  if (find() === undefined && tree.grouping === 'pid') await tree.group('kind');
  if (find() !== undefined) return tree.reveal(find);
  void say(vscode.l10n.t('It is no longer there: the process or the namespace has ended.'));
}

async function rowFinder(
  connection: HelperConnection,
  host: Host,
  tree: NamespacesTree,
  target: CommandTarget,
): Promise<(() => TreeNode | undefined) | undefined> {
  const { namespace } = target;
  if (namespace !== undefined) {
    await host.load();
    return () => tree.rowOf(namespace);
  }
  const process = await processOrPicked(connection, target);
  if (process === undefined) return undefined;
  await host.load();
  const known = host.model.process(process);
  if (known === undefined) return () => undefined;
  const kind = tree.grouping === 'pid' ? 'pid' : await pickKind(host, known);
  return kind === undefined ? undefined : () => tree.memberRow(process, kind);
}

/** Which of its namespaces: its own ones first, because those are what it differs by. */
async function pickKind(host: Host, process: Process): Promise<NamespaceKind | undefined> {
  const items = KIND_ORDER.flatMap((kind) => {
    const ino = process.namespaces[kind];
    if (ino === undefined || ino === null) return [];
    const shared = host.model.hostNamespace(kind)?.ino === ino;
    const description = parts(namespaceId({ kind, dev: 0, ino }), shared ? vscode.l10n.t('shared with the host') : undefined);
    return [
      { namespaceKind: kind, shared, label: kindTitle(kind), description, iconPath: new vscode.ThemeIcon(kindIcon(kind)) },
    ];
  });
  items.sort((a, b) => Number(a.shared) - Number(b.shared));
  const picked = await pick(items, {
    of: processName(process),
    placeHolder: vscode.l10n.t('Among the members of which namespace?'),
  });
  return picked?.namespaceKind;
}
