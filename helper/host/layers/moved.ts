/**
 * Where a layer's directories are seen that layers above renamed (`redirect_dir`), and its files of which those have only the metadata (`metacopy`). The
 * layer itself does not tell; nothing leads from it to the directories above that lead to it, so all of those are gone through.
 */
import type { FileStatus } from '../../kernel/directory.ts';
import type { Unknown } from '../../protocol/errors.ts';
import { leastNames, unknownOf } from './directory.ts';
import {
  closeParts,
  type Found,
  type Lookup,
  lookFurther,
  lookIn,
  lookupOf,
  type Part,
  partsOf,
  type Stack,
} from './merged.ts';
import type { Pace } from './pace.ts';

const MAX_DEPTH = 1000;
const MAX_MOVED = 100_000;

export interface Moved {
  /** By `fileKey`: the names of the path in the merged view. */
  places: ReadonlyMap<string, readonly string[]>;
  /** Some may be missing. */
  incomplete?: Unknown;
}

export function fileKey({ device, inoHigh, inoLow }: FileStatus): string {
  return `${device} ${inoHigh} ${inoLow}`;
}

/** The layers above one, without what is below them. */
export function layersAbove(stack: Stack, layer: number): Stack {
  return { ...stack, roots: stack.roots.slice(0, layer) };
}

/** Whether what was looked up goes on under another name in the layers below. */
export function isElsewhere({ names, fromRoot }: Lookup, name: string): boolean {
  return fromRoot || names[0] !== name;
}

export async function findMoved(stack: Stack, layer: number, pace: Pace): Promise<Moved> {
  const search = new Search(stack, layer, pace);
  if (stack.style.followsRedirects) await search.walk(search.upper.roots, stack.roots[layer], []);
  return search.moved;
}

class Search {
  private readonly stack: Stack;
  readonly upper: Stack;
  private readonly root: Part;
  private readonly pace: Pace;
  private readonly places = new Map<string, readonly string[]>();
  private incomplete: Unknown | undefined;

  constructor(stack: Stack, layer: number, pace: Pace) {
    this.stack = stack;
    this.upper = layersAbove(stack, layer);
    this.root = stack.roots[layer]!;
    this.pace = pace;
  }

  get moved(): Moved {
    return { places: this.places, ...(this.incomplete === undefined ? {} : { incomplete: this.incomplete }) };
  }

  /** `own`: what the layer has of the merged directory that `parts` are of. */
  async walk(parts: readonly Part[], own: Part | undefined, path: readonly string[]): Promise<void> {
    const descriptors = parts.map(({ descriptor }) => descriptor);
    for (let after = '', more = true; more; ) {
      const ahead = await leastNames(descriptors, after, this.stack.style.whiteoutFiles, this.pace);
      this.incomplete ??= ahead.incomplete;
      for (const name of ahead.names) {
        if (this.pace.isDue) await this.pace.rest();
        await this.look(parts, own, name, path);
      }
      after = ahead.names.at(-1) ?? '';
      more = ahead.more && after !== '';
    }
  }

  private async look(parts: readonly Part[], own: Part | undefined, name: string, path: readonly string[]): Promise<void> {
    const lookup = lookupOf(name);
    const found = lookFurther(this.upper, parts, lookup, false);
    const inner = partsOf(found);
    let one: Found | undefined;
    try {
      const start = lookup.fromRoot ? this.root : own;
      // What is looked up in the layer may change the lookup.
      const isMoved = isElsewhere(lookup, name);
      if (!lookup.stop && start !== undefined) one = lookIn(this.stack, start, lookup);
      const here = [...path, name];
      for (const { result } of found) if (result !== undefined) this.incomplete ??= unknownOf(result);
      if (isMoved && one?.what === 'present' && !one.hidden) this.note(one, here);
      if (found[0]?.part === undefined) return;
      if (path.length < MAX_DEPTH) await this.walk(inner, one?.part, here);
      else this.incomplete ??= { unknown: 'unsupported', errno: 'ENAMETOOLONG' };
    } finally {
      closeParts(inner);
      if (one?.part !== undefined) closeParts([one.part]);
    }
  }

  private note({ status }: Found, path: readonly string[]): void {
    if (this.places.size < MAX_MOVED) this.places.set(fileKey(status!), path);
    else this.incomplete ??= { unknown: 'unsupported' };
  }
}
