import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { copyAt, copyOf, copyUnder, mustBeComparable, showDifference, side } from '../../documents/layerCopies.ts';
import type { LayerTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { LayerPicks } from './layerPicks.ts';

export const compareBelowCommand: CommandContribution = {
  id: 'isoscope.layers.compareBelow',
  title: 'Compare with the Layer Below',
  icon: 'diff',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: 'layerEntry (file|whiteout)' }] },
      { group: '5_compare@1', when: [IN_ANY_VIEW, { row: 'layerEntry (file|whiteout)' }] },
    ],
  },
};

/** What a layer did to a file: the copy below it on the left, its own on the right. What is deleted or added has one side empty. */
export async function compareBelow(
  connection: HelperConnection,
  host: Host,
  picks: LayerPicks,
  target?: LayerTarget,
): Promise<void> {
  const spot = await picks.spot(target);
  if (spot === undefined) return;
  const { overlay } = spot;
  const { path } = spot.place;
  const seen = await copyAt(connection, spot.place);
  const layer = spot.place.layer === 'merged' ? (seen?.entry.providedBy ?? 0) : spot.place.layer;
  const own =
    spot.place.layer === 'merged'
      ? await copyOf(connection, spot.place.overlay, path, layer)
      : await copyAt(connection, spot.place);
  const below = await copyUnder(connection, overlay, path, layer);
  mustBeComparable(own);
  mustBeComparable(below);
  const left = side(host.model, overlay, below, path, vscode.l10n.t('not below'));
  await showDifference(path, left, side(host.model, overlay, own, path, vscode.l10n.t('deleted')));
}
