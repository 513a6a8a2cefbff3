import * as vscode from 'vscode';
import type { CommandId } from '../base/commandIds.ts';
import { noteAct } from '../connection/personActs.ts';
import { say } from '../plain/notify.ts';
import { asCommand } from '../plain/runningCommand.ts';
import { showFailure } from '../words/failureMessage.ts';

/** Registers a command whose failure is shown to the person, with what can be done about it. */
export function registerCommand<A extends unknown[]>(id: CommandId, run: (...given: A) => unknown): vscode.Disposable {
  return vscode.commands.registerCommand(id, async (...given: A) => {
    noteAct();
    try {
      await asCommand(id, () => run(...given));
    } catch (error) {
      void showFailure(error);
    }
  });
}

/**
 * Registers a command of the menus of rows. VS Code tells which row by a handle; while a list is being drawn again its rows have
 * none, and what is chosen then comes with nothing in the row's place (from the palette nothing at all comes). To act on another
 * row, or to ask as if none had been meant, would be wrong.
 */
export function registerRowCommand<A extends unknown[]>(id: CommandId, run: (...given: A) => unknown): vscode.Disposable {
  return registerCommand<A>(id, (...given) => {
    if (given.length === 0 || isRow(given[0])) return run(...given);
    return say(vscode.l10n.t('The list was drawn again just then, and the row is not known any more. Choose the entry again.'));
  });
}

/** Where the handle should be there is nothing, or how the workbench would open an editor. */
function isRow(given: unknown): boolean {
  return typeof given === 'object' && given !== null && !('preserveFocus' in given);
}
