import * as vscode from 'vscode';
import type { LayerPath, Overlay } from '../../../helper/protocol/layers.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { LayerTarget } from '../../model/commandTarget.ts';
import type { LayerSizes } from '../../model/layerSizes.ts';
import type { Host } from '../../model/liveHost.ts';
import type { Layers } from '../../model/liveLayers.ts';
import { overlayRef, placeKey } from '../../model/overlayStack.ts';
import { during } from '../../plain/notify.ts';
import type { LayersTree } from '../../trees/layersTree.ts';
import { entriesText, overlayName, pathText, sizeText } from '../../words/layerWords.ts';

export const measureLayersCommand: CommandContribution = {
  id: 'isoscope.layers.measure',
  title: 'Measure Layer Sizes',
  icon: 'pie-chart',
  menus: {
    'view/title': [{ group: '0_layers@1', when: { view: 'layers' } }],
    'view/item/context': [
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: '(merged|layer) directory' }] },
      { group: '1_stack@2', when: [IN_ANY_VIEW, { row: ['overlay', 'directory'] }] },
    ],
  },
};

export const stopMeasuringCommand: CommandContribution = {
  id: 'isoscope.layers.stopMeasuring',
  title: 'Stop Measuring',
  icon: 'debug-stop',
  palette: { context: 'layersMeasuring' },
  menus: {
    'view/title': [{ group: 'navigation@0', when: [{ view: 'layers' }, { context: 'layersMeasuring' }] }],
  },
};

/** Measures a directory; or every layer of an overlay, of the one that is selected, or of all. It can be cancelled, and what is known by then stays. */
export async function measureLayers(
  host: Host,
  layers: Layers,
  sizes: LayerSizes,
  tree: LayersTree,
  target?: LayerTarget,
): Promise<void> {
  await layers.load();
  const chosen: LayerTarget = target ?? tree.selected ?? {};
  const places =
    chosen.place === undefined
      ? layerPlaces(chosen.overlay === undefined ? layers.overlays : [chosen.overlay])
      : [chosen.place];
  await during({ title: vscode.l10n.t('Measuring layers') }, async (report, token) => {
    for (const [done, place] of places.entries()) {
      if (token.isCancellationRequested) return;
      const overlay = layers.find(place.overlay);
      const name = overlay === undefined ? '' : overlayName(host.model, overlay);
      const step = vscode.l10n.t('{0} of {1}: {2}', done + 1, places.length, name);
      report(step);
      using _ = reporting(sizes, place, (text) => report(`${step}, ${text}`));
      if (!(await sizes.remeasure(place, token))) return;
      report(step, 100 / places.length);
    }
  });
}

function layerPlaces(overlays: readonly Overlay[]): LayerPath[] {
  return overlays.flatMap((overlay) =>
    overlay.layers
      .filter(({ unreadable }) => unreadable === undefined)
      .map(({ index }) => ({ overlay: overlayRef(overlay), layer: index, path: '/' })),
  );
}

function reporting(sizes: LayerSizes, place: LayerPath, report: (text: string) => void): Disposable {
  const listening = sizes.onDidChange((changed) => {
    const measurement = placeKey(changed) === placeKey(place) ? sizes.of(place) : undefined;
    if (measurement?.state !== 'measuring' || measurement.progress === undefined) return;
    const { entries, path } = measurement.progress;
    report([sizeText(measurement.progress), entriesText(entries), pathText(path)].join(', '));
  });
  return { [Symbol.dispose]: () => listening.dispose() };
}
