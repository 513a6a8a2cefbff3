import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { LayerTarget } from '../../model/commandTarget.ts';
import type { StackPanels } from '../../panels/stackPanels.ts';
import type { LayerPicks } from './layerPicks.ts';

export const whichLayerCommand: CommandContribution = {
  id: 'isoscope.layers.provenance',
  title: 'Which Layer Is This From?',
  icon: 'search',
  menus: {
    'view/title': [{ group: '0_layers@4', when: { view: 'layers' } }],
    'view/item/context': [
      { group: 'inline@2', when: [IN_ANY_VIEW, { row: 'layerEntry' }] },
      { group: '4_layers@3', when: [IN_ANY_VIEW, { row: ['overlay', 'layerEntry'] }] },
    ],
  },
};

/** Opens the stack of a container with a path lit up in it: who provides it, who hides it, who deletes it. */
export async function whichLayer(picks: LayerPicks, panels: StackPanels, target?: LayerTarget): Promise<void> {
  const spot = await picks.spot(target);
  if (spot !== undefined) panels.show(spot.overlay, spot.place.path);
}
