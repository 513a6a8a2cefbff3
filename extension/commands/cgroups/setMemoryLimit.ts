import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { setBytesLimit } from '../../changes/bytesLimit.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { present } from '../../changes/valueBox.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';

export const setMemoryLimitCommand: CommandContribution = {
  id: 'isoscope.cgroups.setMemoryLimit',
  title: 'Set Memory Limit…',
  menus: {
    'isoscope.cgroups.limits': [{ group: '2_memory@1', when: { row: 'memoryLimits' } }],
  },
};

/** The hard limit: above it the kernel reclaims, and then kills. */
export async function setMemoryLimit(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const what = vscode.l10n.t('The memory limit');
  await setBytesLimit(changes, target, {
    prompt: () => vscode.l10n.t('The most memory that it may have; out of it, the kernel kills one of its processes'),
    now: ({ memory }) => present(present(memory, what).limit, what).own,
    change: (limitBytes) => ({ kind: 'memoryLimit', limitBytes }),
  });
}
