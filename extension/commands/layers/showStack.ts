import type { Overlay } from '../../../helper/protocol/layers.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { StackPanels } from '../../panels/stackPanels.ts';

export const showStackCommand: CommandContribution = {
  id: 'isoscope.layers.showStack',
  title: 'Show Layer Stack',
  icon: 'layers',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: 'overlay' }] },
      { group: '4_layers@1', when: [IN_ANY_VIEW, { row: ['overlay', 'merged', 'layer'] }] },
    ],
  },
};

/** Opens the stack of a container. */
export function showStack(panels: StackPanels, overlay: Overlay): void {
  panels.show(overlay);
}
