import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { ComparePanels } from '../../panels/comparePanels.ts';
import { processOrPicked } from '../../programs/targetPicks.ts';
import { comparedSide } from './comparedSide.ts';

export const compareMountsCommand: CommandContribution = {
  id: 'isoscope.process.compareMounts',
  title: 'Compare Mounts with the Host',
  icon: 'diff',
  menus: {
    'view/item/context': [
      { group: '2_look@8', when: [IN_ANY_VIEW, { row: ['container', 'namespace mnt', 'sandbox running'] }] },
      { group: '2_look@8', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }, ONE_ROW] },
    ],
  },
};

/** Opens the page on what a process sees mounted otherwise than the host does. */
export async function compareMounts(
  connection: HelperConnection,
  host: Host,
  panels: ComparePanels,
  target: CommandTarget = {},
): Promise<void> {
  const process = await processOrPicked(connection, target);
  if (process !== undefined) panels.show({ mine: comparedSide(host, process, target) });
}
