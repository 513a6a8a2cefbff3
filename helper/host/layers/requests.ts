/** Answers every request about layers. */
import * as v from 'valibot';
import type { Dispatcher } from '../../dispatch.ts';
import { LayersInspect, LayersList, LayersWatch } from '../../protocol/layers.ts';
import { cString, nothing } from '../../schemas.ts';
import { layerPath, type MeasuringSink, overlayRef, serveLayerFiles } from './fileRequests.ts';
import { stackOpener } from './openLayer.ts';
import { type LayersSource, OverlayTable } from './overlays.ts';
import { type ChangedSink, LayerWatches } from './watch.ts';

export interface LayerNotifications {
  changed: ChangedSink;
  measuring: MeasuringSink;
}

const MAX_DIRECTORIES = 256;
const watchParams = v.strictObject({
  subscription: cString(256),
  directories: v.pipe(
    v.array(v.strictObject({ ...layerPath, recursive: v.exactOptional(v.boolean()) })),
    v.maxLength(MAX_DIRECTORIES),
  ),
});

/** Registers the handlers. */
export function serveLayers(requests: Dispatcher, source: LayersSource, notify: LayerNotifications): { dispose(): void } {
  const table = new OverlayTable(source);
  const openStack = stackOpener(table);
  requests.on(LayersList, nothing, () => table.list());
  requests.on(LayersInspect, v.strictObject({ overlay: overlayRef }), ({ overlay }) => table.inspect(overlay));
  serveLayerFiles(requests, openStack, notify.measuring);
  const watches = new LayerWatches(openStack, notify.changed);
  requests.on(LayersWatch, watchParams, (params) => watches.watch(params));
  return watches;
}
