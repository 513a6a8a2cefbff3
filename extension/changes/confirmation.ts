import * as vscode from 'vscode';
import type { CgroupsExplainResult } from '../../helper/protocol/cgroups.ts';
import { askModally } from '../plain/notify.ts';
import { explainText } from '../words/explainText.ts';

/** A modal question with every step and every warning. A danger names itself in the button. */
export async function confirmed(title: string, verb: string, explained: CgroupsExplainResult): Promise<boolean> {
  const danger = explained.warnings.some(({ severity }) => severity === 'danger');
  const agree = danger ? vscode.l10n.t('{0} Anyway', verb) : verb;
  // What ends processes is grave without any warning.
  const grave = explained.warnings.length > 0 || explained.steps.some((step) => step.do === 'signal');
  const choice = await askModally({ message: title, detail: explainText(explained), choices: [agree], grave });
  return choice === agree;
}
