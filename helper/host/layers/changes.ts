/**
 * What a layer changes, depth first by name: the same set as `docker diff` gives. docker compares the whole merged tree with the whole
 * tree below; only what the layer itself has can differ, so that is all that is walked here.
 */

import type { BriefStatus } from '../../kernel/directory.ts';
import { DT_CHR, DT_DIR, DT_REG, DT_UNKNOWN } from '../../kernel/numbers.ts';
import { textOfBytes } from '../../proc/fileName.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { LayerChange, LayerMark } from '../../protocol/layers.ts';
import {
  addsPlainly,
  type Compared,
  type Comparison,
  closeCompared,
  compare,
  comparedRoot,
  plainAddition,
} from './compared.ts';
import { leastNames } from './directory.ts';
import { typeOf } from './entries.ts';
import type { Part, Stack } from './merged.ts';
import type { Pace } from './pace.ts';

/** Directories within directories. Each holds a descriptor of every layer that has a part in it. */
const MAX_DEPTH = 1000;
const TOO_DEEP: Unknown = { unknown: 'unsupported', errno: 'ENAMETOOLONG' };
/** All directories on the way together; the outer ones give theirs up, and are read again later. */
const MAX_HELD_NAMES = 250_000;
/** From so many names on, reading the directories below costs less than asking them for each name. */
const MANY_NAMES = 64;
const MAX_NAMES_BELOW = 131_072;
const STEPS_TO_LOOK = 16;

/** A directory on the way down. */
interface Level {
  name: string;
  /** As the protocol writes it; empty for the root. */
  path: string;
  directory: Compared;
  names: string[];
  /** `d_type` of those that are no regular files; absent when that is not known. */
  types?: ReadonlyMap<string, number>;
  /** The next of `names`. */
  at: number;
  /** The last name that was dealt with. */
  last: string;
  more: boolean;
  /** Names that layers below have; absent when that is not known. */
  namesBelow?: ReadonlySet<string>;
  /** Of the directory itself: told only when something in it has changed. */
  pending: LayerChange | undefined;
}

/** A walk that can pause between pages, and then holds no descriptor. */
export class ChangeWalk {
  private readonly layer: number;
  private readonly sizes: boolean;
  private levels: Level[] = [];
  private found: LayerChange[] = [];
  private paused: { name: string }[] | undefined;
  incomplete: Unknown | undefined;

  private constructor(layer: number, sizes: boolean) {
    this.layer = layer;
    this.sizes = sizes;
  }

  /** `sizes`: they are wanted, for which each file has to be asked. */
  static start(stack: Stack, layer: number, sizes = false): ChangeWalk {
    const walk = new ChangeWalk(layer, sizes);
    walk.levels.push(levelOf('', '', comparedRoot(stack, layer)));
    return walk;
  }

  /** Goes on after the path of the last change that was told; `names` are those of its directories, and its own. */
  static after(stack: Stack, layer: number, names: readonly string[], sizes = false): ChangeWalk {
    const walk = ChangeWalk.start(stack, layer, sizes);
    for (const name of names) {
      const level = walk.levels.at(-1)!;
      level.last = name;
      const { inside } = compare(stack, layer, level.directory, name, { onlyLook: true });
      if (inside === undefined || walk.levels.length > MAX_DEPTH) break;
      walk.levels.push(levelOf(name, pathIn(level, name), inside));
    }
    return walk;
  }

  /** The next changes, fewer than `limit` only at the end. */
  async next(stack: Stack, limit: number, pace: Pace): Promise<LayerChange[]> {
    await this.fill(stack, limit, pace);
    return this.found.splice(0, limit);
  }

  /** Finds out what the next so many changes are. When it throws the walk may go on all the same. */
  async fill(stack: Stack, limit: number, pace: Pace): Promise<void> {
    this.resume(stack);
    let steps = 0;
    while (this.found.length < limit && this.levels.length > 0) {
      const level = this.levels.at(-1)!;
      if (level.at < level.names.length) this.step(stack, level);
      else if (!(await this.readMore(stack, level, pace))) this.leave(level);
      // Even looking at the clock takes a part of the time that a step does.
      steps += 1;
      if (steps % STEPS_TO_LOOK === 0 && pace.isDue) await pace.rest();
    }
  }

  get isDone(): boolean {
    return this.levels.length === 0 && this.found.length === 0;
  }

  /** Closes every directory. The walk may go on after it. */
  pause(): void {
    if (this.paused !== undefined) return;
    this.paused = this.levels.map(({ name }) => ({ name }));
    for (const { directory } of this.levels.slice(1)) closeCompared(directory);
  }

  /** Opens the directories again, as far as they are still there. */
  private resume(stack: Stack): void {
    if (this.paused === undefined) return;
    this.paused = undefined;
    const [root, ...inner] = this.levels;
    if (root === undefined) return;
    root.directory = comparedRoot(stack, this.layer);
    this.levels = [root];
    for (const level of inner) {
      const { inside } = compare(stack, this.layer, this.levels.at(-1)!.directory, level.name, { onlyLook: true });
      if (inside === undefined) return;
      level.directory = inside;
      this.levels.push(level);
    }
  }

  private leave(level: Level): void {
    this.levels.pop();
    if (level.path !== '') closeCompared(level.directory);
  }

  private step(stack: Stack, level: Level): void {
    const name = level.names[level.at]!;
    level.at += 1;
    level.last = name;
    const { directory } = level;
    const mayBeBelow = directory.below.length > 0 && (level.namesBelow?.has(name) ?? true);
    const isOnlyOwn = !mayBeBelow && (directory.merged === directory.below || directory.merged.length === 0);
    const addition = isOnlyOwn ? this.additionIn(stack, level, name) : undefined;
    if (addition !== undefined) {
      this.tellPending('modified');
      this.found.push(addition);
      return;
    }
    const comparison = compare(stack, this.layer, directory, name, { mayBeBelow });
    if (comparison.unknown !== undefined) this.incomplete ??= comparison.unknown;
    this.tell(level, name, comparison);
  }

  /** What no layer below has; undefined when it may be more than a file. */
  private additionIn(stack: Stack, level: Level, name: string): LayerChange | undefined {
    const { directory, types } = level;
    if (this.sizes || types === undefined || stack.style.metacopy) {
      const status = plainAddition(stack, directory, name);
      return status && { ...additionOf(pathIn(level, name), status), ...this.sizeOf(status) };
    }
    const type = types.get(name) ?? DT_REG;
    if (type === DT_DIR || type === DT_CHR || type === DT_UNKNOWN || !addsPlainly(stack, directory)) return undefined;
    return additionOf(pathIn(level, name), { mode: type << 12 });
  }

  private rowOf(path: string, change: LayerChange['change'], { marks, now, before }: Comparison): LayerChange {
    const status = (now ?? before)!.status!;
    return { path, change, type: typeOf(status), marks, ...this.sizeOf(status) };
  }

  private sizeOf({ sizeBytes }: { sizeBytes: number }): { sizeBytes?: number } {
    return this.sizes ? { sizeBytes } : {};
  }

  private tell(level: Level, name: string, comparison: Comparison): void {
    const path = pathIn(level, name);
    const { change, inside } = comparison;
    if (change !== undefined) {
      this.tellPending(change === 'perhapsModified' ? change : 'modified');
      this.found.push(this.rowOf(path, change, comparison));
    }
    if (inside === undefined) return;
    if (this.levels.length > MAX_DEPTH) {
      this.incomplete ??= TOO_DEEP;
      closeCompared(inside);
      return;
    }
    const inner = levelOf(name, path, inside);
    if (change === undefined) inner.pending = this.rowOf(path, 'modified', comparison);
    this.levels.push(inner);
  }

  /** The directories on the way hold a change, or perhaps one. */
  private tellPending(change: LayerChange['change']): void {
    // Those above one of which was told were told with it.
    if (this.levels.at(-1)?.pending === undefined) return;
    for (const level of this.levels) {
      if (level.pending !== undefined) this.found.push({ ...level.pending, change });
      level.pending = undefined;
    }
  }

  /** False at the end of the directory. */
  private async readMore(stack: Stack, level: Level, pace: Pace): Promise<boolean> {
    if (!level.more) return false;
    const { directory } = level;
    const { whiteoutFiles } = stack.style;
    const after = level.last;
    const { names, more, incomplete, types } = await leastNames(directoriesOf(directory), after, whiteoutFiles, pace);
    this.incomplete ??= incomplete;
    Object.assign(level, { names, more, at: 0 });
    delete level.namesBelow;
    if (types === undefined) delete level.types;
    else level.types = types;
    if (names.length >= MANY_NAMES && directory.below.length > 0) {
      const below = await leastNames(descriptorsOf(directory.below), after, whiteoutFiles, pace, MAX_NAMES_BELOW);
      if (!below.more && below.incomplete === undefined) level.namesBelow = new Set(below.names);
    }
    this.letGoOfNames();
    return names.length > 0;
  }

  private letGoOfNames(): void {
    let held = this.levels.reduce((sum, { names }) => sum + names.length, 0);
    for (const level of this.levels.slice(0, -1)) {
      if (held <= MAX_HELD_NAMES) return;
      held -= level.names.length;
      Object.assign(level, { names: [], at: 0, more: level.more || level.at < level.names.length });
      delete level.namesBelow;
    }
  }
}

function levelOf(name: string, path: string, directory: Compared): Level {
  return { name, path, directory, names: [], at: 0, last: '', more: true, pending: undefined };
}

/** Those whose names can differ. */
function directoriesOf({ own, merged, below }: Compared): number[] {
  const others = merged === below ? [] : [...merged, ...below];
  return descriptorsOf([...(own === undefined ? [] : [own]), ...others]);
}

function descriptorsOf(parts: readonly Part[]): number[] {
  return parts.map(({ descriptor }) => descriptor);
}

function pathIn({ path }: Level, name: string): string {
  return `${path}/${textOfBytes(name)}`;
}

/** One for all: there may be very many. */
const ADDED: LayerMark[] = ['added'];

function additionOf(path: string, status: Pick<BriefStatus, 'mode'>): LayerChange {
  return { path, change: 'added', type: typeOf(status), marks: ADDED };
}
