/** The submenu of a cgroup's row in which every command that sets a limit has its entry. */
import type { OtherContribution } from '../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../base/when.ts';

export const limitsMenu: OtherContribution = {
  submenus: [{ id: 'isoscope.cgroups.limits', label: { key: 'submenu.cgroups.limits', english: 'Set Limit' } }],
  menus: {
    'view/item/context': [
      {
        submenu: 'isoscope.cgroups.limits',
        when: [
          IN_ANY_VIEW,
          { row: 'cgroupRow' },
          ONE_ROW,
          'viewItem =~ /(cpu|memory|pids|io)Limits\\b/',
          { notRow: 'rootCgroup' },
        ],
        group: '4_change@1',
      },
    ],
  },
};
