/** layers/measure: what a layer, or a directory of it or of the merged view, takes. */
import { type FileStatus, SECTOR_BYTES } from '../../kernel/directory.ts';
import { textOfBytes } from '../../proc/fileName.ts';
import type { LayerSize } from '../../protocol/layers.ts';
import { type Compared, type Comparison, closeCompared, compare } from './compared.ts';
import { closeUnlessRoot, directoryAt } from './descent.ts';
import { leastNames } from './directory.ts';
import type { EntrySize } from './fileJobs.ts';
import { namesOf } from './layerPath.ts';
import { isRegular } from './marks.ts';
import { closeParts, type Found, lookFurther, lookIn, lookupOf, type Part, partsOf, type Stack } from './merged.ts';
import { fileKey, findMoved, isElsewhere, layersAbove, type Moved } from './moved.ts';
import type { Pace } from './pace.ts';

const MAX_DEPTH = 1000;
/** Beyond it, further links to a file count as files of their own. */
const MAX_LINKED_FILES = 1_000_000;
const MANY_NAMES = 64;
const MAX_NAMES_ABOVE = 131_072;

export type Measured = LayerSize & { children?: EntrySize[] };

export interface MeasureRequest {
  layer: number | 'merged';
  path: string;
  children?: boolean;
}

export type Progress = (measured: { entries: number; sizeBytes: number; allocatedBytes: number; path: string }) => void;

/**
 * Whiteouts are no entries, but deletions. A directory counts as modified when its own attributes are. Sizes are those of regular files;
 * a file of which only the metadata was copied up takes none.
 */
export async function measure(stack: Stack, request: MeasureRequest, pace: Pace, progress: Progress): Promise<Measured> {
  const { layer, path, children = false } = request;
  const names = namesOf(path);
  const directory = directoryAt(stack, layer, path, names);
  try {
    const measuring = new Measuring(stack, layer, children, pace, progress);
    using above = await measuring.aboveAt(names);
    await measuring.walk(directory, above, path === '/' ? '' : path, 0);
    return measuring.total;
  } finally {
    closeUnlessRoot(directory, names);
  }
}

/** What layers above the measured one have of a directory, open until it is disposed of. */
class Above implements Disposable {
  readonly parts: readonly Part[];
  /** They hide the directory with all that is in it, but for what they have moved elsewhere. */
  readonly hidden: boolean;
  private readonly own: readonly Part[];

  /** `own` is closed with it. */
  constructor(parts: readonly Part[], hidden: boolean, own: readonly Part[]) {
    this.parts = parts;
    this.hidden = hidden;
    this.own = own;
  }

  /** Nothing of a name that they have not. */
  without(): Above {
    return new Above([], this.hidden, []);
  }

  [Symbol.dispose](): void {
    closeParts(this.own);
  }
}

/** What layers above have of a name in a directory of the measured one, where no layer moved it. */
function aboveOf(stack: Stack, { parts }: Above, own: Part, name: string): Above {
  const lookup = lookupOf(name);
  const found = lookFurther(layersAbove(stack, own.layer), parts, lookup, false);
  const inner = partsOf(found);
  if (!lookup.stop && !isElsewhere(lookup, name)) {
    // A file below a directory is hidden, and a directory below a file.
    const one = lookIn(stack, own, lookup);
    if (one.part !== undefined) closeParts([one.part]);
    if (one.what === 'present' && !one.hidden) return new Above(inner, false, inner);
  }
  closeParts(inner);
  return new Above([], true, []);
}

/** What layers above have at a path of the merged view. */
function aboveAtPlace(stack: Stack, layer: number, names: readonly string[]): Above {
  const upper = layersAbove(stack, layer);
  let parts: readonly Part[] = upper.roots;
  for (const name of names) {
    const found = lookFurther(upper, parts, lookupOf(name), false);
    if (parts !== upper.roots) closeParts(parts);
    parts = partsOf(found);
  }
  return new Above(parts, false, parts === upper.roots ? [] : parts);
}

class Measuring {
  private readonly stack: Stack;
  private readonly layer: number | 'merged';
  private readonly children: boolean;
  private readonly pace: Pace;
  private readonly progress: Progress;
  /** Files with several links, counted at the first: whether every link so far is hidden, so that the file is wasted. */
  private readonly linked = new Map<string, { wasted: boolean }>();
  /** Looked for when the first is hidden that may have been moved. */
  private moved: Promise<Moved> | undefined;
  readonly total: Measured = {
    sizeBytes: 0,
    allocatedBytes: 0,
    entries: 0,
    added: 0,
    modified: 0,
    perhapsModified: 0,
    deleted: 0,
    wastedBytes: 0,
    wastedAllocatedBytes: 0,
  };

  constructor(stack: Stack, layer: number | 'merged', children: boolean, pace: Pace, progress: Progress) {
    this.stack = stack;
    this.layer = layer;
    this.children = children;
    this.pace = pace;
    this.progress = progress;
    if (children) this.total.children = [];
  }

  /** The way down to what is measured. */
  async aboveAt(names: readonly string[]): Promise<Above> {
    const { stack, layer } = this;
    if (layer === 'merged') return new Above([], false, []);
    const root = stack.roots[layer]!;
    let above = new Above(stack.roots.slice(0, layer), false, []);
    let own: Part | undefined = root;
    try {
      for (const name of names) {
        if (own === undefined) break;
        const found = lookIn(stack, own, lookupOf(name));
        using left = above;
        above = new Above([], true, []);
        try {
          above = await this.aboveIn(left, own, name, found);
        } finally {
          if (own !== root) closeParts([own]);
          own = found.part;
        }
      }
      return above;
    } catch (error) {
      above[Symbol.dispose]();
      throw error;
    } finally {
      if (own !== undefined && own !== root) closeParts([own]);
    }
  }

  /** What layers above have of what the measured one has under a name. */
  private async aboveIn(above: Above, own: Part, name: string, { what, status, part }: Found): Promise<Above> {
    if (what !== 'present') return above.without();
    const next = above.parts.length === 0 ? above.without() : aboveOf(this.stack, above, own, name);
    if (!next.hidden || (part === undefined && !this.stack.style.metacopy)) return next;
    this.moved ??= findMoved(this.stack, own.layer, this.pace);
    const { places, incomplete } = await this.moved;
    this.noteIncomplete(incomplete);
    const place = places.get(fileKey(status!));
    if (place === undefined) return next;
    return part === undefined ? new Above([], false, []) : aboveAtPlace(this.stack, own.layer, place);
  }

  async walk(directory: Compared, above: Above, path: string, depth: number): Promise<void> {
    const parts = this.partsToRead(directory);
    const { whiteoutFiles } = this.stack.style;
    for (let after = '', more = true; more; ) {
      const ahead = await leastNames(descriptors(parts), after, whiteoutFiles, this.pace);
      this.noteIncomplete(ahead.incomplete);
      const many = ahead.names.length >= MANY_NAMES;
      const namesAbove = many ? await this.namesOf(above.parts, after) : undefined;
      const namesBelow = many ? await this.namesOf(directory.below, after) : undefined;
      for (const name of ahead.names) {
        const around = namesAbove?.has(name) === false ? above.without() : above;
        await this.measureEntry(directory, around, name, path, depth, namesBelow?.has(name) ?? true);
      }
      after = ahead.names.at(-1) ?? '';
      more = ahead.more && after !== '';
    }
  }

  /** What the layer hides is to be counted as deleted, though it has no name for it. */
  private partsToRead({ own, merged, below }: Compared): Part[] {
    const parts = own === undefined ? [] : [own];
    if (merged !== below) return [...parts, ...merged, ...below];
    return this.layer === 'merged' ? [...parts, ...merged] : parts;
  }

  private async namesOf(parts: readonly Part[], after: string): Promise<ReadonlySet<string> | undefined> {
    if (parts.length === 0) return undefined;
    const { whiteoutFiles } = this.stack.style;
    const { names, more, incomplete } = await leastNames(descriptors(parts), after, whiteoutFiles, this.pace, MAX_NAMES_ABOVE);
    return more || incomplete !== undefined ? undefined : new Set(names);
  }

  private async measureEntry(
    directory: Compared,
    above: Above,
    name: string,
    path: string,
    depth: number,
    mayBeBelow: boolean,
  ): Promise<void> {
    const { total } = this;
    const before = { ...total };
    const index = this.layer === 'merged' ? 0 : this.layer;
    const comparison = compare(this.stack, index, directory, name, { mayBeBelow, openUnchanged: this.layer === 'merged' });
    const { inside } = comparison;
    try {
      this.noteIncomplete(comparison.unknown);
      using here =
        directory.own === undefined || this.layer === 'merged'
          ? above.without()
          : await this.aboveIn(above, directory.own, name, comparison.own);
      this.count(comparison, here.hidden);
      if (this.pace.isDue) await this.rest(`${path}/${textOfBytes(name)}`);
      if (inside !== undefined && depth < MAX_DEPTH) await this.walk(inside, here, `${path}/${textOfBytes(name)}`, depth + 1);
      else if (inside !== undefined) this.noteIncomplete({ unknown: 'unsupported', errno: 'ENAMETOOLONG' });
    } finally {
      if (inside !== undefined) closeCompared(inside);
    }
    if (!this.children || depth > 0 || total.entries === before.entries) return;
    total.children!.push({
      name: textOfBytes(name),
      sizeBytes: total.sizeBytes - before.sizeBytes,
      allocatedBytes: total.allocatedBytes - before.allocatedBytes,
      entries: total.entries - before.entries,
    });
  }

  private count({ own, now, change }: Comparison, hidden: boolean): void {
    const { total, layer } = this;
    if (change !== undefined) total[change] += 1;
    const found = layer === 'merged' ? now : own;
    if (found?.what !== 'present') return;
    total.entries += 1;
    const status = found.status!;
    // Of one with only its metadata nothing is wasted but that.
    const hasContent = isRegular(status) && (!found.metacopy || layer === 'merged');
    if (this.isCounted(status, hidden && hasContent)) return;
    const allocatedBytes = status.blocks * SECTOR_BYTES;
    total.allocatedBytes += allocatedBytes;
    if (!hasContent) return;
    total.sizeBytes += status.sizeBytes;
    if (!hidden) return;
    total.wastedBytes += status.sizeBytes;
    total.wastedAllocatedBytes += allocatedBytes;
  }

  /** Whether it is another link to a file that was counted. One that is seen keeps the file from being wasted, whichever name comes first. */
  private isCounted(status: FileStatus, wasted: boolean): boolean {
    if (status.links < 2 || !isRegular(status)) return false;
    const key = fileKey(status);
    const file = this.linked.get(key);
    if (file === undefined) {
      if (this.linked.size < MAX_LINKED_FILES) this.linked.set(key, { wasted });
      return false;
    }
    if (file.wasted && !wasted) {
      file.wasted = false;
      this.total.wastedBytes -= status.sizeBytes;
      this.total.wastedAllocatedBytes -= status.blocks * SECTOR_BYTES;
    }
    return true;
  }

  private noteIncomplete(unknown: Measured['incomplete']): void {
    if (unknown !== undefined) this.total.incomplete ??= unknown;
  }

  private async rest(path: string): Promise<void> {
    const { entries, sizeBytes, allocatedBytes } = this.total;
    this.progress({ entries, sizeBytes, allocatedBytes, path });
    await this.pace.rest();
  }
}

function descriptors(parts: readonly Part[]): number[] {
  return parts.map(({ descriptor }) => descriptor);
}
