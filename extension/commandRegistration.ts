import * as vscode from 'vscode';
import { showFailure } from './failureMessage.ts';
import type { CommandId } from './ids.ts';

/** Registers a command whose failure is shown to the person, with what can be done about it. */
export function registerCommand<A extends unknown[]>(id: CommandId, run: (...given: A) => unknown): vscode.Disposable {
  return vscode.commands.registerCommand(id, async (...given: A) => {
    try {
      await run(...given);
    } catch (error) {
      void showFailure(error);
    }
  });
}
