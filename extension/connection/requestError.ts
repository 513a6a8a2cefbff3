import * as vscode from 'vscode';
import { ErrorCodes, ResponseError } from 'vscode-jsonrpc';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import { saidText } from '../plain/saidText.ts';
import { HelperError } from './helperError.ts';

/** What a failed request is to its caller: the helper's refusal in the person's words, or the end of the helper. */
export function requestErrorFrom(method: string, error: unknown, token?: vscode.CancellationToken): HelperError {
  if (token?.isCancellationRequested === true) return cancelled();
  if (!(error instanceof ResponseError)) return disconnected();
  if (error.code === ErrorCodes.PendingResponseRejected) return disconnected();
  if (error.code === ErrorCodes.MethodNotFound) {
    return new HelperError('unsupported', vscode.l10n.t('This helper does not know the request {0}.', method));
  }
  const data = error.data as ErrorData | undefined;
  const message = data?.text === undefined ? error.message : saidText(data.text);
  const hint = data?.hint === undefined ? undefined : saidText(data.hint);
  return new HelperError(data?.reason ?? 'kernel', message, hint, data);
}

export function cancelled(): HelperError {
  return new HelperError('cancelled', vscode.l10n.t('Cancelled.'));
}

export function disconnected(): HelperError {
  return new HelperError(
    'disconnected',
    vscode.l10n.t('The helper is not running.'),
    vscode.l10n.t('Restart it; the log says why it ended.'),
  );
}

/** See personActs.ts. */
export function notAskedFor(): HelperError {
  return new HelperError(
    'permission',
    vscode.l10n.t('In Restricted Mode the helper is not started before you ask for it.'),
    vscode.l10n.t('Open the Isoscope view, or trust the workspace.'),
  );
}

export function unsupportedPlatform(): HelperError {
  return new HelperError(
    'unsupported',
    vscode.l10n.t('Isoscope looks at a Linux kernel, and this window runs on {0}.', process.platform),
    vscode.l10n.t('Open a folder on a Linux host, for example with Remote-SSH or WSL.'),
  );
}
