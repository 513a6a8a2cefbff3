/** Which copies of a path a stack of layers holds, and how two of them are put side by side. */
import * as vscode from 'vscode';
import {
  type LayerEntry,
  type LayerPath,
  LayersProvenance,
  LayersStat,
  type Overlay,
  type OverlayRef,
} from '../../helper/protocol/layers.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import type { ClientModel } from '../model/clientModel.ts';
import { baseName, copyBelow, overlayRef, pathIn } from '../model/overlayStack.ts';
import { compare } from '../plain/titled.ts';
import { entryName, layerName, overlayName } from '../words/layerWords.ts';
import { emptyUri, layerUri } from './layerUri.ts';

export interface Copy {
  place: LayerPath;
  entry: LayerEntry;
}

/** What is at a place; undefined when nothing is. */
export async function copyAt(connection: HelperConnection, place: LayerPath): Promise<Copy | undefined> {
  try {
    return { place, entry: await connection.request(LayersStat, place) };
  } catch (error) {
    if (error instanceof HelperError && error.reason === 'notFound') return undefined;
    throw error;
  }
}

/** What a layer has of a path of the merged view, under whichever name it has it. */
export async function copyOf(
  connection: HelperConnection,
  overlay: OverlayRef,
  path: string,
  layer: number,
): Promise<Copy | undefined> {
  const answer = await connection.request(LayersProvenance, { overlay, path, noFollow: true });
  return copyAt(connection, { overlay, layer, path: answer.resolved === path ? pathIn(answer, layer) : path });
}

/** The copy that would show without `layer` and all above it; undefined when there would be none. */
export async function copyUnder(
  connection: HelperConnection,
  overlay: Overlay,
  path: string,
  layer: number,
): Promise<Copy | undefined> {
  const ref = overlayRef(overlay);
  const answer = await connection.request(LayersProvenance, { overlay: ref, path });
  // A link on the way leads elsewhere for the container; within the layers the path means itself.
  if (answer.resolved !== path) return firstBelow(connection, overlay, path, layer);
  const found = copyBelow(answer, layer);
  if (found === undefined) return undefined;
  if ('unknown' in found) {
    const name = overlay.layers[found.unknown];
    throw new Error(
      vscode.l10n.t(
        'What {0} has of it is unknown, and so is what lies below.',
        name === undefined ? vscode.l10n.t('A layer') : layerName(overlay, name),
      ),
    );
  }
  return { place: { overlay: ref, layer: found.layer, path: found.path }, entry: found.entry };
}

async function firstBelow(
  connection: HelperConnection,
  overlay: Overlay,
  path: string,
  layer: number,
): Promise<Copy | undefined> {
  for (const { index } of overlay.layers) {
    if (index <= layer) continue;
    const copy = await copyAt(connection, { overlay: overlayRef(overlay), layer: index, path });
    if (copy !== undefined) return copy.entry.type === 'whiteout' ? undefined : copy;
  }
  return undefined;
}

/** "Image layer 3", "merged". */
export function layerWords(overlay: Overlay, layer: LayerPath['layer']): string {
  if (layer === 'merged') return vscode.l10n.t('merged');
  const found = overlay.layers[layer];
  return found === undefined ? vscode.l10n.t('layer {0}', layer) : layerName(overlay, found);
}

/** "web, Image layer 3". */
export function whereWords(model: ClientModel, overlay: Overlay, layer: LayerPath['layer']): string {
  return `${overlayName(model, overlay)}, ${layerWords(overlay, layer)}`;
}

/** A document in a comparison, and what it is called there. Without a copy it is empty. */
export interface Side {
  uri: vscode.Uri;
  name: string;
}

export function side(model: ClientModel, overlay: Overlay, copy: Copy | undefined, path: string, otherwise: string): Side {
  if (copy === undefined || copy.entry.type === 'whiteout') return { uri: emptyUri(path, otherwise), name: otherwise };
  const { layer } = copy.place;
  return { uri: layerUri(copy.place, whereWords(model, overlay, layer)), name: layerWords(overlay, layer) };
}

export async function showDifference(path: string, left: Side, right: Side): Promise<void> {
  const title = `${entryName(baseName(path))} (${left.name} ↔ ${right.name})`;
  await compare(left.uri, right.uri, title);
}

/** Only regular files can be shown side by side. Throws what a person is to read. */
export function mustBeComparable(copy: Copy | undefined): void {
  const type = copy?.entry.type;
  if (type === undefined || type === 'file' || type === 'whiteout') return;
  throw new Error(
    vscode.l10n.t('Only regular files are compared, and nothing else is ever opened: {0}.', copy?.place.path ?? ''),
  );
}
