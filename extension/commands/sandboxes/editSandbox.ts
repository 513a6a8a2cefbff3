import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import type { Sandboxes } from '../../model/liveSandboxes.ts';
import { openAsFile } from '../../programs/sandboxParams.ts';
import { sandboxOf } from '../../programs/sandboxTargets.ts';

export const editSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.edit',
  title: 'Edit Sandbox',
  icon: 'edit',
  menus: {
    'view/item/context': [
      { group: '4_specification@2', when: [{ view: 'sandboxes' }, { row: 'sandbox' }] },
      { group: '4_specification@1', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
    ],
  },
};

/** Opens a specification: its file, or that of a sandbox as a new document. */
export async function editSandbox(sandboxes: Sandboxes, target: SandboxTarget = {}): Promise<void> {
  if (target.file !== undefined) {
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(target.file));
    return;
  }
  const sandbox = await sandboxOf(sandboxes, target);
  if (sandbox !== undefined) await openAsFile(sandbox.spec);
}
