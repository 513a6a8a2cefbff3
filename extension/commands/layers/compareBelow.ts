import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { copyAt, copyOf, copyUnder, mustBeComparable, showDifference, side } from '../../documents/layerCopies.ts';
import type { Host } from '../../model/liveHost.ts';
import type { LayerSpot } from './layerPicks.ts';

export const compareBelowCommand: CommandContribution = {
  id: 'isoscope.layers.compareBelow',
  title: 'Compare Layer File with the Layer Below',
  icon: 'diff',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: 'layerEntry (file|whiteout)' }] },
      { group: '2_compare@1', when: [IN_ANY_VIEW, { row: 'layerEntry (file|whiteout)' }] },
    ],
  },
};

/** What a layer did to a file: the copy below it on the left, its own on the right. What is deleted or added has one side empty. */
export async function compareBelow(connection: HelperConnection, host: Host, { overlay, place }: LayerSpot): Promise<void> {
  const { path } = place;
  const seen = await copyAt(connection, place);
  const layer = place.layer === 'merged' ? (seen?.entry.providedBy ?? 0) : place.layer;
  const own = place.layer === 'merged' ? await copyOf(connection, place.overlay, path, layer) : await copyAt(connection, place);
  const below = await copyUnder(connection, overlay, path, layer);
  mustBeComparable(own);
  mustBeComparable(below);
  const left = side(host.model, overlay, below, path, vscode.l10n.t('not below'));
  await showDifference(path, left, side(host.model, overlay, own, path, vscode.l10n.t('deleted')));
}
