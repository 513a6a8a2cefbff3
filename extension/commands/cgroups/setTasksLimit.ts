import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { readCount } from '../../changes/cgroupInput.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import { askForValue, present } from '../../changes/valueBox.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { cgroupTitle, tasksText } from '../../words/cgroupWords.ts';

export const setTasksLimitCommand: CommandContribution = {
  id: 'isoscope.cgroups.setTasksLimit',
  title: 'Set Limit of Tasks…',
  menus: {
    'isoscope.cgroups.limits': [{ group: '3_tasks@1', when: { row: 'pidsLimits' } }],
  },
};

/** `PID_MAX_LIMIT` of 64-bit kernels. */
const MOST_TASKS = 4_194_304;

/** How many processes and threads there may be. */
export async function setTasksLimit(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'pids');
  if (cgroup === undefined) return;
  const inspected = await changes.inspect(cgroup);
  const what = vscode.l10n.t('The limit of tasks');
  const { own } = present(present(inspected.pids, what).limit, what);
  const limit = await askForValue({
    of: cgroupTitle(inspected),
    prompt: vscode.l10n.t('How many processes and threads it may have, those below it counted; fork fails beyond'),
    placeholder: vscode.l10n.t('100 or max'),
    value: own === null ? 'max' : String(own),
    read: (text) => readCount(text, { least: 0, most: MOST_TASKS, unlimited: true }),
    words: (value) => (value === null ? vscode.l10n.t('No limit of its own') : vscode.l10n.t('At most {0}', tasksText(value))),
  });
  if (limit !== undefined) await changes.make(cgroup, { kind: 'tasksLimit', limit });
}
