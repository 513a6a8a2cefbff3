import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import type { Grouping } from '../../model/hierarchy.ts';
import { pick } from '../../plain/pick.ts';
import type { NamespacesTree } from '../../trees/namespacesTree.ts';

export const groupNamespacesCommand: CommandContribution = {
  id: 'isoscope.namespaces.group',
  title: 'Group Namespaces…',
  icon: 'list-tree',
  menus: {
    'view/title': [{ group: 'navigation@1', when: { view: 'namespaces' } }],
  },
};

/** Asks how the Namespaces view is to group. */
export async function groupNamespaces(tree: NamespacesTree): Promise<void> {
  const choices: (vscode.QuickPickItem & { grouping: Grouping })[] = [
    {
      grouping: 'kind',
      iconPath: new vscode.ThemeIcon('list-flat'),
      label: vscode.l10n.t('By kind'),
      detail: vscode.l10n.t('All network namespaces, all mount namespaces, and so on'),
    },
    {
      grouping: 'owner',
      iconPath: new vscode.ThemeIcon('key'),
      label: vscode.l10n.t('By owner'),
      detail: vscode.l10n.t('The tree of user namespaces, each with what it owns: who may do what with privilege'),
    },
    {
      grouping: 'pid',
      iconPath: new vscode.ThemeIcon('list-tree'),
      label: vscode.l10n.t('Pid tree'),
      detail: vscode.l10n.t('The tree of pid namespaces: who sees whose processes'),
    },
  ];
  const items = choices.map((choice) =>
    choice.grouping === tree.grouping ? { ...choice, description: vscode.l10n.t('shown now') } : choice,
  );
  const picked = await pick(items);
  if (picked !== undefined) await tree.group(picked.grouping);
}
