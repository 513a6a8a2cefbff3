import type { LayerPicks } from '../layerPicks.ts';
import type { StackPanels } from '../panels/stackPanels.ts';
import type { LayerTarget } from '../target.ts';

/** Opens the stack of a container. */
export async function showStack(picks: LayerPicks, panels: StackPanels, target?: LayerTarget): Promise<void> {
  const overlay = await picks.overlay(target);
  if (overlay !== undefined) panels.show(overlay);
}
