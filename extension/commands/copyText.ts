/** Copies what a row or a list says. */
import * as vscode from 'vscode';
import type { CommandContribution } from '../base/contributions.ts';
import { NEVER } from '../base/when.ts';
import { sayDone } from '../plain/notify.ts';

export const copyTextCommand: CommandContribution = {
  id: 'isoscope.copy.text',
  title: 'Copy Text',
  palette: NEVER,
};

export async function copyText(text: string): Promise<void> {
  await vscode.env.clipboard.writeText(text);
  sayDone(vscode.l10n.t('Copied'));
}
