import type { LayerPicks } from '../layerPicks.ts';
import type { StackPanels } from '../panels/stackPanels.ts';
import type { LayerTarget } from '../target.ts';

/** Opens the stack of a container with a path lit up in it: who provides it, who hides it, who deletes it. */
export async function whichLayer(picks: LayerPicks, panels: StackPanels, target?: LayerTarget): Promise<void> {
  const spot = await picks.spot(target);
  if (spot !== undefined) panels.show(spot.overlay, spot.place.path);
}
