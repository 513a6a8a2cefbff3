/** Answers every request about layers. */
import type { HandlersOf } from '../../dispatch.ts';
import { layerFileHandlers, type MeasuringSink } from './fileRequests.ts';
import { stackOpener } from './openLayer.ts';
import { type LayersSource, OverlayTable } from './overlays.ts';
import { type ChangedSink, LayerWatches } from './watch.ts';

export interface LayerNotifications {
  changed: ChangedSink;
  measuring: MeasuringSink;
}

/** The handlers, and the watches that some of them keep. */
export function serveLayers(
  source: LayersSource,
  notify: LayerNotifications,
): { handlers: HandlersOf<'layers'>; watches: LayerWatches } {
  const table = new OverlayTable(source);
  const openStack = stackOpener(table);
  const watches = new LayerWatches(openStack, notify.changed);
  const handlers: HandlersOf<'layers'> = {
    'layers/list': () => table.list(),
    'layers/inspect': ({ overlay }) => table.inspect(overlay),
    ...layerFileHandlers(openStack, notify.measuring),
    'layers/watch': (params) => watches.watch(params),
  };
  return { handlers, watches };
}
