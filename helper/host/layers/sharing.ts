/** Which overlays use the same directory. */
import type { Layer, Overlay } from '../../protocol/layers.ts';

/**
 * Overlays that one layer names as its sharers. Where a thousand containers run one image each would name all others for each layer, and the
 * answer be a hundred times the rest of it.
 */
const MAX_NAMED = 16;

/** Fills in `sharedWith`. Directories are told apart by what they are, not by how they are called. */
export function shareLayers(overlays: readonly Overlay[]): void {
  const users = new Map<string, Set<string>>();
  for (const { key, layers } of overlays) {
    for (const { id } of layers) {
      if (id === undefined) continue;
      const keys = users.get(id);
      if (keys === undefined) users.set(id, new Set([key]));
      else keys.add(key);
    }
  }
  for (const { key, layers } of overlays) {
    for (const layer of layers) {
      const keys = users.get(layer.id ?? '');
      if (keys !== undefined && keys.size > 1) nameSharers(layer, keys, key);
    }
  }
}

function nameSharers(layer: Layer, keys: ReadonlySet<string>, own: string): void {
  for (const key of keys) {
    if (layer.sharedWith.length === MAX_NAMED) break;
    if (key !== own) layer.sharedWith.push(key);
  }
  const more = keys.size - 1 - layer.sharedWith.length;
  if (more > 0) layer.sharedWithMore = more;
}
