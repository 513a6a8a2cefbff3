/** Which overlays use the same directory. */
import type { Overlay } from '../../protocol/layers.ts';

/** Overlays that one layer names as its sharers: an image that a thousand containers run is told of once by each. */
const MAX_SHARERS = 1000;

/** Fills in `sharedWith`. Directories are told apart by what they are, not by how they are called. */
export function shareLayers(overlays: readonly Overlay[]): void {
  const users = new Map<string, Set<string>>();
  for (const { key, layers } of overlays) {
    for (const { id } of layers) {
      if (id === undefined) continue;
      const keys = users.get(id);
      if (keys === undefined) users.set(id, new Set([key]));
      else if (keys.size <= MAX_SHARERS) keys.add(key);
    }
  }
  for (const { key, layers } of overlays) {
    for (const layer of layers) {
      const keys = users.get(layer.id ?? '');
      if (keys !== undefined && keys.size > 1) layer.sharedWith = [...keys].filter((other) => other !== key);
    }
  }
}
