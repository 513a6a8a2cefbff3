import * as vscode from 'vscode';
import { oneLine } from './plainText.ts';

const LINE_LENGTH = 4000;

/** The one log of the extension and its helper, an entry a line. Never a secret, never an environment. */
export type Log = Pick<vscode.LogOutputChannel, 'show' | 'dispose'> & Record<Level, (text: string) => void>;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

export function createLog(): Log {
  const channel = vscode.window.createOutputChannel('Isoscope', { log: true });
  const write = (level: Level) => (text: string) => channel[level](oneLine(text, LINE_LENGTH));
  return {
    show: () => channel.show(),
    dispose: () => channel.dispose(),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
}

/** Writes a line of the helper's standard error, `[warn] …`, at its level; a line without one is information. */
export function logHelperLine(log: Log, line: string): void {
  const [, level, text] = /^\[(debug|info|warn|error)\] (.*)$/.exec(line) ?? [];
  log[LEVELS.find((one) => one === level) ?? 'info'](`helper: ${text ?? line}`);
}
