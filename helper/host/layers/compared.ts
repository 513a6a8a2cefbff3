/**
 * A directory of the merged view beside what it would be without the topmost layer: what that layer adds, modifies and deletes.
 * The layer in question need not be the top of the whole overlay; those above it play no part.
 */

import { type BriefStatus, briefStatusBelow, type FileStatus } from '../../kernel/directory.ts';
import { close } from '../../kernel/files.ts';
import { S_IFCHR, S_IFMT } from '../../kernel/numbers.ts';
import { attributeOf } from '../../kernel/xattr.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { LayerMark } from '../../protocol/layers.ts';
import { unknownOf } from './directory.ts';
import { isDirectory, isRegular, redirectText } from './marks.ts';
import {
  closeFound,
  closeParts,
  type Found,
  type Lookup,
  lookFurther,
  lookIn,
  lookUp,
  lookupOf,
  type Part,
  partsOf,
  rootsBelow,
  type Stack,
} from './merged.ts';
import { compareContents } from './sameContent.ts';

/** Close it with `closeCompared`, unless it is the root. */
export interface Compared {
  /** The layer's own directory; absent where it is merged only by way of a redirect above. */
  own?: Part;
  /** What of the layers below is merged with it; the very same array as `below` when the layer does not change that. */
  merged: readonly Part[];
  /** What would be seen without the layer. */
  below: readonly Part[];
}

/** `perhapsModified`: all that can be told without reading too much is alike, and the content could not be compared. */
export type Change = 'added' | 'modified' | 'perhapsModified' | 'deleted';

export interface Comparison {
  change?: Change;
  marks: LayerMark[];
  /** What the layer itself has under the name, a whiteout too. */
  own: Found;
  /** With the layer. */
  now?: Found;
  /** Without it. */
  before?: Found;
  redirect?: string;
  /** Now a directory that may differ below from what it was: to be closed. */
  inside?: Compared;
  /** Some layer could not be asked, so the rest may be wrong. */
  unknown?: Unknown;
}

export function comparedRoot(stack: Stack, layer: number): Compared {
  const below = rootsBelow(stack, layer);
  const own = stack.roots[layer];
  return { ...(own === undefined ? {} : { own }), merged: below, below };
}

export function closeCompared({ own, merged, below }: Compared): void {
  if (own !== undefined) close(own.descriptor);
  closeParts(merged);
  if (below !== merged) closeParts(below);
}

export interface CompareOptions {
  /** False when it is known that no layer below has the name. */
  mayBeBelow?: boolean;
  /** Opens a directory too in which nothing can differ. */
  openUnchanged?: boolean;
  /** Not what has changed, for which content may have to be read: neither `change` nor its mark is told. */
  onlyLook?: boolean;
}

export function compare(
  stack: Stack,
  layer: number,
  directory: Compared,
  name: string,
  { mayBeBelow = true, openUnchanged = false, onlyLook = false }: CompareOptions = {},
): Comparison {
  const lookup = lookupOf(name);
  const own: Found =
    directory.own === undefined ? { layer, what: 'nothing', hidden: false } : lookIn(stack, directory.own, lookup);
  const below = mayBeBelow && directory.below.length > 0 ? lookUp(stack, directory.below, name) : [];
  const merged = mergedWith(stack, layer, own, lookup, directory, below);
  const seen = merged === 'same' ? below : merged;
  const now = own.what === 'present' ? own : own.what === 'whiteout' ? undefined : firstPresent(seen);
  const before = firstPresent(below);
  const content = () => compareContents(stack, seenWith(stack, layer, own, lookup, directory, seen), below.filter(isPresent));
  const change = onlyLook ? undefined : changeOf(now, before, content);
  const inside = insideOf(own, now, before, below, merged, openUnchanged);
  const unknown = unknownIn(stack, [own, ...below, ...seen]) ?? unsureIn(stack, layer, directory);
  return {
    own,
    marks: marksOf(own, change),
    ...(change === undefined ? {} : { change }),
    ...(now === undefined ? {} : { now }),
    ...(before === undefined ? {} : { before }),
    ...(own.redirect === undefined ? {} : { redirect: redirectText(own.redirect) }),
    ...(inside === undefined ? {} : { inside }),
    ...(unknown === undefined ? {} : { unknown }),
  };
}

/** A layer that did not answer; or directories, when what they may be marked with is not shown to this user. */
function unknownIn({ style }: Stack, found: readonly Found[]): Unknown | undefined {
  const one = found.find(({ what }) => what === 'unknown');
  if (one !== undefined) return unknownOf(one.result!);
  return style.unknown !== undefined && found.some(({ part }) => part !== undefined) ? style.unknown : undefined;
}

/**
 * Why it is not known what a directory is merged with: it may hide all that layers below have, or have that under another name. Of the lowest layer nothing
 * is below, and the layers' own directories are merged in any case.
 */
function unsureIn({ style, roots }: Stack, layer: number, { own, merged, below }: Compared): Unknown | undefined {
  // All of them are from the top.
  const first = own ?? merged[0] ?? below[0];
  if (style.unknown === undefined || first === undefined) return undefined;
  const isRoot = first === roots[layer] || first === roots[layer + 1];
  const top = Math.min(first.layer, below[0]?.layer ?? first.layer);
  return isRoot || top >= roots.length - 1 ? undefined : style.unknown;
}

/** Whether a file that no layer below has, and that is no directory and no device, must be an addition without any mark. */
export function addsPlainly({ style }: Stack, { own }: Compared): boolean {
  return own !== undefined && own.descriptor >= 0 && !own.marks.hasWhiteoutAttributes && !style.whiteoutFiles;
}

/**
 * The shorter way for what most changes are: a file that no layer below has, and that has no mark. Undefined when it may be
 * something else; valid until the next call.
 */
export function plainAddition(stack: Stack, directory: Compared, name: string): BriefStatus | undefined {
  if (!addsPlainly(stack, directory)) return undefined;
  const { style } = stack;
  const status = briefStatusBelow(directory.own!.descriptor, name);
  if (typeof status === 'number' || status.covered || isDirectory(status) || (status.mode & S_IFMT) === S_IFCHR)
    return undefined;
  const mayBeMetacopy = isRegular(status) && (style.metacopy || (status.blocks === 0 && status.sizeBytes > 0));
  return mayBeMetacopy ? undefined : status;
}

/** What of the layers below is seen together with what the layer has; `same` when it is what was seen without it. */
function mergedWith(
  stack: Stack,
  layer: number,
  own: Found,
  lookup: Lookup,
  directory: Compared,
  below: readonly Found[],
): Found[] | 'same' {
  if (own.what === 'whiteout' || (own.what === 'present' && own.part === undefined) || own.part?.marks.opaque) return [];
  if (own.redirect === undefined && directory.merged === directory.below) {
    // A file is not merged with a directory above it.
    return own.part === undefined || firstPresent(below)?.part !== undefined ? 'same' : [];
  }
  return lookFurther(stack, lookup.fromRoot ? rootsBelow(stack, layer) : directory.merged, lookup, false);
}

/** What is seen with the layer, from the top, down to what has its content. */
function seenWith(
  stack: Stack,
  layer: number,
  own: Found,
  lookup: Lookup,
  directory: Compared,
  seen: readonly Found[],
): readonly Found[] {
  if (own.what !== 'present') return seen.filter(isPresent);
  if (!own.metacopy) return [own];
  return [own, ...lookFurther(stack, lookup.fromRoot ? rootsBelow(stack, layer) : directory.merged, lookup, false)];
}

function firstPresent(found: readonly Found[]): Found | undefined {
  return found.find(isPresent);
}

function isPresent({ what }: Found): boolean {
  return what === 'present';
}

/** Keeps what is needed to go on in the directory, and closes the rest. */
function insideOf(
  own: Found,
  now: Found | undefined,
  before: Found | undefined,
  below: readonly Found[],
  merged: Found[] | 'same',
  openUnchanged: boolean,
): Compared | undefined {
  const isSame = own.part === undefined && (merged === 'same' || areSame(merged, below));
  if (now?.part === undefined || (isSame && !openUnchanged)) {
    closeFound(below);
    if (merged !== 'same') closeFound(merged);
    return undefined;
  }
  const parts = before?.part === undefined ? [] : partsOf(below);
  if (before?.part === undefined) closeFound(below);
  return {
    ...(own.part === undefined ? {} : { own: own.part }),
    below: parts,
    merged: merged === 'same' ? parts : partsOf(merged),
  };
}

function areSame(some: readonly Found[], others: readonly Found[]): boolean {
  return some.length === others.length && some.every((one, at) => isSameFile(one, others[at]!));
}

function isSameFile(one: Found, other: Found): boolean {
  if (one.layer !== other.layer || one.status === undefined || other.status === undefined) return false;
  return one.status.inoLow === other.status.inoLow && one.status.inoHigh === other.status.inoHigh;
}

/** `content` is asked for only when nothing else tells the two apart. */
function changeOf(
  now: Found | undefined,
  before: Found | undefined,
  content: () => 'same' | 'different' | 'unknown',
): Change | undefined {
  if (now === undefined) return before === undefined ? undefined : 'deleted';
  if (before === undefined) return 'added';
  if (now === before) return undefined;
  if (differs(now.status!, before.status!) || capability(now) !== capability(before)) return 'modified';
  const contents = content();
  if (contents === 'same') return undefined;
  return contents === 'different' ? 'modified' : 'perhapsModified';
}

/**
 * Whether they are different files to a person, though copying up made them different inodes: what `docker diff` looks at (statDifferent
 * in moby's pkg/archive). It takes all else for the same; here it is compared. Directories change their time and size with what is in them.
 */
function differs(now: FileStatus, before: FileStatus): boolean {
  if (now.mode !== before.mode || now.uid !== before.uid || now.gid !== before.gid) return true;
  if (now.major !== before.major || now.minor !== before.minor) return true;
  return !isDirectory(now) && (now.sizeBytes !== before.sizeBytes || !isSameTime(now, before));
}

/** Some archives keep no fractions of a second. */
function isSameTime(one: FileStatus, other: FileStatus): boolean {
  if (one.modifiedSeconds !== other.modifiedSeconds) return false;
  return one.modifiedNanos === other.modifiedNanos || one.modifiedNanos === 0 || other.modifiedNanos === 0;
}

function capability({ place }: Found): string | undefined {
  const value = place === undefined ? -1 : attributeOf(place, 'security.capability');
  return typeof value === 'number' ? undefined : value.toString('latin1');
}

function marksOf(own: Found, change: Change | undefined): LayerMark[] {
  if (own.what === 'whiteout') return ['deleted'];
  if (own.what !== 'present') return [];
  const marks: LayerMark[] = change === undefined ? [] : [change];
  if (own.part?.marks.opaque) marks.push('opaque');
  if (own.redirect !== undefined) marks.push('redirected');
  if (own.metacopy) marks.push('metadata');
  return marks;
}
