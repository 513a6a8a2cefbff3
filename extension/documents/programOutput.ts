/** What a program that was run inside wrote, and how it ended, as a read-only document that lives until it is closed. */
import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { ExitStatus, ProgramsRunResult } from '../../helper/protocol/programs.ts';
import { Disposable } from '../base/disposable.ts';
import { Scheme } from '../base/ids.ts';
import { shellWord } from '../plain/plainText.ts';
import { safeFileName } from './safeFileName.ts';

/** How it ended, in words that say more than the status; and what else a person should know. */
export interface OutputExtras {
  end?: string;
  notes?: readonly string[];
}

export class ProgramOutputs extends Disposable implements vscode.TextDocumentContentProvider {
  private readonly texts = new Map<string, string>();
  private made = 0;

  constructor() {
    super();
    this.register(vscode.workspace.onDidCloseTextDocument((document) => this.texts.delete(document.uri.toString())));
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    const text = this.texts.get(uri.toString());
    return text ?? vscode.l10n.t('The output of a program is kept until the window is reloaded. Run it again to see it.');
  }

  async show(name: string, command: string[], result: ProgramsRunResult, more: OutputExtras = {}): Promise<void> {
    this.made += 1;
    const path = `/${safeFileName(`${name} ${posix.basename(command[0] ?? '')}`)}.txt`;
    const uri = vscode.Uri.from({ scheme: Scheme.output, path, query: String(this.made) });
    this.texts.set(uri.toString(), outputText(command, result, more));
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: false });
  }
}

function outputText(command: string[], result: ProgramsRunResult, more: OutputExtras): string {
  const notes = [more.end ?? exitWords(result.exit)];
  if (result.truncated) notes.push(vscode.l10n.t('the rest of the output was dropped'));
  if (result.encoding === 'base64') notes.push(vscode.l10n.t('the output is not UTF-8 text and is shown as base64'));
  const parts = [`$ ${command.map(shellWord).join(' ')}`, withoutLastNewline(result.stdout)];
  if (result.stderr !== '') parts.push(`--- ${vscode.l10n.t('standard error')} ---`, withoutLastNewline(result.stderr));
  parts.push(`--- ${notes.join('; ')} ---`, ...(more.notes ?? []).map((note) => `- ${note}`));
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}

function withoutLastNewline(text: string): string {
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}

function exitWords(exit: ExitStatus): string {
  if (exit.timedOut === true) return vscode.l10n.t('killed because it took too long');
  if (exit.signal !== undefined) return vscode.l10n.t('ended by {0}', exit.signal);
  return vscode.l10n.t('exit status {0}', exit.code ?? vscode.l10n.t('unknown'));
}
