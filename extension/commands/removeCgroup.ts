import type { CgroupChanges } from '../changes/cgroupChanges.ts';
import { pickCgroup } from '../changes/cgroupPicks.ts';
import type { CommandTarget } from '../target.ts';

/** Removes a cgroup that has neither processes nor children: the kernel refuses every other. */
export async function removeCgroup(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'any');
  if (cgroup !== undefined) await changes.make(cgroup, { kind: 'remove' });
}
