import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';

export const freezeCgroupCommand: CommandContribution = {
  id: 'isoscope.cgroups.freeze',
  title: 'Freeze Cgroup',
  icon: 'debug-pause',
  menus: {
    'view/item/context': [
      { group: '4_change@2', when: [IN_ANY_VIEW, { row: 'cgroupRow' }, { row: 'thawed' }, { notRow: 'rootCgroup' }, ONE_ROW] },
    ],
  },
};

export const thawCgroupCommand: CommandContribution = {
  id: 'isoscope.cgroups.thaw',
  title: 'Thaw Cgroup',
  icon: 'debug-continue',
  menus: {
    'view/item/context': [
      { group: '4_change@3', when: [IN_ANY_VIEW, { row: 'cgroupRow' }, { row: 'frozen' }, { notRow: 'rootCgroup' }, ONE_ROW] },
    ],
  },
};

/** Stops every process of a cgroup where it stands, or lets all go on. */
export async function freezeCgroup(changes: CgroupChanges, frozen: boolean, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'freezer');
  if (cgroup !== undefined) await changes.make(cgroup, { kind: 'freeze', frozen });
}
