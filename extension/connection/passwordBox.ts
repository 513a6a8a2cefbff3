import * as vscode from 'vscode';
import { Command } from '../base/commandIds.ts';
import { createBox, setProblem } from '../plain/box.ts';
import { commandTitle } from '../plain/runningCommand.ts';
import type { PasswordQuestion } from './passwordServer.ts';

/**
 * Asks for the password that sudo wants, of a person who has just chosen to become root. VS Code adds to the prompt how the box is answered and
 * cancelled. Undefined when it was cancelled, or sudo no longer waits.
 */
export async function showPasswordBox(question: PasswordQuestion): Promise<string | undefined> {
  const box = createBox({
    title: commandTitle(Command.restartHelperAsRoot),
    // sudo's own words say whose password it is.
    prompt: question.prompt,
    placeHolder: vscode.l10n.t('Password for sudo; it is stored nowhere'),
  });
  box.password = true;
  if (question.again) setProblem(box, vscode.l10n.t('The password was wrong. Try again. {0}', question.prompt));
  try {
    return await new Promise<string | undefined>((resolve) => {
      box.onDidAccept(() => resolve(box.value));
      box.onDidChangeValue(() => setProblem(box, undefined));
      box.onDidHide(() => resolve(undefined));
      question.abandoned.addEventListener('abort', () => resolve(undefined), { once: true });
      if (question.abandoned.aborted) resolve(undefined);
      box.show();
    });
  } finally {
    box.dispose();
  }
}
