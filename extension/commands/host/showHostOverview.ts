import type { CommandContribution } from '../../base/contributions.ts';
import type { HostPanels } from '../../panels/hostPanels.ts';

export const showHostOverviewCommand: CommandContribution = {
  id: 'isoscope.host.open',
  title: 'Show Host Overview',
  icon: 'home',
  menus: {
    'view/title': [{ group: 'navigation@0', when: { view: 'containers' } }],
  },
};

/** Opens the page on this host. */
export function showHostOverview(panels: HostPanels): void {
  panels.showHost();
}
