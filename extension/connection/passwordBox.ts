import * as vscode from 'vscode';
import { createBox, setProblem } from '../words/box.ts';
import type { PasswordQuestion } from './passwordServer.ts';

/** What the person did with the box: gave a password, closed it, or chose to go on without root from now on. */
export type PasswordReply = { kind: 'password'; password: string } | { kind: 'cancelled' } | { kind: 'withoutRoot' };

/** Asks for the password that sudo wants. Ends as cancelled when sudo no longer waits. */
export async function showPasswordBox(question: PasswordQuestion): Promise<PasswordReply> {
  const box = createBox({
    otherwise: vscode.l10n.t('Isoscope: run the helper as root'),
    // sudo's own words say whose password it is.
    prompt: question.prompt,
    placeHolder: vscode.l10n.t('The password goes to sudo and is stored nowhere. Escape continues without root.'),
    ignoreFocusOut: true,
  });
  const withoutRoot: vscode.QuickInputButton = {
    iconPath: new vscode.ThemeIcon('account'),
    tooltip: vscode.l10n.t('Continue without root'),
  };
  box.password = true;
  box.buttons = [withoutRoot];
  if (question.again) setProblem(box, vscode.l10n.t('The password was wrong. Try again. {0}', question.prompt));
  try {
    return await new Promise<PasswordReply>((resolve) => {
      box.onDidAccept(() => resolve({ kind: 'password', password: box.value }));
      box.onDidTriggerButton(() => resolve({ kind: 'withoutRoot' }));
      box.onDidChangeValue(() => setProblem(box, undefined));
      box.onDidHide(() => resolve({ kind: 'cancelled' }));
      question.abandoned.addEventListener('abort', () => resolve({ kind: 'cancelled' }), { once: true });
      if (question.abandoned.aborted) resolve({ kind: 'cancelled' });
      box.show();
    });
  } finally {
    box.dispose();
  }
}
