import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, LIMITED_ROW, ONE_ROW } from '../../base/when.ts';
import { cgroupsOf, pickCgroup } from '../../changes/cgroupPicks.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { CgroupPanels } from '../../panels/cgroupPanels.ts';

export const inspectCgroupCommand: CommandContribution = {
  id: 'isoscope.cgroups.inspect',
  title: 'Inspect Cgroup',
  icon: 'inspect',
  menus: {
    'view/item/context': [
      { group: 'inline@2', when: [IN_ANY_VIEW, { row: 'cgroupRow' }] },
      { group: '2_look@2', when: [IN_ANY_VIEW, { anyOf: [LIMITED_ROW, { row: 'container' }] }, ONE_ROW] },
    ],
  },
};

/** Opens the page on a cgroup, or on a container's cgroups of every hierarchy together. */
export async function inspectCgroup(host: Host, panels: CgroupPanels, target: CommandTarget = {}): Promise<void> {
  const given = await cgroupsOf(host, target);
  if (given !== undefined) {
    panels.show(given);
    return;
  }
  const picked = await pickCgroup(host, {}, 'any');
  if (picked !== undefined) panels.show([picked]);
}
