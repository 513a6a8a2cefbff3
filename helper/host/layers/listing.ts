/** layers/readDirectory and layers/stat: a directory of a layer, or of what is seen of all layers, a page at a time. */

import { type FileStatus, openBelow, statusBelow, statusOf } from '../../kernel/directory.ts';
import { close, O_DIRECTORY } from '../../kernel/files.ts';
import { ENOENT, EXDEV, O_PATH } from '../../kernel/numbers.ts';
import { bytesOfText, textOfBytes } from '../../proc/fileName.ts';
import type { LayerEntry, LayersReadDirectoryResult } from '../../protocol/layers.ts';
import { type Compared, type Comparison, closeCompared, compare } from './compared.ts';
import { closeUnlessRoot, descend, directoryAt } from './descent.ts';
import { leastNames, type Names, unknownOf } from './directory.ts';
import { emptyEntry, entryOf, entryOfLayer, entryOfView } from './entries.ts';
import { missing, namesOf, relativePath } from './layerPath.ts';
import { isDirectory, marksOfDirectory } from './marks.ts';
import type { Part, Stack } from './merged.ts';
import type { Pace } from './pace.ts';
import type { PageCache } from './pageCache.ts';

export interface ListingRequest {
  layer: number | 'merged';
  path: string;
  after?: string;
  limit: number;
  changedOnly?: boolean;
  /** Of the merged view: the directory that a mount shows there instead. */
  seen?: number;
}

/** `cacheKey` names the overlay; the names that a page read ahead are kept under it for the next. */
export async function readDirectory(
  stack: Stack,
  request: ListingRequest,
  cache: PageCache<Names>,
  cacheKey: string,
  pace: Pace,
): Promise<LayersReadDirectoryResult> {
  const { layer, path, limit } = request;
  const names = namesOf(path);
  const mounted = layer === 'merged' ? openMounted(stack, names) : undefined;
  using _ = closing(mounted);
  // The layers may have nothing of that name under a mount, or what they have may be under one: what is seen is there all the same.
  const isSeen = request.seen !== undefined || mounted !== undefined;
  const directory = isSeen ? directoryOrNone(stack, names) : directoryAt(stack, layer, path, names);
  try {
    const sources = sourcesOfView(directory, mounted, request);
    const withWhiteoutFiles = stack.style.whiteoutFiles && mounted === undefined;
    const page: LayersReadDirectoryResult = { entries: [] };
    let after = bytesOfText(request.after ?? '') ?? '';
    for (;;) {
      const ahead =
        cache.take(`${cacheKey} ${layer} ${path} ${after}`) ?? (await leastNames(sources, after, withWhiteoutFiles, pace));
      if (ahead.incomplete !== undefined) page.incomplete ??= ahead.incomplete;
      const taken = await fillPage(page.entries, ahead.names, { stack, request, directory, mounted, pace });
      after = ahead.names[taken - 1] ?? after;
      const rest = ahead.names.slice(taken);
      if (page.entries.length < limit && ahead.more) continue;
      if (rest.length === 0 && !ahead.more) return page;
      if (rest.length > 0) cache.put(`${cacheKey} ${layer} ${path} ${after}`, { ...ahead, names: rest });
      return { ...page, next: textOfBytes(after) };
    }
  } finally {
    closeUnlessRoot(directory, names);
  }
}

/** A directory of which a page is asked for. */
interface Listed {
  stack: Stack;
  request: ListingRequest;
  directory: Compared;
  /** What is mounted there. */
  mounted: number | undefined;
  pace: Pace;
}

/** Adds what is there under these names until the page is full. Returns how many of them it took for that. */
async function fillPage(entries: LayerEntry[], names: readonly string[], listed: Listed): Promise<number> {
  const { request, pace } = listed;
  let taken = 0;
  for (; taken < names.length && entries.length < request.limit; taken += 1) {
    const name = names[taken]!;
    const entry = seenBelow(request.seen, name) ?? coveredIf(request.seen !== undefined, await entryAt(listed, name));
    if (entry !== undefined) entries.push(entry);
    if (pace.isDue) await pace.rest();
  }
  return taken;
}

function closing(descriptor: number | undefined): Disposable {
  return {
    [Symbol.dispose]: () => {
      if (descriptor !== undefined) close(descriptor);
    },
  };
}

const NO_DIRECTORY: Compared = { merged: [], below: [] };

function directoryOrNone(stack: Stack, names: readonly string[]): Compared {
  return descend(stack, 0, names).directory ?? NO_DIRECTORY;
}

/** What a mount shows under the name; undefined when it has no such thing, or none is there. */
function seenBelow(seen: number | undefined, name: string): LayerEntry | undefined {
  const status = seen === undefined ? -1 : statusBelow(seen, name);
  return typeof status === 'number' ? undefined : entryOf(name, status, { directory: seen!, name });
}

function coveredIf(covered: boolean, entry: LayerEntry | undefined): LayerEntry | undefined {
  return entry === undefined || !covered ? entry : { ...entry, covered: true };
}

/** Of an `O_PATH` descriptor; undefined when it cannot be asked. */
export function seenEntry(seen: number, path: string): LayerEntry | undefined {
  const status = statusOf(seen);
  if (typeof status === 'number') return undefined;
  const name = bytesOfText(path.slice(path.lastIndexOf('/') + 1)) ?? '';
  return entryOf(name === '' ? '/' : name, status, { directory: seen, name: '' });
}

/** The mount's own directory; undefined where it cannot be had, or another mount covers it. */
function openMounted({ merged }: Stack, names: readonly string[]): number | undefined {
  if (merged === undefined) return undefined;
  const descriptor = openBelow(merged, relativePath(names), O_PATH | O_DIRECTORY);
  return descriptor < 0 ? undefined : descriptor;
}

/** Of names: what is mounted there, or else the layers; and what another mount shows instead. */
function sourcesOfView(directory: Compared, mounted: number | undefined, { layer, seen }: ListingRequest): number[] {
  const own = mounted === undefined ? sourcesOf(directory, layer) : [mounted];
  return seen === undefined ? own : [seen, ...own];
}

function sourcesOf({ own, merged }: Compared, layer: number | 'merged'): number[] {
  const parts: Part[] = own === undefined ? [] : [own];
  return [...parts, ...(layer === 'merged' ? merged : [])].map(({ descriptor }) => descriptor);
}

async function entryAt({ stack, request, directory, mounted, pace }: Listed, name: string): Promise<LayerEntry | undefined> {
  const { layer, changedOnly = false } = request;
  const index = layer === 'merged' ? 0 : layer;
  const comparison = compare(stack, index, directory, name);
  const { inside } = comparison;
  try {
    const entry = layer === 'merged' ? entryOfMerged(name, comparison, mounted) : entryOfLayer(name, comparison);
    if (entry === undefined || !changedOnly || entry.marks.length > 0) return entry;
    return inside !== undefined && (await holdsMark(stack, index, inside, pace)) ? entry : undefined;
  } finally {
    if (inside !== undefined) closeCompared(inside);
  }
}

/** What the mount shows, unless another mount is attached there: then what the layers say. */
function entryOfMerged(name: string, comparison: Comparison, mounted: number | undefined): LayerEntry | undefined {
  const entry = entryOfView(name, comparison);
  const shown = mounted === undefined ? -EXDEV : statusBelow(mounted, name);
  if (shown === -ENOENT) return undefined;
  if (typeof shown === 'number') return entry;
  // Another mount is there: it is what is seen, and of no layer.
  if (shown.covered) return entryOf(name, shown, { directory: mounted!, name });
  const { marks, redirect, providedBy, unknown } = entry ?? emptyEntry(name);
  return {
    ...entryOf(name, shown, { directory: mounted!, name }, marks),
    ...(redirect === undefined ? {} : { redirect }),
    ...(providedBy === undefined ? {} : { providedBy }),
    ...(unknown === undefined ? {} : { unknown }),
  };
}

/** Whether anything in the directory, however deep, has a mark. */
async function holdsMark(stack: Stack, layer: number, directory: Compared, pace: Pace): Promise<boolean> {
  for (let after = '', more = true; more; ) {
    const ahead = await leastNames(sourcesOf(directory, layer), after, stack.style.whiteoutFiles, pace);
    for (const name of ahead.names) {
      const { marks, inside } = compare(stack, layer, directory, name);
      try {
        if (marks.length > 0 || (inside !== undefined && (await holdsMark(stack, layer, inside, pace)))) return true;
      } finally {
        if (inside !== undefined) closeCompared(inside);
      }
      if (pace.isDue) await pace.rest();
    }
    after = ahead.names.at(-1) ?? '';
    more = ahead.more && after !== '';
  }
  return false;
}

export function statPath(stack: Stack, layer: number | 'merged', path: string): LayerEntry {
  const names = namesOf(path);
  const name = names.at(-1);
  if (name === undefined) return rootEntry(stack, layer);
  const parents = names.slice(0, -1);
  return layer === 'merged' ? statMerged(stack, path, parents, name) : statInLayer(stack, layer, path, parents, name);
}

function statInLayer(stack: Stack, layer: number, path: string, parents: readonly string[], name: string): LayerEntry {
  const directory = directoryAt(stack, layer, path, parents);
  try {
    const comparison = compare(stack, layer, directory, name);
    if (comparison.inside !== undefined) closeCompared(comparison.inside);
    const { own } = comparison;
    if (own.what === 'unknown') throw missing(path, layer, unknownOf(own.result!));
    const entry = entryOfLayer(name, comparison);
    if (entry === undefined) throw missing(path, layer, undefined);
    return entry;
  } finally {
    closeUnlessRoot(directory, parents);
  }
}

/** What is mounted is there, or is not, whatever is known of the layers. */
function statMerged(stack: Stack, path: string, parents: readonly string[], name: string): LayerEntry {
  const mounted = openMounted(stack, parents);
  using _ = closing(mounted);
  const { directory = NO_DIRECTORY, unknown } = descend(stack, 0, parents);
  try {
    const comparison = compare(stack, 0, directory, name);
    if (comparison.inside !== undefined) closeCompared(comparison.inside);
    const shown = mounted === undefined ? -EXDEV : statusBelow(mounted, name);
    if (typeof shown === 'number' && comparison.now === undefined) {
      throw missing(path, 'merged', shown === -ENOENT ? undefined : (comparison.unknown ?? unknown));
    }
    const entry = entryOfMerged(name, comparison, mounted);
    if (entry === undefined) throw missing(path, 'merged', undefined);
    return entry;
  } finally {
    if (directory !== NO_DIRECTORY) closeUnlessRoot(directory, parents);
  }
}

function rootEntry({ roots, style, merged }: Stack, layer: number | 'merged'): LayerEntry {
  const descriptor = layer === 'merged' ? (merged ?? roots[0]?.descriptor ?? -1) : roots[layer]!.descriptor;
  const status: FileStatus | number = descriptor < 0 ? descriptor : statusOf(descriptor);
  if (typeof status === 'number') return { ...emptyEntry('/'), type: 'directory', unknown: unknownOf(status) };
  const opaque = layer !== 'merged' && isDirectory(status) && marksOfDirectory(style, descriptor).opaque;
  return {
    ...entryOf('/', status, undefined, opaque ? ['opaque'] : []),
    ...(layer === 'merged' ? { providedBy: 0 } : {}),
  };
}
