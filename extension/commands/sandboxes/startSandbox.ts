import type * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { TRUSTED_SPECIFICATION } from '../../base/when.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import type { SandboxStarter } from '../../programs/sandboxStarter.ts';
import { toRunOf } from '../../programs/sandboxTargets.ts';

export const startSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.start',
  title: 'Run Sandbox',
  icon: 'play',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
      { group: '1_open@1', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
    ],
    'explorer/context': [{ group: 'isoscope@1', when: TRUSTED_SPECIFICATION }],
  },
};

/** Runs the specification of a file; `target` may be the file as the explorer gives it. */
export async function startSandbox(starter: SandboxStarter, target: SandboxTarget | vscode.Uri = {}): Promise<void> {
  const toRun = await toRunOf(target);
  if (toRun !== undefined) await starter.start(toRun);
}
