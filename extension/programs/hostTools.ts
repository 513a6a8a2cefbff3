import * as vscode from 'vscode';
import { HelperError } from '../connection/helperError.ts';
import { type MessageAction, showFailure } from '../words/failureMessage.ts';

/**
 * Shows why no program could be started in a target. When the target's files have none to run (an image without a
 * shell), offers `enterWithHostTools` instead.
 */
export async function showStartFailure(error: unknown, enterWithHostTools: () => unknown): Promise<void> {
  const lacksProgram = error instanceof HelperError && error.reason === 'notFound';
  const action: MessageAction = { title: vscode.l10n.t('Use the Host’s Tools'), run: enterWithHostTools };
  await showFailure(error, lacksProgram ? [action] : []);
}
