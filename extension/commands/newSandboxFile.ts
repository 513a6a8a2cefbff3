import * as vscode from 'vscode';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { fileName } from '../documents/fileName.ts';
import { SUFFIX, specificationText } from '../programs/sandboxSpec.ts';

const EXAMPLE: SandboxSpec = {
  root: { type: 'programs', programs: ['bash', 'ls', 'cat', 'ps'] },
  network: { type: 'loopback' },
  resources: { memory: { limit: '256M' }, pids: { limit: 64 } },
  process: { args: ['bash'] },
};

/** Asks where, and writes a specification to begin with: `spec`, or a small one that runs. */
export async function newSandboxFile(spec: SandboxSpec = EXAMPLE, name = 'my'): Promise<void> {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  const file = await vscode.window.showSaveDialog({
    ...(folder === undefined ? {} : { defaultUri: vscode.Uri.joinPath(folder.uri, `${fileName(name)}${SUFFIX}`) }),
    // A filter is held against what follows the last dot: with "sandbox.json" VS Code's own dialog would add that once more.
    filters: { [vscode.l10n.t('Sandbox')]: ['json'] },
    saveLabel: vscode.l10n.t('Make'),
  });
  if (file === undefined) return;
  const named = file.path.endsWith(SUFFIX) ? file : file.with({ path: `${file.path.replace(/\.json$/, '')}${SUFFIX}` });
  await vscode.workspace.fs.writeFile(named, new TextEncoder().encode(specificationText(spec)));
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(named));
}
