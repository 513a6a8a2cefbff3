import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';

export const removeCgroupCommand: CommandContribution = {
  id: 'isoscope.cgroups.remove',
  title: 'Remove Cgroup…',
  menus: {
    'view/item/context': [{ group: '5_end@2', when: [IN_ANY_VIEW, { row: 'cgroupRow' }, { notRow: 'rootCgroup' }, ONE_ROW] }],
  },
};

/** Removes a cgroup that has neither processes nor children: the kernel refuses every other. */
export async function removeCgroup(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'any');
  if (cgroup !== undefined) await changes.make(cgroup, { kind: 'remove' });
}
