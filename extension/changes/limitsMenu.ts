/** The submenu of the row of a cgroup, or of a container with one, in which every command that sets a limit has its entry. */
import type { OtherContribution } from '../base/contributions.ts';
import { IN_ANY_VIEW, LIMITED_ROW, ONE_ROW } from '../base/when.ts';

export const limitsMenu: OtherContribution = {
  submenus: [{ id: 'isoscope.cgroups.limits', label: { key: 'submenu.cgroups.limits', english: 'Set Limit' } }],
  menus: {
    'view/item/context': [
      {
        submenu: 'isoscope.cgroups.limits',
        when: [IN_ANY_VIEW, LIMITED_ROW, ONE_ROW, 'viewItem =~ /(cpu|memory|pids|io)Limits\\b/', { notRow: 'rootCgroup' }],
        group: '1_limits@1',
      },
    ],
  },
};
