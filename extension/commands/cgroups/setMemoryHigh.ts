import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { setBytesLimit } from '../../changes/bytesLimit.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { present } from '../../changes/valueBox.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';

export const setMemoryHighCommand: CommandContribution = {
  id: 'isoscope.cgroups.setMemoryHigh',
  title: 'Set Memory Throttle…',
  menus: {
    'isoscope.cgroups.limits': [{ group: '2_memory@2', when: [{ row: 'memoryLimits' }, { row: 'v2' }] }],
  },
};

/** v2's `memory.high`: above it processes are slowed down and memory reclaimed, and none is killed. */
export async function setMemoryHigh(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const what = vscode.l10n.t('The memory throttle');
  await setBytesLimit(changes, target, {
    prompt: () => vscode.l10n.t('Above this much memory its processes are slowed down; none is killed (memory.high)'),
    now: ({ memory }) => present(present(memory, what).highBytes, what),
    change: (limitBytes) => ({ kind: 'memoryHigh', limitBytes }),
  });
}
