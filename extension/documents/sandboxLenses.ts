import * as vscode from 'vscode';
import { Command } from '../base/commandIds.ts';
import { commandLines } from './commandLines.ts';

/** "Run | Explain | Terminal | Form" above a specification. */
export class SandboxLenses implements vscode.CodeLensProvider {
  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    if (!vscode.workspace.isTrusted) return [];
    const start = document.getText().search(/\S/);
    const at = document.positionAt(Math.max(0, start));
    const target = { file: document.uri };
    const lens = (title: string, command: string) =>
      new vscode.CodeLens(new vscode.Range(at, at), { title, command, arguments: [target] });
    return [
      lens(vscode.l10n.t('$(play) Run'), Command.startSandbox),
      lens(vscode.l10n.t('$(list-ordered) Explain'), Command.explainSandbox),
      lens(vscode.l10n.t('$(terminal) Terminal'), Command.openSandboxTerminal),
      lens(vscode.l10n.t('$(checklist) Form'), Command.editSandboxInForm),
    ];
  }
}

/** "Copy" above each command line of an explanation, where it stands as a comment. */
export class CommandLineLenses implements vscode.CodeLensProvider {
  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    return commandLines(document.getText()).map(
      ({ line, text }) =>
        new vscode.CodeLens(new vscode.Range(line, 0, line, 0), {
          title: vscode.l10n.t('$(copy) Copy Command Line'),
          command: Command.copyText,
          arguments: [text],
        }),
    );
  }
}
