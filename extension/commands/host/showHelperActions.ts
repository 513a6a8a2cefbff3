import * as vscode from 'vscode';
import { Command, type CommandId } from '../../base/commandIds.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { pick } from '../../plain/pick.ts';

export const restartHelperCommand: CommandContribution = {
  id: 'isoscope.helper.restart',
  title: 'Restart Helper',
  icon: 'debug-restart',
  menus: {
    'view/title': [{ group: '2_helper@2', when: IN_ANY_VIEW }],
    'view/item/context': [{ group: 'inline@1', when: [IN_ANY_VIEW, { row: 'notice' }, { row: 'failed' }] }],
  },
};

export const restartHelperAsRootCommand: CommandContribution = {
  id: 'isoscope.helper.restartAsRoot',
  title: 'Become Root…',
  icon: 'shield',
  menus: {
    'view/title': [{ group: '2_helper@1', when: [IN_ANY_VIEW, { context: 'mode', is: 'unprivileged' }] }],
    'view/item/context': [{ group: 'inline@1', when: [IN_ANY_VIEW, { row: 'needsRoot' }] }],
  },
};

export const restartHelperAsUserCommand: CommandContribution = {
  id: 'isoscope.helper.restartAsUser',
  title: 'Go On Without Root',
};

export const showHelperActionsCommand: CommandContribution = {
  id: 'isoscope.helper.showActions',
  title: 'Helper…',
};

export const showHelperLogCommand: CommandContribution = {
  id: 'isoscope.helper.showLog',
  title: 'Show Log',
  icon: 'output',
  onEveryPlatform: true,
  menus: {
    'view/title': [{ group: '2_helper@3', when: IN_ANY_VIEW }],
    'view/item/context': [{ group: 'inline@2', when: [IN_ANY_VIEW, { row: 'notice' }, { row: 'failed' }] }],
  },
};

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
