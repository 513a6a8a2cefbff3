import * as vscode from 'vscode';
import { type CommandId, Command as Id } from '../base/commandIds.ts';
import { HelperError } from '../connection/helperError.ts';
import { complain } from '../plain/notify.ts';
import { plainLines } from '../plain/plainText.ts';

/** A button of an error message, and what it does. */
export interface MessageAction {
  title: string;
  run: () => unknown;
}

/** A failure that knows what can be done about it. */
export class MendableError extends Error {
  readonly actions: readonly MessageAction[];

  constructor(message: string, ...actions: MessageAction[]) {
    super(message);
    this.actions = actions;
  }
}

/** Shows why something failed, with what can be done about it: what the caller offers, then what fits the reason. */
export async function showFailure(error: unknown, offered: MessageAction[] = []): Promise<void> {
  if (error instanceof vscode.CancellationError) return;
  if (error instanceof HelperError && error.reason === 'cancelled') return;
  const actions = [...offered, ...actionsFor(error)];
  const choice = await complain(failureText(error), ...actions.map((action) => action.title));
  await actions.find((action) => action.title === choice)?.run();
}

/** Why something failed, in plain words for a person. */
export function failureText(error: unknown): string {
  const message = plainLines(error instanceof Error ? error.message : String(error));
  const hint = error instanceof HelperError ? error.hint : undefined;
  return hint === undefined ? message : `${message} ${hint}`;
}

function actionsFor(error: unknown): MessageAction[] {
  const showLog = command(vscode.l10n.t('Show Log'), Id.showHelperLog);
  if (error instanceof MendableError) return [...error.actions];
  if (!(error instanceof HelperError)) return [showLog];
  switch (error.reason) {
    case 'permission':
      return [command(vscode.l10n.t('Become Root…'), Id.restartHelperAsRoot)];
    case 'disconnected':
      return [command(vscode.l10n.t('Restart Helper'), Id.restartHelper), showLog];
    case 'kernel':
      return [showLog];
    default:
      return [];
  }
}

function command(title: string, id: CommandId): MessageAction {
  return { title, run: () => vscode.commands.executeCommand(id) };
}
