import * as vscode from 'vscode';
import type { CgroupChanges } from '../changes/cgroupChanges.ts';
import { pickCgroup } from '../changes/cgroupPicks.ts';
import type { CommandTarget } from '../target.ts';

/** Stops every process of a cgroup where it stands, or lets all go on. */
export async function freezeCgroup(changes: CgroupChanges, frozen: boolean, target: CommandTarget = {}): Promise<void> {
  const title = frozen ? vscode.l10n.t('Freeze Cgroup') : vscode.l10n.t('Thaw Cgroup');
  const cgroup = await pickCgroup(changes.host, target, 'freezer', title);
  if (cgroup !== undefined) await changes.make(cgroup, { kind: 'freeze', frozen });
}
