import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { SANDBOX_FORM_EDITOR } from '../../base/ids.ts';
import { TRUSTED_SPECIFICATION } from '../../base/when.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import type { Sandboxes } from '../../model/liveSandboxes.ts';
import type { SandboxPanels } from '../../panels/sandboxPanels.ts';
import { SUFFIX } from '../../programs/sandboxParams.ts';
import { sandboxOf } from '../../programs/sandboxTargets.ts';

export const editSandboxInFormCommand: CommandContribution = {
  id: 'isoscope.sandbox.editInForm',
  title: 'Edit Sandbox in Form',
  icon: 'checklist',
  menus: {
    'view/item/context': [
      { group: '4_specification@3', when: [{ view: 'sandboxes' }, { row: 'sandbox' }] },
      { group: '4_specification@2', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
    ],
    'editor/title': [{ group: 'navigation', when: [TRUSTED_SPECIFICATION, '!activeCustomEditorId'] }],
    'explorer/context': [{ group: 'isoscope@3', when: TRUSTED_SPECIFICATION }],
  },
};

/** Opens the form of a specification's file; of a sandbox one that begins with its specification, and is of no file. */
export async function editSandboxInForm(
  sandboxes: Sandboxes,
  panels: SandboxPanels,
  target: SandboxTarget | vscode.Uri = {},
): Promise<void> {
  const file =
    target instanceof vscode.Uri ? target : (target.file ?? (target.sandbox === undefined ? activeFile() : undefined));
  if (file !== undefined) {
    await vscode.commands.executeCommand('vscode.openWith', file, SANDBOX_FORM_EDITOR);
    return;
  }
  const sandbox = await sandboxOf(sandboxes, target as SandboxTarget);
  if (sandbox !== undefined) await panels.show(sandbox.spec);
}

function activeFile(): vscode.Uri | undefined {
  const uri = vscode.window.activeTextEditor?.document.uri;
  return uri?.path.endsWith(SUFFIX) === true ? uri : undefined;
}
