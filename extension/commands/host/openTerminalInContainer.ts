import type { Container } from '../../../helper/protocol/containers.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { CONTAINER_ROW, IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { HelperError } from '../../connection/helperError.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { oneLine } from '../../plain/plainText.ts';
import { wholeEntry } from '../../programs/entryQuestions.ts';
import { showStartFailure } from '../../programs/hostTools.ts';
import { pickContainer } from '../../programs/targetPicks.ts';
import type { TerminalOpener } from '../../programs/terminalOpener.ts';
import { enterNamespaces } from './enterNamespaces.ts';

export const openTerminalInContainerCommand: CommandContribution = {
  id: 'isoscope.terminal.openInContainer',
  title: 'Open Terminal in Container',
  icon: 'terminal',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: 'container' }, { row: 'isolated' }] },
      { group: '1_enter@1', when: [IN_ANY_VIEW, CONTAINER_ROW, { row: 'isolated' }, ONE_ROW] },
    ],
  },
};

/** What `docker exec -it` gives, for any engine: every namespace of the container, its root, user, environment and cgroup. */
export async function openTerminalInContainer(
  connection: HelperConnection,
  terminals: TerminalOpener,
  target: CommandTarget = {},
): Promise<void> {
  const container = target.container ?? (await pickContainer(connection));
  if (container === undefined) return;
  try {
    await open(terminals, container);
  } catch (error) {
    await showStartFailure(error, () => enterNamespaces(connection, terminals, { container }, 'hostTools'));
  }
}

/** A sandbox is entered as such, confined as its own program is; one that only another helper knows like any container. */
async function open(terminals: TerminalOpener, container: Container): Promise<void> {
  const options = { name: oneLine(container.name), icon: container.engine === 'isoscope' ? 'vm' : 'terminal' };
  if (container.engine === 'isoscope') {
    try {
      await terminals.open({ sandbox: container.id }, options);
      return;
    } catch (error) {
      if (!(error instanceof HelperError) || error.reason !== 'gone') throw error;
    }
  }
  await terminals.open(wholeEntry({ container }), options);
}
