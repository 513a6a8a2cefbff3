import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import { present } from '../../changes/valueBox.ts';
import { HelperError } from '../../connection/helperError.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { pick } from '../../plain/pick.ts';
import { cgroupTitle } from '../../words/cgroupWords.ts';

export const switchControllerCommand: CommandContribution = {
  id: 'isoscope.cgroups.switchController',
  title: 'Enable or Disable Cgroup Controller…',
  menus: {
    'view/item/context': [{ group: '4_change@6', when: [IN_ANY_VIEW, { row: 'cgroupRow' }, { row: 'v2' }, ONE_ROW] }],
  },
};

/** v2: enables or disables a controller for the children of a cgroup. */
export async function switchController(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'any');
  if (cgroup === undefined) return;
  const inspected = await changes.inspect(cgroup);
  const enabled = present(inspected.childControllers, vscode.l10n.t('The controllers of its children'));
  if (inspected.controllers.length === 0) {
    const name = cgroupTitle(inspected);
    throw new HelperError(
      'unsupported',
      vscode.l10n.t('{0} has no controller that it could hand down.', name),
      inspected.path === '/'
        ? vscode.l10n.t('This host has given them all to v1 hierarchies.')
        : vscode.l10n.t('Enable one for the children of the cgroup above first.'),
    );
  }
  const items = inspected.controllers.map((controller) => ({
    label: controller,
    description: enabled.includes(controller) ? vscode.l10n.t('enabled; choose to disable') : vscode.l10n.t('choose to enable'),
    controller,
  }));
  const picked = await pick(items, {
    of: cgroupTitle(inspected),
    placeHolder: vscode.l10n.t('For the children; except at the root, v2 wants no process beside children with controllers'),
  });
  if (picked === undefined) return;
  const { controller } = picked;
  await changes.make(cgroup, { kind: 'controller', controller, enabled: !enabled.includes(controller) });
}
