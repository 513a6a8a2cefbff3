import * as vscode from 'vscode';
import { LayersProvenance } from '../../../helper/protocol/layers.ts';
import { Command } from '../../base/commandIds.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { copyAt, whereWords } from '../../documents/layerCopies.ts';
import { MOST_SHOWN_BYTES, offerCopy } from '../../documents/layerFileSystem.ts';
import { layerUri } from '../../documents/layerUri.ts';
import type { Host } from '../../model/liveHost.ts';
import { overlayRef } from '../../model/overlayStack.ts';
import type { LayersTree } from '../../trees/layersTree.ts';
import { pathText, typeText } from '../../words/layerWords.ts';
import type { LayerSpot } from './layerPicks.ts';

export const openLayerFileCommand: CommandContribution = {
  id: 'isoscope.layers.openFile',
  title: 'Open Layer File…',
  icon: 'go-to-file',
  menus: {
    'view/item/context': [{ group: '1_open@1', when: [IN_ANY_VIEW, { row: 'layerEntry (file|symlink)' }] }],
  },
};

/**
 * Opens a file read-only, as a layer has it or as the container sees it. A symbolic link is followed inside the container's root; of a
 * deletion the hidden file is opened; a directory is shown in the view.
 */
export async function openLayerFile(
  connection: HelperConnection,
  host: Host,
  tree: LayersTree,
  spot: LayerSpot,
): Promise<void> {
  const { overlay, place } = spot;
  const entry = spot.entry ?? (await copyAt(connection, place))?.entry;
  if (entry === undefined) throw new Error(vscode.l10n.t('{0} is not there.', pathText(place.path)));
  switch (entry.type) {
    case 'file':
      return entry.sizeBytes > MOST_SHOWN_BYTES ? offerCopy(place, entry.sizeBytes) : openPlace(host, spot);
    case 'symlink':
      return openPlace(host, await linked(connection, spot));
    case 'whiteout':
      await vscode.commands.executeCommand(Command.openHiddenFile, { overlay, place, entry });
      return;
    case 'directory':
      return tree.revealPlace(overlay, place);
    default:
      throw new Error(
        vscode.l10n.t(
          '{0} is a {1}, which is never opened: opening it could act on it.',
          pathText(place.path),
          typeText(entry.type),
        ),
      );
  }
}

/** Shows the file at a place in an editor. */
export async function openPlace(host: Host, { overlay, place }: LayerSpot): Promise<void> {
  const uri = layerUri(place, whereWords(host.model, overlay, place.layer));
  await vscode.commands.executeCommand('vscode.open', uri, { preview: true });
}

/** Where a link leads for the container. */
async function linked(connection: HelperConnection, { overlay, place }: LayerSpot): Promise<LayerSpot> {
  const ref = overlayRef(overlay);
  const { exists, resolved, entry } = await connection.request(LayersProvenance, { overlay: ref, path: place.path });
  const names = [pathText(place.path), pathText(resolved)];
  if (exists === false)
    throw new Error(vscode.l10n.t('The link {0} leads to {1}, which does not exist in this container.', ...names));
  if (entry?.type !== 'file') throw new Error(vscode.l10n.t('The link {0} leads to {1}, which is no regular file.', ...names));
  return { overlay, place: { overlay: ref, layer: 'merged', path: resolved } };
}
