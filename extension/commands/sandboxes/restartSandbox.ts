import type { CommandContribution } from '../../base/contributions.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import type { Sandboxes } from '../../model/liveSandboxes.ts';
import type { SandboxStarter } from '../../programs/sandboxStarter.ts';
import { sandboxOf } from '../../programs/sandboxTargets.ts';

export const restartSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.restart',
  title: 'Restart Sandbox',
  icon: 'debug-restart',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [{ view: 'sandboxes' }, { row: 'sandbox' }, { row: 'ended' }] },
      { group: '4_life@2', when: [{ view: 'sandboxes' }, { row: 'sandbox' }] },
    ],
  },
};

/** Ends a sandbox, and makes it again from its specification. */
export async function restartSandbox(sandboxes: Sandboxes, starter: SandboxStarter, target: SandboxTarget = {}): Promise<void> {
  const sandbox = await sandboxOf(sandboxes, target);
  if (sandbox !== undefined) await starter.restart(sandbox);
}
