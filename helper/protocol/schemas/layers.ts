/** What the requests about layers take. */
import * as v from 'valibot';
import {
  LayersChanges,
  LayersExport,
  LayersExportEnd,
  LayersExportRead,
  LayersInspect,
  LayersList,
  LayersMeasure,
  LayersProvenance,
  LayersReadDirectory,
  LayersReadFile,
  LayersStat,
  LayersWatch,
} from '../layers.ts';
import { cString, namespaceRef, natural, nothing, positive } from './parts.ts';
import { takes } from './taken.ts';

const MAX_LAYERS = 1000;
/** A path may be longer than PATH_MAX, for it is walked name by name. */
const MAX_PATH_BYTES = 64 * 1024;
export const MAX_READ_BYTES = 1024 * 1024;
const MAX_DIRECTORIES = 256;

const limit = v.exactOptional(positive(10_000));
const index = v.pipe(natural, v.maxValue(MAX_LAYERS));
const path = v.pipe(cString(MAX_PATH_BYTES), v.startsWith('/', 'it must begin with "/"'));
const overlay = v.strictObject({
  mountNamespace: namespaceRef,
  mountId: natural,
  device: v.pipe(cString(32), v.regex(/^[0-9]+:[0-9]+$/, 'it must be a device number')),
  key: v.exactOptional(cString(64)),
});
const layer = v.union([index, v.literal('merged')]);
const layerPath = { overlay, layer, path };
const flag = v.exactOptional(v.boolean());
const exportId = v.strictObject({ id: cString(64) });

export const LAYERS = [
  takes(LayersList, nothing),
  takes(LayersInspect, v.strictObject({ overlay })),
  takes(LayersReadDirectory, v.strictObject({ ...layerPath, after: v.exactOptional(cString(4096)), limit, changedOnly: flag })),
  takes(LayersStat, v.strictObject(layerPath)),
  takes(
    LayersReadFile,
    v.strictObject({ ...layerPath, offset: v.exactOptional(natural), length: v.exactOptional(positive(MAX_READ_BYTES)) }),
  ),
  takes(
    LayersChanges,
    v.strictObject({
      overlay,
      layer: v.exactOptional(index),
      after: v.exactOptional(cString(MAX_PATH_BYTES)),
      limit,
      sizes: flag,
    }),
  ),
  takes(LayersProvenance, v.strictObject({ overlay, path, noFollow: flag })),
  takes(LayersMeasure, v.strictObject({ ...layerPath, progress: v.exactOptional(cString(256)), children: flag })),
  takes(
    LayersWatch,
    v.strictObject({
      subscription: cString(256),
      directories: v.pipe(v.array(v.strictObject({ ...layerPath, recursive: flag })), v.maxLength(MAX_DIRECTORIES)),
    }),
  ),
  takes(LayersExport, v.strictObject({ overlay, layer, path: v.exactOptional(path) })),
  takes(LayersExportRead, exportId),
  takes(LayersExportEnd, exportId),
];
