import type { CommandContribution } from '../../base/contributions.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import type { Sandboxes } from '../../model/liveSandboxes.ts';
import type { SandboxStarter } from '../../programs/sandboxStarter.ts';
import { sandboxOf, toRunOf } from '../../programs/sandboxTargets.ts';

export const openSandboxTerminalCommand: CommandContribution = {
  id: 'isoscope.sandbox.openTerminal',
  title: 'Open Terminal in Sandbox',
  icon: 'terminal',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [{ view: 'sandboxes' }, { row: 'sandbox' }, { row: 'running' }] },
      { group: '1_enter@1', when: [{ view: 'sandboxes' }, { row: 'sandbox' }, { row: 'running' }] },
      { group: '1_open@2', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
    ],
  },
};

/** Another terminal in a running sandbox. Of a file whose sandbox does not run, starts it with a shell. */
export async function openSandboxTerminal(
  sandboxes: Sandboxes,
  starter: SandboxStarter,
  target: SandboxTarget = {},
): Promise<void> {
  if (target.file !== undefined) {
    const toRun = await toRunOf(target);
    if (toRun === undefined) return;
    const { params, file } = toRun;
    await sandboxes.read();
    const running = sandboxes.list.find(({ name, state }) => state === 'running' && name === params.spec.name);
    if (running !== undefined) return openSandboxTerminal(sandboxes, starter, { sandbox: running });
    const { args: _args, terminal: _terminal, ...process } = params.spec.process ?? {};
    return starter.start({ params: { ...params, spec: { ...params.spec, process } }, file });
  }
  const sandbox = await sandboxOf(sandboxes, target, ({ state }) => state === 'running');
  if (sandbox?.process === undefined) return;
  await starter.openTerminal(sandbox);
}
