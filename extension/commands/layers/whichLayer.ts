import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { StackPanels } from '../../panels/stackPanels.ts';
import type { LayerSpot } from './layerPicks.ts';

export const whichLayerCommand: CommandContribution = {
  id: 'isoscope.layers.provenance',
  title: 'Which Layer Is This From?',
  icon: 'search',
  menus: {
    'view/title': [{ group: '0_layers@4', when: { view: 'layers' } }],
    'view/item/context': [
      { group: 'inline@2', when: [IN_ANY_VIEW, { row: 'layerEntry' }] },
      { group: '1_stack@3', when: [IN_ANY_VIEW, { row: ['overlay', 'layerEntry'] }] },
    ],
  },
};

/** Opens the stack of a container with a path lit up in it: who provides it, who hides it, who deletes it. */
export function whichLayer(panels: StackPanels, { overlay, place }: LayerSpot): void {
  panels.show(overlay, place.path);
}
