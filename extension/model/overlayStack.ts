/** What can be said of a stack of layers from the protocol's answers alone. Pure functions. */
import type {
  FileType,
  Layer,
  LayerEntry,
  LayerPath,
  LayersProvenanceResult,
  Overlay,
  OverlayRef,
} from '../../helper/protocol/layers.ts';

/** Only what identifies it, for a request. */
export function overlayRef({ mountNamespace: { kind, dev, ino }, mountId, device, key }: OverlayRef): OverlayRef {
  return { mountNamespace: { kind, dev, ino }, mountId, device, ...(key === undefined ? {} : { key }) };
}

/** Text that stands for a place in a layer: equal when the places are. */
export function placeKey({ overlay, layer, path }: LayerPath): string {
  return `${overlay.mountNamespace.ino} ${overlay.mountId} ${overlay.device} ${layer} ${path}`;
}

export function childPath(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

export function parentPath(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Number of a layer as people count them: those of its role, the lowest is 1. */
export function layerNumber(overlay: Overlay, layer: Layer): number {
  return overlay.layers.filter(({ role, index }) => role === layer.role && index >= layer.index).length;
}

/** The lowest layer of those that are the container's own and not its image's; undefined when no layer is an image's. */
export function lastOwnLayer(overlay: Overlay): number | undefined {
  const image = overlay.layers.find(({ role }) => role !== 'readWrite' && role !== 'init');
  return image === undefined ? undefined : image.index - 1;
}

/** A copy, and the path that it has in its own layer. */
export interface FoundCopy {
  layer: number;
  entry: LayerEntry;
  path: string;
}

/** What the looked-up path is called in a layer: another name, below a directory that a layer above renamed. */
export function pathIn({ layers, resolved }: LayersProvenanceResult, layer: number): string {
  return layers.find((one) => one.layer === layer)?.path ?? resolved;
}

/**
 * The layer whose copy of a path shows when `layer` and all above it are taken away; undefined when there is none, because no
 * layer below has it or because one below deletes it.
 */
export function copyBelow(answer: LayersProvenanceResult, layer: number): FoundCopy | { unknown: number } | undefined {
  const below = answer.layers.filter((one) => one.layer > layer).sort((one, other) => one.layer - other.layer);
  for (const { layer: index, has } of below) {
    if (has === 'whiteout') return undefined;
    if (has === 'unknown') return { unknown: index };
    const found = entryOf(answer, index);
    if (found !== undefined) return { layer: index, entry: found, path: pathIn(answer, index) };
  }
  return undefined;
}

/** What a layer has at the path: its own copy, or what the container sees when it is this one that provides it. */
export function entryOf(answer: LayersProvenanceResult, layer: number): LayerEntry | undefined {
  const one = answer.layers.find((found) => found.layer === layer);
  return one?.entry ?? (one?.has === 'provides' || one?.has === 'merges' ? answer.entry : undefined);
}

/** Layers that a stack does not share with another: all but those that both have at the bottom. */
export function layersNotShared(overlay: Overlay, other: Overlay): Layer[] {
  const mine = [...overlay.layers].reverse();
  const theirs = [...other.layers].reverse();
  let shared = 0;
  while (sameLayer(mine[shared], theirs[shared])) shared += 1;
  return mine.slice(shared).reverse();
}

function sameLayer(one: Layer | undefined, other: Layer | undefined): boolean {
  return one?.id !== undefined && one.id === other?.id;
}

/**
 * How two containers' views of a path differ, of which either may lack it. `unread`: all that can be told without reading is equal, and the content may
 * differ all the same. Undefined when they are equal.
 */
export function difference(
  mine: LayerEntry | undefined,
  theirs: LayerEntry | undefined,
): 'onlyMine' | 'onlyTheirs' | 'type' | 'content' | 'metadata' | 'unread' | undefined {
  if (mine === undefined) return theirs === undefined ? undefined : 'onlyTheirs';
  if (theirs === undefined) return 'onlyMine';
  if (mine.type !== theirs.type) return 'type';
  if (contentText(mine) !== contentText(theirs)) return 'content';
  if (metadataText(mine) !== metadataText(theirs)) return 'metadata';
  return hasContent(mine.type) && mine.sizeBytes > 0 ? 'unread' : undefined;
}

/** A directory's time and size tell of its entries, which are compared by themselves. */
function contentText(entry: LayerEntry): string {
  if (entry.type === 'file') return `${entry.sizeBytes} ${entry.modifiedMillis}`;
  return `${entry.symlinkTarget ?? ''} ${entry.deviceNumber ?? ''}`;
}

function metadataText({ mode, uid, gid }: LayerEntry): string {
  return `${mode} ${uid} ${gid}`;
}

/** Only regular files are ever opened. */
export function hasContent(type: FileType): boolean {
  return type === 'file';
}

/** How many other overlays have the same layer; not all of them are named. */
export function sharers({ sharedWith, sharedWithMore = 0 }: Layer): number {
  return sharedWith.length + sharedWithMore;
}

/** What is stored once although `layer` is part of several stacks. */
export function savedSize(
  layer: Layer,
  { sizeBytes, allocatedBytes }: { sizeBytes: number; allocatedBytes: number },
): { sizeBytes: number; allocatedBytes: number } {
  const others = sharers(layer);
  return { sizeBytes: others * sizeBytes, allocatedBytes: others * allocatedBytes };
}
