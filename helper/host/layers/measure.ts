/** layers/measure: what a layer, or a directory of it or of the merged view, takes. */
import type { FileStatus } from '../../kernel/directory.ts';
import { textOfBytes } from '../../proc/fileName.ts';
import type { LayerSize } from '../../protocol/layers.ts';
import { type Compared, type Comparison, closeCompared, compare } from './compared.ts';
import { leastNames } from './directory.ts';
import { closeUnlessRoot, descend, namesOf, notFound, whereOf } from './layerPath.ts';
import { isRegular } from './marks.ts';
import { closeParts, lookFurther, lookupOf, type Part, partsOf, type Stack } from './merged.ts';
import type { Pace } from './pace.ts';

const SECTOR_BYTES = 512;
const MAX_DEPTH = 1000;
/** Beyond it, further links to a file count as files of their own. */
const MAX_LINKED_FILES = 1_000_000;
const MANY_NAMES = 64;
const MAX_NAMES_ABOVE = 131_072;

export type Measured = LayerSize & { children?: { name: string; sizeBytes: number; entries: number }[] };

export interface MeasureRequest {
  layer: number | 'merged';
  path: string;
  children?: boolean;
}

export type Progress = (entries: number, sizeBytes: number, path: string) => void;

/**
 * Whiteouts are no entries, but deletions. A directory counts as modified when its own attributes are. Sizes are those of regular files;
 * a file of which only the metadata was copied up takes none.
 */
export async function measure(stack: Stack, request: MeasureRequest, pace: Pace, progress: Progress): Promise<Measured> {
  const { layer, path, children = false } = request;
  const names = namesOf(path);
  const directory = descend(stack, layer === 'merged' ? 0 : layer, names);
  if (directory === undefined) throw notFound(path, whereOf(layer));
  try {
    if (layer !== 'merged' && directory.own === undefined) throw notFound(path, whereOf(layer));
    const measuring = new Measuring(stack, layer, children, pace, progress);
    using above = aboveAt(stack, layer, names);
    await measuring.walk(directory, above, path === '/' ? '' : path, 0);
    return measuring.total;
  } finally {
    closeUnlessRoot(directory, names);
  }
}

/** What layers above the measured one have of a directory, open until it is disposed of. */
class Above implements Disposable {
  readonly parts: readonly Part[];
  /** They hide the directory with all that is in it. One that a layer above moved elsewhere counts as hidden. */
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

function aboveAt(stack: Stack, layer: number | 'merged', names: readonly string[]): Above {
  let above = new Above(layer === 'merged' ? [] : stack.roots.slice(0, layer), false, []);
  let own: Part | undefined = layer === 'merged' ? undefined : stack.roots[layer];
  for (const name of names) {
    if (own === undefined || above.parts.length === 0) break;
    using left = above;
    const next = aboveOf(stack, left, own, name);
    if (own !== stack.roots[own.layer]) closeParts([own]);
    above = next.above;
    own = next.own;
  }
  if (own !== undefined && own !== stack.roots[own.layer]) closeParts([own]);
  return above;
}

/** Goes one name down, in the layers above and in the measured one, as if there were no other. Both are to be closed. */
function aboveOf(stack: Stack, { parts }: Above, own: Part, name: string): { above: Above; own: Part | undefined } {
  const found = lookFurther(stack, [...parts, own], lookupOf(name), true);
  const last = found.at(-1);
  const inner = partsOf(found);
  const isOwn = last?.layer === own.layer && last.what === 'present';
  const ownPart = isOwn ? last.part : undefined;
  const upper = inner.filter((part) => part !== ownPart);
  if (isOwn && !last.hidden) return { above: new Above(upper, false, upper), own: ownPart };
  closeParts(inner);
  return { above: new Above([], true, []), own: undefined };
}

class Measuring {
  private readonly stack: Stack;
  private readonly layer: number | 'merged';
  private readonly children: boolean;
  private readonly pace: Pace;
  private readonly progress: Progress;
  /** Files with several links, counted at the first: whether every link so far is hidden, so that the file is wasted. */
  private readonly linked = new Map<string, { wasted: boolean }>();
  readonly total: Measured = {
    sizeBytes: 0,
    allocatedBytes: 0,
    entries: 0,
    added: 0,
    modified: 0,
    deleted: 0,
    wastedBytes: 0,
  };

  constructor(stack: Stack, layer: number | 'merged', children: boolean, pace: Pace, progress: Progress) {
    this.stack = stack;
    this.layer = layer;
    this.children = children;
    this.pace = pace;
    this.progress = progress;
    if (children) this.total.children = [];
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
    const before = { sizeBytes: total.sizeBytes, entries: total.entries };
    const index = this.layer === 'merged' ? 0 : this.layer;
    const comparison = compare(this.stack, index, directory, name, { mayBeBelow, openUnchanged: this.layer === 'merged' });
    const { inside } = comparison;
    try {
      this.noteIncomplete(comparison.unknown);
      using here = this.placeAbove(directory, above, name, comparison);
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
      entries: total.entries - before.entries,
    });
  }

  /** Of an entry of the measured layer. */
  private placeAbove({ own }: Compared, above: Above, name: string, comparison: Comparison): Above {
    if (above.parts.length === 0 || own === undefined || comparison.own.what !== 'present') return above.without();
    const next = aboveOf(this.stack, above, own, name);
    if (next.own !== undefined) closeParts([next.own]);
    return next.above;
  }

  private count({ own, now, change }: Comparison, hidden: boolean): void {
    const { total, layer } = this;
    if (change !== undefined) total[change] += 1;
    const found = layer === 'merged' ? now : own;
    if (found?.what !== 'present') return;
    total.entries += 1;
    const status = found.status!;
    if (this.isCounted(status, hidden)) return;
    total.allocatedBytes += status.blocks * SECTOR_BYTES;
    if (!isRegular(status) || (found.metacopy && layer !== 'merged')) return;
    total.sizeBytes += status.sizeBytes;
    if (hidden) total.wastedBytes += status.sizeBytes;
  }

  /** Whether it is another link to a file that was counted. One that is seen keeps the file from being wasted, whichever name comes first. */
  private isCounted(status: FileStatus, hidden: boolean): boolean {
    if (status.links < 2 || !isRegular(status)) return false;
    const key = `${status.device} ${status.inoHigh} ${status.inoLow}`;
    const file = this.linked.get(key);
    if (file === undefined) {
      if (this.linked.size < MAX_LINKED_FILES) this.linked.set(key, { wasted: hidden });
      return false;
    }
    if (file.wasted && !hidden) {
      file.wasted = false;
      this.total.wastedBytes -= status.sizeBytes;
    }
    return true;
  }

  private noteIncomplete(unknown: Measured['incomplete']): void {
    if (unknown !== undefined) this.total.incomplete ??= unknown;
  }

  private async rest(path: string): Promise<void> {
    this.progress(this.total.entries, this.total.sizeBytes, path);
    await this.pace.rest();
  }
}

function descriptors(parts: readonly Part[]): number[] {
  return parts.map(({ descriptor }) => descriptor);
}
