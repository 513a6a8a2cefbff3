import type { CgroupChanges } from '../changes/cgroupChanges.ts';
import { pickCgroup } from '../changes/cgroupPicks.ts';
import type { CommandTarget } from '../target.ts';

/** Stops every process of a cgroup where it stands, or lets all go on. */
export async function freezeCgroup(changes: CgroupChanges, frozen: boolean, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'freezer');
  if (cgroup !== undefined) await changes.make(cgroup, { kind: 'freeze', frozen });
}
