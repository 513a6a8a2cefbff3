import type { Overlay } from '../../../helper/protocol/layers.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { StackPanels } from '../../panels/stackPanels.ts';

export const showStackCommand: CommandContribution = {
  id: 'isoscope.layers.showStack',
  title: 'Show Layer Stack',
  icon: 'layers',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: 'overlay' }] },
      { group: '1_stack@1', when: [IN_ANY_VIEW, { row: ['overlay', 'merged', 'layer'] }] },
      {
        group: '1_stack@1',
        when: [{ notView: 'sandboxes' }, IN_ANY_VIEW, { row: '(container|cgroupRow)( \\S+)* isolated' }, ONE_ROW],
      },
      { group: '1_stack@1', when: [{ view: 'sandboxes' }, { row: 'sandbox running' }, { row: 'overlaid' }] },
    ],
  },
};

/** Opens the stack of a container. */
export function showStack(panels: StackPanels, overlay: Overlay): void {
  panels.show(overlay);
}
