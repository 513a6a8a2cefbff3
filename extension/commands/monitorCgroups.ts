import type { CgroupRef } from '../../helper/protocol/cgroups.ts';
import { cgroupsOf, pickCgroup } from '../changes/cgroupPicks.ts';
import type { Host } from '../host/host.ts';
import type { MonitorPanels } from '../panels/monitorPanels.ts';
import type { CommandTarget } from '../target.ts';

/** Charts of the selected rows side by side, of a container's cgroups, or of one that the person chooses. */
export async function monitorCgroups(
  host: Host,
  panels: MonitorPanels,
  target: CommandTarget = {},
  selected: readonly CommandTarget[] = [],
): Promise<void> {
  const targets = selected.length > 0 ? selected : [target];
  const cgroups: CgroupRef[] = (await Promise.all(targets.map((one) => cgroupsOf(host, one)))).flat();
  if (cgroups.length === 0) {
    const picked = await pickCgroup(host, {}, 'any');
    if (picked !== undefined) cgroups.push(picked);
  }
  if (cgroups.length > 0) panels.show(cgroups);
}
