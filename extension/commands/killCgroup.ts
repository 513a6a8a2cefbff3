import * as vscode from 'vscode';
import type { CgroupChanges } from '../changes/cgroupChanges.ts';
import { pickCgroup } from '../changes/cgroupPicks.ts';
import type { CommandTarget } from '../target.ts';

/** Kills every process of a cgroup and below, with none left that could fork: on v1 of the freezer's where the target has one. */
export async function killCgroup(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const title = vscode.l10n.t('Kill All in Cgroup');
  const ability = (target.cgroups?.length ?? 0) === 1 ? 'any' : 'freezer';
  const cgroup = await pickCgroup(changes.host, target, ability, title);
  if (cgroup !== undefined) await changes.make(cgroup, { kind: 'kill' });
}
