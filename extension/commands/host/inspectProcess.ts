import type { CommandContribution } from '../../base/contributions.ts';
import { CONTAINER_ROW, IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { ProcessPanels } from '../../panels/processPanels.ts';
import { processOrPicked } from '../../programs/targetPicks.ts';

export const inspectProcessCommand: CommandContribution = {
  id: 'isoscope.process.inspect',
  title: 'Inspect Process',
  icon: 'inspect',
  menus: {
    'view/item/context': [
      { group: 'inline@2', when: [IN_ANY_VIEW, { row: 'container' }] },
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }] },
      { group: '2_look@1', when: [IN_ANY_VIEW, { anyOf: [CONTAINER_ROW, { row: 'process' }] }, ONE_ROW] },
    ],
  },
};

/** Opens the page on a process: on a container's leader or a namespace's first process, when given those. */
export async function inspectProcess(
  connection: HelperConnection,
  panels: ProcessPanels,
  target: CommandTarget = {},
): Promise<void> {
  const process = await processOrPicked(connection, target);
  if (process !== undefined) panels.show(process);
}
