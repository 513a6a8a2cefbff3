import { SandboxesStop } from '../../../helper/protocol/sandboxes.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import type { Sandboxes } from '../../model/liveSandboxes.ts';
import type { SandboxStarter } from '../../programs/sandboxStarter.ts';
import { sandboxOf } from '../../programs/sandboxTargets.ts';

export const stopSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.stop',
  title: 'Stop Sandbox',
  icon: 'debug-stop',
  menus: {
    'view/item/context': [
      { group: 'inline@2', when: [{ view: 'sandboxes' }, { row: 'sandbox' }, { row: 'running' }] },
      { group: '4_life@1', when: [{ view: 'sandboxes' }, { row: 'sandbox' }, { row: 'running' }] },
    ],
  },
};

/** How long its processes have to end by themselves. */
const GRACE_MILLIS = 2000;

/** Ends everything in a sandbox. */
export async function stopSandbox(
  connection: HelperConnection,
  sandboxes: Sandboxes,
  starter: SandboxStarter,
  target: SandboxTarget = {},
): Promise<void> {
  const sandbox = await sandboxOf(sandboxes, target, ({ state }) => state === 'running');
  if (sandbox === undefined) return;
  const stopped = connection.request(SandboxesStop, { sandbox: sandbox.id, graceMillis: GRACE_MILLIS });
  starter.closeTerminals(sandbox.id);
  await stopped;
  await sandboxes.read();
}
