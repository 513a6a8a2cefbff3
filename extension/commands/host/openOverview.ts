import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { OverviewPanels } from '../../panels/overviewPanels.ts';
import { pickContainer } from '../../programs/targetPicks.ts';

export const openOverviewCommand: CommandContribution = {
  id: 'isoscope.container.open',
  title: 'Open Container…',
  icon: 'open-preview',
  menus: {
    'view/item/context': [
      { group: 'inline@0', when: [IN_ANY_VIEW, { row: 'container' }] },
      { group: '0_open@1', when: [IN_ANY_VIEW, { row: ['container', 'contained'] }, ONE_ROW] },
    ],
  },
};

/** Opens the overview of a container: the one that was given, or that the person chooses. */
export async function openOverview(
  connection: HelperConnection,
  panels: OverviewPanels,
  target: CommandTarget = {},
): Promise<void> {
  const container = target.container ?? (await pickContainer(connection));
  if (container !== undefined) panels.show(container.key);
}
