import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { copyAt, copyUnder, mustBeComparable, showDifference, side } from '../../documents/layerCopies.ts';
import type { Host } from '../../model/liveHost.ts';
import { lastOwnLayer } from '../../model/overlayStack.ts';
import { type LayerSpot, mustKnowLayers } from './layerPicks.ts';

export const compareImageCommand: CommandContribution = {
  id: 'isoscope.layers.compareImage',
  title: 'Compare Layer File with the Image',
  menus: {
    'view/item/context': [{ group: '2_compare@2', when: [IN_ANY_VIEW, { row: 'layerEntry (file|whiteout)' }] }],
  },
};

/** A file as the image has it on the left, as the container sees it on the right. */
export async function compareImage(connection: HelperConnection, host: Host, { overlay, place }: LayerSpot): Promise<void> {
  const { path } = place;
  mustKnowLayers(overlay);
  const last = lastOwnLayer(overlay);
  if (last === undefined) throw new Error(vscode.l10n.t('This overlay has no layer of an image.'));
  const image = await copyUnder(connection, overlay, path, last);
  const seen = await copyAt(connection, { ...place, layer: 'merged' });
  mustBeComparable(image);
  mustBeComparable(seen);
  const left = side(host.model, overlay, image, path, vscode.l10n.t('not in the image'));
  await showDifference(path, left, side(host.model, overlay, seen, path, vscode.l10n.t('deleted')));
}
