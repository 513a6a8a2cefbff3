import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { pick } from '../../plain/pick.ts';
import type { CgroupGrouping, CgroupsTree } from '../../trees/cgroupsTree.ts';

export const groupCgroupsCommand: CommandContribution = {
  id: 'isoscope.cgroups.group',
  title: 'Group Cgroups…',
  icon: 'list-tree',
  menus: {
    'view/title': [{ group: 'navigation@1', when: { view: 'cgroups' } }],
  },
};

/** Asks how the Cgroups view is to group. */
export async function groupCgroups(tree: CgroupsTree): Promise<void> {
  const choices: (vscode.QuickPickItem & { grouping: CgroupGrouping })[] = [
    {
      grouping: 'container',
      iconPath: new vscode.ThemeIcon('package'),
      label: vscode.l10n.t('By container'),
      detail: vscode.l10n.t('One row a container or service, with all controllers together'),
    },
    {
      grouping: 'hierarchy',
      iconPath: new vscode.ThemeIcon('list-tree'),
      label: vscode.l10n.t('By hierarchy'),
      detail: vscode.l10n.t('Each hierarchy of controllers with its whole tree of cgroups'),
    },
  ];
  const items = choices.map((choice) =>
    choice.grouping === tree.grouping ? { ...choice, description: vscode.l10n.t('shown now') } : choice,
  );
  const picked = await pick(items);
  if (picked !== undefined) await tree.group(picked.grouping);
}
