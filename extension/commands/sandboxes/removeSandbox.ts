import * as vscode from 'vscode';
import { SandboxesRemove } from '../../../helper/protocol/sandboxes.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import type { Sandboxes } from '../../model/liveSandboxes.ts';
import { askModally } from '../../plain/notify.ts';
import { oneLine } from '../../plain/plainText.ts';
import type { SandboxStarter } from '../../programs/sandboxStarter.ts';
import { sandboxOf } from '../../programs/sandboxTargets.ts';

export const removeSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.remove',
  title: 'Remove Sandbox',
  icon: 'trash',
  menus: {
    'view/item/context': [{ group: '4_life@3', when: [{ view: 'sandboxes' }, { row: 'sandbox' }] }],
  },
};

/** Ends a sandbox and removes what is left of it. Asks first when something runs in it or it was to be kept. */
export async function removeSandbox(
  connection: HelperConnection,
  sandboxes: Sandboxes,
  starter: SandboxStarter,
  target: SandboxTarget = {},
): Promise<void> {
  const sandbox = await sandboxOf(sandboxes, target);
  if (sandbox === undefined) return;
  if (sandbox.state === 'running' || sandbox.persistent) {
    const remove = vscode.l10n.t('Remove');
    const choice = await askModally({
      message: vscode.l10n.t('Remove the sandbox {0}?', oneLine(sandbox.name)),
      detail: vscode.l10n.t('Everything that runs in it is ended. Directories that its specification keeps changes in stay.'),
      choices: [remove],
      grave: true,
    });
    if (choice !== remove) return;
  }
  const removed = connection.request(SandboxesRemove, { sandbox: sandbox.id });
  starter.closeTerminals(sandbox.id);
  await removed;
  await sandboxes.read();
}
