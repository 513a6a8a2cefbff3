import type * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { TRUSTED_SPECIFICATION } from '../../base/when.ts';
import { showExplanation } from '../../documents/sandboxExplanation.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import { paramsOf } from '../../programs/sandboxTargets.ts';

export const explainSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.explain',
  title: 'Explain Sandbox',
  icon: 'list-ordered',
  menus: {
    'view/item/context': [
      { group: 'inline@2', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
      { group: '4_specification@1', when: [{ view: 'sandboxes' }, { row: 'sandbox' }] },
      { group: '1_open@3', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
    ],
    'explorer/context': [{ group: 'isoscope@2', when: TRUSTED_SPECIFICATION }],
  },
};

/** Shows what a specification would do, step by step, without running anything. */
export async function explainSandbox(target: SandboxTarget | vscode.Uri = {}): Promise<void> {
  const params = await paramsOf(target);
  if (params !== undefined) await showExplanation(params);
}
