import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import { createBox } from '../../plain/box.ts';
import type { TreeFilter } from '../../trees/treeFilter.ts';

export const clearFilterCommand: CommandContribution = {
  id: 'isoscope.view.clearFilter',
  title: 'Clear Filter',
  icon: 'filter-filled',
  palette: { context: 'filtered' },
  menus: {
    'view/title': [{ group: 'navigation@2', when: [IN_ANY_VIEW, { context: 'filtered' }] }],
  },
};

export const filterCommand: CommandContribution = {
  id: 'isoscope.view.filter',
  title: 'Filter…',
  icon: 'filter',
  menus: {
    'view/title': [
      { group: 'navigation@2', when: [IN_ANY_VIEW, { notContext: 'filtered' }] },
      { group: '1_filter@1', when: [IN_ANY_VIEW, { context: 'filtered' }] },
    ],
  },
};

/**
 * Asks for the text to filter the trees by, and filters as it is typed. Escape brings back the filter from before. The box stays
 * while something else has the focus, so that one can look around in the rows that are left.
 */
export function filterTrees(filter: TreeFilter): void {
  const before = filter.text;
  const box = createBox({
    placeHolder: vscode.l10n.t('Name, image, id, command, user or pid; empty shows everything'),
    value: before,
  });
  let accepted = false;
  box.onDidChangeValue((text) => {
    filter.text = text;
  });
  box.onDidAccept(() => {
    accepted = true;
    box.hide();
  });
  box.onDidHide(() => {
    if (!accepted) filter.text = before;
    box.dispose();
  });
  box.show();
}
