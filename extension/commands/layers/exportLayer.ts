import * as vscode from 'vscode';
import {
  type LayerExportNote,
  type LayerPath,
  LayersExport,
  LayersExportEnd,
  LayersExportRead,
  type Overlay,
} from '../../../helper/protocol/layers.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { layerWords, whereWords } from '../../documents/layerCopies.ts';
import { safeFileName } from '../../documents/safeFileName.ts';
import type { Host } from '../../model/liveHost.ts';
import { baseName, overlayRef } from '../../model/overlayStack.ts';
import { bytesText, countText, overlayName, pathText } from '../../words/layerWords.ts';
import { type LayerSpot, mustKnowLayers } from './layerPicks.ts';
import { askWhere, saveStream } from './saveLayerCopy.ts';

export const exportChangesCommand: CommandContribution = {
  id: 'isoscope.layers.exportChanges',
  title: 'Export Changes of Container as Tar…',
  menus: {
    'view/item/context': [{ group: '6_save@2', when: [IN_ANY_VIEW, { row: 'overlay' }] }],
  },
};

export const exportLayerCommand: CommandContribution = {
  id: 'isoscope.layers.exportLayer',
  title: 'Export Layer as Tar…',
  menus: {
    'view/item/context': [{ group: '6_save@1', when: [IN_ANY_VIEW, { row: '(merged|layer|layerEntry) directory' }] }],
  },
};

/** A layer, a directory of one, or all that the container sees, as a tar with the whiteouts of OCI image layers. */
export async function exportLayer(connection: HelperConnection, host: Host, { overlay, place }: LayerSpot): Promise<void> {
  const words = [overlayName(host.model, overlay), layerWords(overlay, place.layer), baseName(place.path)];
  const name = safeFileName(words.filter((word) => word !== '').join(' '));
  const chosen = await askWhere(`${name}.tar`, { [vscode.l10n.t('Tar archives')]: ['tar'] });
  if (chosen === undefined) return;
  const notes: LayerExportNote[] = [];
  await saveStream(
    chosen,
    whereWords(host.model, overlay, place.layer),
    (token, report) => archive(connection, place, token, report, notes),
    () => notes.map(noteText),
  );
}

/** All that a container changed of its image, as a tar that can be laid over the image as one more layer. */
export async function exportChanges(connection: HelperConnection, host: Host, overlay: Overlay): Promise<void> {
  mustKnowLayers(overlay);
  const top = overlay.layers.find(({ role }) => role === 'readWrite');
  if (top === undefined) throw new Error(vscode.l10n.t('This overlay is read-only: no layer takes changes.'));
  await exportLayer(connection, host, { overlay, place: { overlay: overlayRef(overlay), layer: top.index, path: '/' } });
}

/** What a person should know of the archive before it is used. */
function noteText({ what, count, paths }: LayerExportNote): string {
  const first = paths[0] === undefined ? '' : pathText(paths[0]);
  const named = count === 1 ? first : vscode.l10n.t('{0} and {1} more', first, countText(count - 1));
  const words: Record<LayerExportNote['what'], string> = {
    deletionName: vscode.l10n.t('Not in the archive: {0}. In a layer of an image such a name means a deletion.', named),
    keptName: vscode.l10n.t('An engine that imports the archive as an image takes these for deletions: {0}.', named),
    socket: vscode.l10n.t('Sockets are not in the archive: {0}.', named),
  };
  return words[what];
}

async function* archive(
  connection: HelperConnection,
  { overlay, layer, path }: LayerPath,
  token: vscode.CancellationToken,
  report: (message: string) => void,
  notes: LayerExportNote[],
): AsyncGenerator<Uint8Array> {
  const { id } = await connection.request(LayersExport, { overlay, layer, path }, token);
  let done = false;
  let written = 0;
  try {
    while (!done) {
      if (token.isCancellationRequested) throw new vscode.CancellationError();
      const answer = await connection.request(LayersExportRead, { id }, token);
      const bytes = Buffer.from(answer.base64, 'base64');
      written += bytes.length;
      done = answer.done;
      notes.push(...(answer.notes ?? []));
      report(vscode.l10n.t('{0} entries, {1}', countText(answer.entries), bytesText(written)));
      if (bytes.length > 0) yield bytes;
    }
  } finally {
    // It may have ended by itself, with an error; then it is not known any more.
    if (!done) await connection.request(LayersExportEnd, { id }).catch(() => undefined);
  }
}
