import * as vscode from 'vscode';
import type { HelperConnection } from '../connection/connection.ts';
import { Command, type CommandId } from '../ids.ts';
import { pick } from '../words/pick.ts';

interface Action extends vscode.QuickPickItem {
  command: CommandId;
}

/** What a click on the status bar offers. */
export async function showHelperActions(connection: HelperConnection): Promise<void> {
  const picked = await pick(actionsFor(connection), {
    placeHolder: vscode.l10n.t('What to do with the helper'),
  });
  if (picked !== undefined) await vscode.commands.executeCommand(picked.command);
}

function actionsFor({ state }: HelperConnection): Action[] {
  const restart: Action = {
    label: vscode.l10n.t('Restart Helper'),
    iconPath: new vscode.ThemeIcon('debug-restart'),
    ...(state.kind === 'failed' ? { detail: state.message } : {}),
    command: Command.restartHelper,
  };
  const asRoot: Action = {
    label: vscode.l10n.t('Become Root…'),
    iconPath: new vscode.ThemeIcon('shield'),
    detail: vscode.l10n.t('Asks for a password when sudo wants one.'),
    command: Command.restartHelperAsRoot,
  };
  const asUser: Action = {
    label: vscode.l10n.t('Go On Without Root'),
    iconPath: new vscode.ThemeIcon('person'),
    detail: vscode.l10n.t('What it may not read is then shown as unknown.'),
    command: Command.restartHelperAsUser,
  };
  const log: Action = {
    label: vscode.l10n.t('Show Log'),
    iconPath: new vscode.ThemeIcon('output'),
    command: Command.showHelperLog,
  };
  // For a window that is root's own there is nothing to choose.
  if (process.getuid?.() === 0) return [restart, log];
  const isRoot = state.kind === 'ready' && state.host.uid === 0;
  return isRoot ? [restart, asUser, log] : [asRoot, restart, log];
}
