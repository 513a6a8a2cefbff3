import * as vscode from 'vscode';
import { oneLine } from '../host/plainText.ts';

const LINE_LENGTH = 4000;

/** The one log of the extension and its helper. Never a secret, never an environment. */
export function createLog(): vscode.LogOutputChannel {
  return vscode.window.createOutputChannel('Isoscope', { log: true });
}

/** Writes a line of the helper's standard error, `[warn] …`, at its level; a line without one is information. */
export function logHelperLine(log: vscode.LogOutputChannel, line: string): void {
  const [, level, text] = /^\[(debug|info|warn|error)\] (.*)$/.exec(line) ?? [];
  log[(level as 'debug' | 'info' | 'warn' | 'error' | undefined) ?? 'info'](`helper: ${oneLine(text ?? line, LINE_LENGTH)}`);
}
