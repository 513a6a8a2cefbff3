import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';

export const killCgroupCommand: CommandContribution = {
  id: 'isoscope.cgroups.kill',
  title: 'Kill All Processes of Cgroup…',
  icon: 'trash',
  menus: {
    'view/item/context': [{ group: '5_end@1', when: [IN_ANY_VIEW, { row: 'cgroupRow' }, { notRow: 'rootCgroup' }, ONE_ROW] }],
  },
};

/** Kills every process of a cgroup and below: a container by its cgroup that can be frozen, so that none is left that could fork. */
export async function killCgroup(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const ability = target.container === undefined ? 'any' : 'freezer';
  const cgroup = await pickCgroup(changes.host, target, ability);
  if (cgroup !== undefined) await changes.make(cgroup, { kind: 'kill' });
}
