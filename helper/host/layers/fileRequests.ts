/** Answers the requests about the files of layers, with the overlay that each is about. What is in the files is read by reader threads. */
import type { HandlersOf } from '../../dispatch.ts';
import { Failure } from '../../failure.ts';
import type { Mount } from '../../proc/mountinfo.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { LayersReadDirectoryResult, OverlayRef } from '../../protocol/layers.ts';
import { MAX_READ_BYTES } from '../../protocol/schemas/layers.ts';
import type { Job } from '../../reading/job.ts';
import { type AskOptions, type Reader, readers } from '../../reading/readers.ts';
import { said } from '../../saying.ts';
import { coverOf, MountIndex, mountsIn } from './covers.ts';
import {
  BeginExport,
  EndExport,
  FindChanges,
  type InLayer,
  ListDirectory,
  Measure,
  type Measured,
  ReadExport,
  ReadLayerFile,
  StatPath,
  TraceProvenance,
  unknownExport,
} from './fileJobs.ts';
import { namesOf } from './layerPath.ts';
import type { Stack } from './merged.ts';

/** An overlay's layers, open as long as one request takes. */
export interface OpenedStack extends Disposable {
  stack: Stack;
  /** The table of the mount namespace, in which the overlay is `mountId`. */
  mounts: MountIndex;
  mountId: number;
  /** The helper's own mount table. */
  readonly here: MountIndex;
  /**
   * What is at a path of the overlay in its mount namespace, when that is on another mount. `follow`: a symbolic link at its end, as well. Its descriptor
   * (`O_PATH`) goes with those of the stack.
   */
  look(path: string, follow: boolean): Promise<Seen | undefined>;
  /** Why a layer is left alone: its file system is known not to answer. */
  deaf: ReadonlyMap<number, Failure>;
  /** The descriptors of the stack, from now on the caller's to close. */
  handOver(): number[];
}

/** What a mount shows in the place of an overlay's file; without a descriptor when it has nothing there, or why that is unknown. */
export interface Seen {
  mount: Mount;
  descriptor?: number;
  unknown?: Unknown;
}

/** Throws a `Failure` (`gone`) when the overlay is not mounted there any more. `merged`: what is mounted is to be opened too. */
export type OpenStack = (overlay: OverlayRef, options: { merged: boolean }) => Promise<OpenedStack>;

const DEFAULT_LIMIT = 1000;

/** Takes what `layers/measuring` tells. */
export type MeasuringSink = (params: Measured & { progress: string }) => void;

type LayerFileHandlers = Omit<HandlersOf<'layers'>, 'layers/list' | 'layers/inspect' | 'layers/watch'>;

export function layerFileHandlers(openStack: OpenStack, measuring: MeasuringSink): LayerFileHandlers {
  const exporting = new Map<string, Reader>();

  /** `path`: of the merged view what is seen there is read, which may be on another mount. */
  const ask = <P, R, T>(
    work: Job<InLayer & P, R, T>,
    { overlay, layer, path }: { overlay: OverlayRef; layer: number | 'merged'; path?: string },
    params: P,
    options: AskOptions<T> & { merged?: boolean; found?: (opened: OpenedStack, seen: Seen | undefined) => void },
  ): Promise<R> =>
    readers.ask(
      work,
      async () => {
        const { opened, inLayer } = await openOf(openStack, overlay, layer, options.merged);
        try {
          const seen = path === undefined || layer !== 'merged' ? undefined : await opened.look(path, false);
          options.found?.(opened, seen);
          const descriptor = seen?.descriptor;
          const looked = descriptor === undefined ? {} : { seen: descriptor };
          return { params: { ...params, ...inLayer, ...looked }, descriptors: opened.handOver() };
        } catch (error) {
          opened[Symbol.dispose]();
          throw error;
        }
      },
      options,
    );

  async function endExport(id: string): Promise<void> {
    const on = exporting.get(id);
    exporting.delete(id);
    if (on !== undefined) await readers.ask(EndExport, { params: { id } }, { on });
  }

  function readerOf(id: string): Reader {
    const reader = exporting.get(id);
    if (reader?.hasEnded === false) return reader;
    exporting.delete(id);
    throw unknownExport();
  }

  return {
    'layers/readDirectory': async ({ overlay, limit = DEFAULT_LIMIT, ...request }, token) => {
      const { layer, path } = request;
      let covers = (listed: LayersReadDirectoryResult) => listed;
      const found = (opened: OpenedStack, seen: Seen | undefined) => {
        if (layer === 'merged') covers = (listed) => withCovers(listed, opened, seen, path);
      };
      const listed = await ask(ListDirectory, { overlay, layer, path }, { ...request, limit }, { token, found });
      return covers(listed);
    },

    'layers/stat': ({ overlay, layer, path }, token) => ask(StatPath, { overlay, layer, path }, { path }, { token }),

    'layers/readFile': ({ overlay, layer, path, offset = 0, length = MAX_READ_BYTES }, token) =>
      ask(ReadLayerFile, { overlay, layer, path }, { path, offset, length }, { token }),

    'layers/changes': ({ overlay, layer = 0, limit = DEFAULT_LIMIT, ...rest }, token) =>
      ask(FindChanges, { overlay, layer }, { limit, ...rest }, { token }),

    'layers/provenance': async ({ overlay, ...request }, token) => {
      let seen: Seen | undefined;
      let here = NO_MOUNTS;
      const prepare = async () => {
        const opened = await openStack(overlay, { merged: false });
        try {
          if (opened.stack.roots.length === 0) throw layersUnknown();
          seen = await opened.look(request.path, request.noFollow !== true);
          if (seen !== undefined) here = opened.here;
          const looked = seen?.descriptor === undefined ? {} : { seen: seen.descriptor };
          return { params: { ...request, ...looked, stack: opened.stack }, descriptors: opened.handOver() };
        } catch (error) {
          opened[Symbol.dispose]();
          throw error;
        }
      };
      const result = await readers.ask(TraceProvenance, prepare, { token });
      if (seen === undefined) return result;
      const unknown = seen.unknown === undefined ? {} : { seen: seen.unknown };
      return { ...result, ...unknown, coveredBy: coverOf(seen.mount, here) };
    },

    'layers/measure': ({ overlay, layer, progress, ...request }, token) => {
      const tell = progress === undefined ? {} : { tell: (told: Measured) => measuring({ progress, ...told }) };
      return ask(Measure, { overlay, layer }, request, { token, ...tell });
    },

    'layers/export': async ({ overlay, layer, path = '/' }, token) => {
      namesOf(path);
      let by: Reader | undefined;
      // An export keeps its directories open for long, and must not keep the mount busy.
      const begun = await ask(
        BeginExport,
        { overlay, layer },
        { path },
        { token, merged: false, by: (reader) => (by = reader) },
      );
      if (by !== undefined) exporting.set(begun.id, by);
      if (!token.isCancellationRequested) return begun;
      // Nobody may hear of it, and so end it.
      await endExport(begun.id);
      throw new Failure('gone', said('wasCancelled'));
    },

    'layers/exportRead': async ({ id }, token) => {
      const options = { token, on: readerOf(id) };
      try {
        const read = await readers.ask(ReadExport, { params: { id } }, options);
        if (read.done) exporting.delete(id);
        return read;
      } catch (error) {
        exporting.delete(id);
        throw error;
      }
    },

    'layers/exportEnd': async ({ id }) => {
      await endExport(id);
      return {};
    },
  };
}

const NO_MOUNTS = new MountIndex([]);

function layersUnknown(): Failure {
  return new Failure('unsupported', said('layersAreNotKnown'), {
    hint: said('filesAreAtMountPoint'),
  });
}

function keyOf({ mountNamespace, mountId, device }: OverlayRef): string {
  return `${mountNamespace.ino} ${mountId} ${device}`;
}

/** Names the mounts that are seen on entries, and the one that the directory itself is on. */
function withCovers(
  listed: LayersReadDirectoryResult,
  opened: OpenedStack,
  seen: Seen | undefined,
  path: string,
): LayersReadDirectoryResult {
  const on = mountsIn(opened.mounts, opened.mountId, path);
  if (seen === undefined && on.size === 0) return listed;
  const own = opened.here;
  const entries = listed.entries.map((entry) => {
    const mount = on.get(entry.name);
    return mount === undefined ? entry : { ...entry, marks: [], coveredBy: coverOf(mount, own) };
  });
  return { ...listed, entries, ...(seen === undefined ? {} : { coveredBy: coverOf(seen.mount, own) }) };
}

/** `merged`: by way of the mount. Throws why the layer is left alone, when its file system does not answer. */
async function openOf(
  openStack: OpenStack,
  overlay: OverlayRef,
  layer: number | 'merged',
  merged = layer === 'merged',
): Promise<{ opened: OpenedStack; inLayer: InLayer }> {
  const opened = await openStack(overlay, { merged });
  try {
    const deaf = layer === 'merged' ? undefined : opened.deaf.get(layer);
    if (deaf !== undefined) throw deaf;
    return { opened, inLayer: inLayerOf(opened.stack, keyOf(overlay), layer) };
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}

/** A data-only layer has a stack of its own, for it adds nothing to what is seen. */
function inLayerOf(stack: Stack, key: string, layer: number | 'merged'): InLayer {
  const { roots, dataRoots, style } = stack;
  if (roots.length + dataRoots.length === 0) throw layersUnknown();
  if (layer === 'merged' || layer < roots.length) return { stack, layer, isData: false, key };
  const data = dataRoots.find((root) => root.layer === layer);
  if (data === undefined) {
    throw new Failure('notFound', said('noSuchLayer', layer, roots.length + dataRoots.length), {
      hint: said('refreshView'),
    });
  }
  const alone: Stack = { roots: [{ ...data, layer: 0 }], dataRoots: [], style };
  return { stack: alone, layer: 0, isData: true, key: `${key} data ${layer}` };
}
