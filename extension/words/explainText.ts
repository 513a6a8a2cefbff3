/** What a change would do, as a person reads it before agreeing: the warnings, then each file with what stands there and what will. */
import { l10n } from 'vscode';
import type { CgroupsExplainResult } from '../../helper/protocol/cgroups.ts';
import { oneLine } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';
import { shortPath } from './cgroupWords.ts';

type Step = CgroupsExplainResult['steps'][number];

/** A modal box shows some twenty lines. */
const MOST_STEPS = 8;
const VALUE_LENGTH = 80;
const WARNING_LENGTH = 600;

export function explainText({ steps, warnings }: CgroupsExplainResult): string {
  const notes = warnings.map(({ message }) => `⚠ ${oneLine(saidText(message), WARNING_LENGTH)}`);
  const shown = steps.slice(0, MOST_STEPS).map(stepText);
  if (steps.length > shown.length) shown.push(l10n.t('and {0} more steps', steps.length - shown.length));
  if (shown.length === 0) shown.push(l10n.t('Nothing needs to be written.'));
  return [...notes, ...shown].join('\n\n');
}

export function stepText(step: Step): string {
  switch (step.do) {
    case 'write':
      return `${shortPath(step.file)}\n${valuesText(step)}`;
    case 'mkdir':
      return l10n.t('Make the directory {0}', shortPath(step.directory));
    case 'rmdir':
      return l10n.t('Remove the directory {0}', shortPath(step.directory));
    case 'signal':
      return step.processes === 1
        ? l10n.t('Send {0} to 1 process', step.signal)
        : l10n.t('Send {0} to {1} processes', step.signal, step.processes);
  }
}

function valuesText({ before, text }: Extract<Step, { do: 'write' }>): string {
  const after = oneLine(text.trim(), VALUE_LENGTH);
  // A file that is an order has no value before it.
  if (typeof before !== 'string') return l10n.t('write {0}', after);
  const now = before.trim() === '' ? l10n.t('empty') : oneLine(before.trim(), VALUE_LENGTH);
  return `${now} → ${after}`;
}
