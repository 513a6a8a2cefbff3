/** The requests about the files of layers: their schemas, and who answers them. */
import * as v from 'valibot';
import type { Dispatcher } from '../../dispatch.ts';
import { Failure } from '../../failure.ts';
import type { Mount } from '../../proc/mountinfo.ts';
import {
  LayersChanges,
  LayersExport,
  LayersExportEnd,
  LayersExportRead,
  LayersMeasure,
  LayersProvenance,
  LayersReadDirectory,
  type LayersReadDirectoryResult,
  LayersReadFile,
  LayersStat,
  type OverlayRef,
} from '../../protocol/layers.ts';
import { cString, namespaceRef } from '../../schemas.ts';
import { ChangePages } from './changePages.ts';
import { readFile } from './content.ts';
import type { Names } from './directory.ts';
import { Exports } from './exports.ts';
import { namesOf } from './layerPath.ts';
import { readDirectory, statPath } from './listing.ts';
import { measure } from './measure.ts';
import type { Stack } from './merged.ts';
import { Pace } from './pace.ts';
import { PageCache } from './pageCache.ts';
import { provenanceOf } from './provenance.ts';

/** An overlay's layers, open as long as one request takes. */
export interface OpenedStack extends Disposable {
  stack: Stack;
  /** The table of the mount namespace, in which the overlay is `mountId`. */
  mounts: readonly Mount[];
  mountId: number;
}

/** Throws a `Failure` (`gone`) when the overlay is not mounted there any more. `merged`: what is mounted is to be opened too. */
export type OpenStack = (overlay: OverlayRef, options: { merged: boolean }) => Promise<OpenedStack>;

const MAX_LAYERS = 1000;
/** A path may be longer than PATH_MAX, for it is walked name by name. */
const MAX_PATH_BYTES = 64 * 1024;
const DEFAULT_LIMIT = 1000;
const MAX_READ_BYTES = 1024 * 1024;

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = (maximum: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(maximum));
const limit = v.exactOptional(positive(10_000));
const index = v.pipe(natural, v.maxValue(MAX_LAYERS));
const path = v.pipe(cString(MAX_PATH_BYTES), v.startsWith('/', 'it must begin with "/"'));
export const overlayRef = v.strictObject({
  mountNamespace: namespaceRef,
  mountId: natural,
  device: v.pipe(cString(32), v.regex(/^[0-9]+:[0-9]+$/, 'it must be a device number')),
  key: v.exactOptional(cString(64)),
});
const layer = v.union([index, v.literal('merged')]);
export const layerPath = { overlay: overlayRef, layer, path };

const directoryParams = v.strictObject({
  ...layerPath,
  after: v.exactOptional(cString(4096)),
  limit,
  changedOnly: v.exactOptional(v.boolean()),
});
const fileParams = v.strictObject({
  ...layerPath,
  offset: v.exactOptional(natural),
  length: v.exactOptional(positive(MAX_READ_BYTES)),
});
const changesParams = v.strictObject({
  overlay: overlayRef,
  layer: v.exactOptional(index),
  after: v.exactOptional(cString(MAX_PATH_BYTES)),
  limit,
  sizes: v.exactOptional(v.boolean()),
});
const provenanceParams = v.strictObject({ overlay: overlayRef, path, noFollow: v.exactOptional(v.boolean()) });
const measureParams = v.strictObject({
  ...layerPath,
  progress: v.exactOptional(cString(256)),
  children: v.exactOptional(v.boolean()),
});

const exportParams = v.strictObject({ overlay: overlayRef, layer, path: v.exactOptional(path) });
const exportId = v.strictObject({ id: cString(64) });

/** At most five a second reach the client. */
const PROGRESS_MILLIS = 200;

export function serveLayerFiles(requests: Dispatcher, openStack: OpenStack, measuring: MeasuringSink): void {
  const names = new PageCache<Names>();
  const changes = new ChangePages();
  const exports = new Exports();

  requests.on(LayersReadDirectory, directoryParams, async ({ overlay, limit = DEFAULT_LIMIT, ...request }, token) => {
    using opened = await openOf(openStack, overlay, request.layer);
    const { stack, layer, key } = opened;
    return withoutMarks(opened, await readDirectory(stack, { ...request, layer, limit }, names, key, new Pace(token)));
  });

  requests.on(LayersStat, v.strictObject(layerPath), async ({ overlay, layer, path }) => {
    using opened = await openOf(openStack, overlay, layer);
    const [entry] = withoutMarks(opened, { entries: [statPath(opened.stack, opened.layer, path)] }).entries;
    return entry!;
  });

  requests.on(LayersReadFile, fileParams, async ({ overlay, layer, path, offset = 0, length = MAX_READ_BYTES }) => {
    using opened = await openOf(openStack, overlay, layer);
    return await readFile(opened.stack, opened.layer, path, offset, length);
  });

  requests.on(LayersChanges, changesParams, async ({ overlay, layer = 0, limit = DEFAULT_LIMIT, ...rest }, token) => {
    const opened = await openOf(openStack, overlay, layer);
    if (opened.isData) {
      opened[Symbol.dispose]();
      return { changes: [] };
    }
    return await changes.page(opened, opened.key, { layer, limit, ...rest }, token);
  });

  requests.on(LayersProvenance, provenanceParams, async ({ overlay, ...request }) => {
    using opened = await openStack(overlay, { merged: false });
    return provenanceOf(opened.stack, request, opened.mounts, opened.mountId);
  });

  requests.on(LayersMeasure, measureParams, async ({ overlay, progress, ...request }, token) => {
    using opened = await openOf(openStack, overlay, request.layer);
    const { stack, layer, isData } = opened;
    const measured = await measure(stack, { ...request, layer }, new Pace(token), reporter(progress, measuring));
    return isData ? { ...measured, added: 0 } : measured;
  });

  requests.on(LayersExport, exportParams, async ({ overlay, layer, path = '/' }) => {
    namesOf(path);
    const opened = await openOf(openStack, overlay, layer, false);
    return exports.begin(opened, opened.layer, path);
  });

  requests.on(LayersExportRead, exportId, ({ id }, token) => exports.read(id, token));

  requests.on(LayersExportEnd, exportId, async ({ id }) => {
    await exports.end(id);
    return {};
  });
}

/** Takes what `layers/measuring` tells. */
export type MeasuringSink = (params: { progress: string; entries: number; sizeBytes: number; path: string }) => void;

function reporter(
  progress: string | undefined,
  tell: MeasuringSink,
): (entries: number, sizeBytes: number, path: string) => void {
  let told = performance.now();
  return (entries, sizeBytes, path) => {
    if (progress === undefined || performance.now() - told < PROGRESS_MILLIS) return;
    told = performance.now();
    tell({ progress, entries, sizeBytes, path });
  };
}

function keyOf({ mountNamespace, mountId, device }: OverlayRef): string {
  return `${mountNamespace.ino} ${mountId} ${device}`;
}

/** The layer that a request is about, in the stack that it is a part of. */
interface OpenedLayer extends OpenedStack {
  layer: number | 'merged';
  /** Only the content of metacopy files: it has a stack of its own, for it adds nothing to what is seen. */
  isData: boolean;
  /** What pages are kept by. */
  key: string;
}

/** `merged`: by way of the mount. An export keeps its directories open for long, and must not keep the mount busy. */
async function openOf(
  openStack: OpenStack,
  overlay: OverlayRef,
  layer: number | 'merged',
  merged = layer === 'merged',
): Promise<OpenedLayer> {
  const opened = await openStack(overlay, { merged });
  const { roots, dataRoots, style } = opened.stack;
  const key = keyOf(overlay);
  if (layer === 'merged' || layer < roots.length) return layerIn(opened, opened.stack, { layer, isData: false, key });
  const data = dataRoots.find((root) => root.layer === layer);
  if (data !== undefined) {
    const alone: Stack = { roots: [{ ...data, layer: 0 }], dataRoots: [], style };
    return layerIn(opened, alone, { layer: 0, isData: true, key: `${key} data ${layer}` });
  }
  opened[Symbol.dispose]();
  throw new Failure('notFound', `There is no layer ${layer}: the overlay has ${roots.length + dataRoots.length}.`, {
    hint: 'Refresh the view.',
  });
}

function layerIn(opened: OpenedStack, stack: Stack, which: Pick<OpenedLayer, 'layer' | 'isData' | 'key'>): OpenedLayer {
  return {
    ...which,
    stack,
    mountId: opened.mountId,
    get mounts() {
      return opened.mounts;
    },
    [Symbol.dispose]: () => opened[Symbol.dispose](),
  };
}

function withoutMarks({ isData }: OpenedLayer, result: LayersReadDirectoryResult): LayersReadDirectoryResult {
  return isData ? { ...result, entries: result.entries.map((entry) => ({ ...entry, marks: [] })) } : result;
}
