import * as vscode from 'vscode';
import { Command } from '../ids.ts';

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
