import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { pickProcess } from '../../programs/targetPicks.ts';
import { cgroupTitle } from '../../words/cgroupWords.ts';

export const moveProcessCommand: CommandContribution = {
  id: 'isoscope.cgroups.moveProcess',
  title: 'Move Process to Cgroup…',
  menus: {
    'view/item/context': [{ group: '4_change@5', when: [IN_ANY_VIEW, { row: 'cgroupRow' }, ONE_ROW] }],
  },
};

/** Moves a process that the person chooses into a cgroup. */
export async function moveProcess(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'any');
  if (cgroup === undefined) return;
  const name = cgroupTitle(changes.host.cgroups.model.cgroup(cgroup) ?? cgroup);
  const process = await pickProcess(changes.connection, { of: name });
  if (process !== undefined) await changes.make(cgroup, { kind: 'move', process });
}
