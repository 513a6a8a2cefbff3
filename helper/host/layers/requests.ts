/** Answers every request about layers. */
import * as v from 'valibot';
import type { Dispatcher } from '../../dispatch.ts';
import { LayersInspect, LayersList } from '../../protocol/layers.ts';
import { nothing } from '../../schemas.ts';
import { type MeasuringSink, overlayRef, serveLayerFiles } from './fileRequests.ts';
import { stackOpener } from './openLayer.ts';
import { type OverlaySource, OverlayTable } from './overlays.ts';

export interface LayerNotifications {
  measuring: MeasuringSink;
}

/** Registers the handlers. */
export function serveLayers(requests: Dispatcher, source: OverlaySource, notify: LayerNotifications): { dispose(): void } {
  const table = new OverlayTable(source);
  const openStack = stackOpener(table);
  requests.on(LayersList, nothing, () => table.list());
  requests.on(LayersInspect, v.strictObject({ overlay: overlayRef }), ({ overlay }) => table.inspect(overlay));
  serveLayerFiles(requests, openStack, notify.measuring);
  return { dispose: () => undefined };
}
