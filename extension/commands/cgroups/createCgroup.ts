import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { readCgroupName } from '../../changes/cgroupInput.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import { askForValue } from '../../changes/valueBox.ts';
import { nameOfCgroup } from '../../model/cgroupModel.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { oneLine } from '../../plain/plainText.ts';
import { cgroupTitle } from '../../words/cgroupWords.ts';

export const createCgroupCommand: CommandContribution = {
  id: 'isoscope.cgroups.create',
  title: 'Create Child Cgroup…',
  menus: {
    'view/item/context': [{ group: '4_change@4', when: [IN_ANY_VIEW, { row: 'cgroupRow' }, ONE_ROW] }],
  },
};

/** Makes an empty cgroup below another. */
export async function createCgroup(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'any');
  if (cgroup === undefined) return;
  const { model } = changes.host.cgroups;
  const taken = model.childrenOf(cgroup).map(nameOfCgroup);
  const above = cgroupTitle(model.cgroup(cgroup) ?? cgroup);
  const name = await askForValue({
    of: above,
    prompt: vscode.l10n.t('Name of the new cgroup, which begins empty'),
    placeholder: vscode.l10n.t('workload'),
    value: '',
    read: (text) => readCgroupName(text, taken),
    words: (text) => vscode.l10n.t('{0} below {1}', oneLine(text, 60), above),
  });
  if (name !== undefined) await changes.make(cgroup, { kind: 'create', name });
}
