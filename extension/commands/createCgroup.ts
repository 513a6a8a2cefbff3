import * as vscode from 'vscode';
import type { CgroupChanges } from '../changes/cgroupChanges.ts';
import { pickCgroup } from '../changes/cgroupPicks.ts';
import { askForValue } from '../changes/valueBox.ts';
import type { CommandContribution } from '../contributions.ts';
import { readCgroupName } from '../host/cgroupInput.ts';
import { nameOfCgroup } from '../host/cgroupModel.ts';
import { cgroupTitle } from '../host/cgroupWords.ts';
import { oneLine } from '../host/plainText.ts';
import type { CommandTarget } from '../target.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../when.ts';

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
