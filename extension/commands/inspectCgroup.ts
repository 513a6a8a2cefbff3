import { cgroupsOf, pickCgroup } from '../changes/cgroupPicks.ts';
import type { Host } from '../host/host.ts';
import type { CgroupPanels } from '../panels/cgroupPanels.ts';
import type { CommandTarget } from '../target.ts';

/** Opens the page on a cgroup, or on a container's cgroups of every hierarchy together. */
export async function inspectCgroup(host: Host, panels: CgroupPanels, target: CommandTarget = {}): Promise<void> {
  const given = await cgroupsOf(host, target);
  if (given.length > 0) {
    panels.show(given);
    return;
  }
  const picked = await pickCgroup(host, {}, 'any');
  if (picked !== undefined) panels.show([picked]);
}
