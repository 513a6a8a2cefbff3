import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { readCount } from '../../changes/cgroupInput.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import { askForValue, present } from '../../changes/valueBox.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { cgroupTitle, numberText } from '../../words/cgroupWords.ts';

export const setCpuWeightCommand: CommandContribution = {
  id: 'isoscope.cgroups.setCpuWeight',
  title: 'Set CPU Weight…',
  menus: {
    'isoscope.cgroups.limits': [{ group: '1_cpu@2', when: { row: 'cpuLimits' } }],
  },
};

/** Bounds of `cpu.weight` (v2) and `cpu.shares` (v1). */
const BOUNDS = { 2: { least: 1, most: 10_000, usual: 100 }, 1: { least: 2, most: 262_144, usual: 1024 } };

/** The share among siblings that compete for the CPU. */
export async function setCpuWeight(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'cpu');
  if (cgroup === undefined) return;
  const inspected = await changes.inspect(cgroup);
  const what = vscode.l10n.t('The CPU weight');
  const { value, file } = present(present(inspected.cpu, what).weight, what);
  const { least, most, usual } = BOUNDS[inspected.version];
  const weight = await askForValue({
    of: cgroupTitle(inspected),
    prompt: vscode.l10n.t(
      'How much it gets beside its siblings when all of them want the CPU ({0}, usually {1})',
      file,
      numberText(usual),
    ),
    placeholder: String(usual),
    value: String(value),
    read: (text) => readCount(text, { least, most, unlimited: false }),
    words: (count) => weightWords(count ?? usual, usual),
  });
  if (weight !== undefined && weight !== null) await changes.make(cgroup, { kind: 'cpuWeight', weight });
}

function weightWords(weight: number, usual: number): string {
  if (weight === usual) return vscode.l10n.t('As much as a sibling that nobody changed');
  const times = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 }).format(weight / usual);
  return vscode.l10n.t('{0} times as much as a sibling that nobody changed', times);
}
