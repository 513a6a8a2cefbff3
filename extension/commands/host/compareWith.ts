import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { type CommandTarget, namesNothing } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { ComparePanels } from '../../panels/comparePanels.ts';
import { pickCompared, pickCounterpart, processOrPicked } from '../../programs/targetPicks.ts';
import { comparedSide } from './comparedSide.ts';

export const compareWithCommand: CommandContribution = {
  id: 'isoscope.process.compareWith',
  title: 'Compare With…',
  icon: 'diff',
  menus: {
    'view/item/context': [
      { group: '2_look@9', when: [IN_ANY_VIEW, { row: ['container', 'sandbox running'] }] },
      { group: '2_look@9', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }] },
    ],
  },
};

/** Opens the page that compares two selected rows, or one with what the person chooses: the host, a container or a process. */
export async function compareWith(
  connection: HelperConnection,
  host: Host,
  panels: ComparePanels,
  target: CommandTarget = {},
  selected: readonly CommandTarget[] = [],
): Promise<void> {
  const first = namesNothing(target) ? await pickCompared(connection) : target;
  if (first === undefined) return;
  const process = await processOrPicked(connection, first);
  if (process === undefined) return;
  const mine = comparedSide(host, process, first);
  const second = selected.length === 2 ? selected.find((row) => row !== target) : undefined;
  const counterpart = second ?? (await pickCounterpart(connection, process));
  if (counterpart === undefined) return;
  if (counterpart === 'host') return panels.show({ mine, all: true });
  const other = await processOrPicked(connection, counterpart);
  if (other !== undefined) panels.show({ mine, other: comparedSide(host, other, counterpart), all: true });
}
