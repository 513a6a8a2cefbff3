import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { setBytesLimit } from '../../changes/bytesLimit.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { present } from '../../changes/valueBox.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';

export const setSwapLimitCommand: CommandContribution = {
  id: 'isoscope.cgroups.setSwapLimit',
  title: 'Set Swap Limit…',
  menus: {
    'isoscope.cgroups.limits': [{ group: '2_memory@3', when: { row: 'memoryLimits' } }],
  },
};

/** v2 limits swap alone, v1 memory and swap together: the question says which. */
export async function setSwapLimit(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const what = vscode.l10n.t('The swap limit');
  await setBytesLimit(changes, target, {
    prompt: ({ version }) =>
      version === 2
        ? vscode.l10n.t('The most swap that it may use (memory.swap.max)')
        : vscode.l10n.t('The most memory and swap together (memory.memsw.limit_in_bytes); at least the memory limit'),
    now: ({ memory }) => present(present(memory, what).swapLimit, what).own,
    change: (limitBytes) => ({ kind: 'swapLimit', limitBytes }),
  });
}
