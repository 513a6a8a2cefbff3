import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { copyUnder } from '../../documents/layerCopies.ts';
import type { Host } from '../../model/liveHost.ts';
import { hasContent } from '../../model/overlayStack.ts';
import type { LayersTree } from '../../trees/layersTree.ts';
import { pathText } from '../../words/layerWords.ts';
import { type LayerSpot, mustKnowLayers } from './layerPicks.ts';
import { openPlace } from './openLayerFile.ts';

export const openHiddenFileCommand: CommandContribution = {
  id: 'isoscope.layers.openHidden',
  title: 'Open Hidden Layer File…',
  icon: 'eye',
  menus: {
    'view/item/context': [{ group: '1_open@2', when: [IN_ANY_VIEW, { row: 'layerEntry (file|whiteout)' }] }],
  },
};

/** Opens the copy that a layer hides: of a deletion what was deleted, of a file what it replaces. A directory is shown in the view. */
export async function openHiddenFile(
  connection: HelperConnection,
  host: Host,
  tree: LayersTree,
  { overlay, place, entry }: LayerSpot,
): Promise<void> {
  mustKnowLayers(overlay);
  const layer = place.layer === 'merged' ? (entry?.providedBy ?? 0) : place.layer;
  const hidden = await copyUnder(connection, overlay, place.path, layer);
  if (hidden === undefined) throw new Error(vscode.l10n.t('No layer below has {0}: nothing is hidden.', pathText(place.path)));
  if (!hasContent(hidden.entry.type)) return tree.revealPlace(overlay, hidden.place);
  await openPlace(host, { overlay, place: hidden.place });
}
