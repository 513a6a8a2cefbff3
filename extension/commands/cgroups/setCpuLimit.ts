import os from 'node:os';
import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { readBandwidth } from '../../changes/cgroupInput.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import { askForValue, figureOr, present } from '../../changes/valueBox.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { bandwidthText, cgroupTitle, percentText, USUAL_PERIOD_MICROS } from '../../words/cgroupWords.ts';

export const setCpuLimitCommand: CommandContribution = {
  id: 'isoscope.cgroups.setCpuLimit',
  title: 'Set CPU Limit…',
  icon: 'dashboard',
  menus: {
    'isoscope.cgroups.limits': [{ group: '1_cpu@1', when: { row: 'cpuLimits' } }],
  },
};

/** As a share of one CPU, as CPUs, or as quota and period. */
export async function setCpuLimit(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'cpu');
  if (cgroup === undefined) return;
  const inspected = await changes.inspect(cgroup);
  const cpu = present(inspected.cpu, vscode.l10n.t('The CPU limit'));
  const { own } = present(cpu.limit, vscode.l10n.t('The CPU limit'));
  const period = figureOr(cpu.periodMicros, USUAL_PERIOD_MICROS);
  const bandwidth = await askForValue({
    of: cgroupTitle(inspected),
    prompt: vscode.l10n.t('A share of one CPU, CPUs, quota/period in µs, or max'),
    placeholder: vscode.l10n.t('50 %, 1.5 cores, 2000/100000 or max'),
    value: own === null ? 'max' : percentText(own),
    read: (text) => readBandwidth(text, period, os.cpus().length),
    words: ({ quotaMicros, periodMicros }) =>
      quotaMicros === null ? vscode.l10n.t('No limit of its own') : bandwidthText(quotaMicros, periodMicros),
  });
  if (bandwidth !== undefined) await changes.make(cgroup, { kind: 'cpuLimit', ...bandwidth });
}
