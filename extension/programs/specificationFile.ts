import * as vscode from 'vscode';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { safeFileName } from '../documents/safeFileName.ts';
import { SUFFIX, specificationText } from './sandboxParams.ts';

/** Asks where, writes the specification there, and opens it. `name` is what the file is proposed to be called after. */
export async function makeSpecificationFile(spec: SandboxSpec, name = 'my'): Promise<void> {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  const file = await vscode.window.showSaveDialog({
    ...(folder === undefined ? {} : { defaultUri: vscode.Uri.joinPath(folder.uri, `${safeFileName(name)}${SUFFIX}`) }),
    // A filter is held against what follows the last dot: with "sandbox.json" VS Code's own dialog would add that once more.
    filters: { [vscode.l10n.t('Sandbox')]: ['json'] },
    saveLabel: vscode.l10n.t('Make'),
  });
  if (file === undefined) return;
  const named = file.path.endsWith(SUFFIX) ? file : file.with({ path: `${file.path.replace(/\.json$/, '')}${SUFFIX}` });
  await vscode.workspace.fs.writeFile(named, new TextEncoder().encode(specificationText(spec)));
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(named));
}
