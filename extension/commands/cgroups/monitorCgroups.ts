import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, LIMITED_ROW } from '../../base/when.ts';
import { cgroupsOf, pickCgroup } from '../../changes/cgroupPicks.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { MonitorPanels } from '../../panels/monitorPanels.ts';

export const monitorCgroupsCommand: CommandContribution = {
  id: 'isoscope.cgroups.monitor',
  title: 'Monitor Cgroups',
  icon: 'graph-line',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: 'cgroupRow' }] },
      { group: '1_limits@2', when: [IN_ANY_VIEW, { anyOf: [LIMITED_ROW, { row: 'container' }] }] },
    ],
  },
};

/** Charts of the selected rows side by side, of a container's cgroups, or of one that the person chooses. */
export async function monitorCgroups(
  host: Host,
  panels: MonitorPanels,
  target: CommandTarget = {},
  selected: readonly CommandTarget[] = [],
): Promise<void> {
  const targets = selected.length > 0 ? selected : [target];
  const named = (await Promise.all(targets.map((one) => cgroupsOf(host, one)))).filter((one) => one !== undefined);
  if (named.length > 0) return panels.show(named.flat());
  const picked = await pickCgroup(host, {}, 'any');
  if (picked !== undefined) panels.show([picked]);
}
