/**
 * layers/provenance: which layer a path comes from, and what every other layer has to say of it. Symbolic links are followed here, name by
 * name through the layers, so that they never lead out of the container's root.
 */
import { Failure } from '../../failure.ts';
import { linkBelow } from '../../kernel/directory.ts';
import { bytesOfText, textOfBytes } from '../../proc/fileName.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { LayersProvenanceResult } from '../../protocol/layers.ts';
import { said } from '../../saying.ts';
import { unknownOf } from './directory.ts';
import { entryOf, isSymlink } from './entries.ts';
import { missing } from './layerPath.ts';
import { closeParts, type Found, lookFurther, lookupOf, type Part, type Stack } from './merged.ts';

/** MAXSYMLINKS of the kernel (path_resolution(7)). */
const MAX_SYMLINKS = 40;
const MAX_NAMES = 4096;

type LayerWord = LayersProvenanceResult['layers'][number];

/** A directory on the way down. */
interface Step {
  name: string;
  /** What of it each layer has, seen or hidden. */
  parts: readonly TracedPart[];
  /** Layers that hide here, or further up, what those below them have: what the layer has, and where. */
  deciders: ReadonlyMap<number, { has: 'whiteout' | 'opaque'; because: string }>;
  /** Directories on the way that were moved to here, in that layer: those below have them elsewhere. */
  moved: readonly { layer: number; path: string }[];
  exists: boolean | Unknown;
  /** The topmost layer with a directory on the way whose marks are not shown to this user: it may hide what those below have, or have it elsewhere. */
  unsure?: { layer: number; path: string };
}

/** Hidden parts know what hides them; and all, what they are called in their own layer. */
interface TracedPart extends Part {
  because?: string;
  /** Path from the root of the layer, one character a byte. Empty for the root. */
  at?: string;
}

export interface ProvenanceRequest {
  path: string;
  /** The last name is asked for itself when it is a symbolic link. */
  noFollow?: boolean;
}

/** What the layers have to say; what is mounted over them is told by `coveringMount`. */
export function provenanceOf(stack: Stack, { path, noFollow = false }: ProvenanceRequest): LayersProvenanceResult {
  const followed: LayersProvenanceResult['followed'] = [];
  const steps: Step[] = [{ name: '', parts: stack.roots, deciders: new Map(), moved: [], exists: true }];
  /** A link was followed that may not be what is seen. */
  let doubt: Unknown | undefined;
  let pending = namesToFollow(path);
  try {
    for (;;) {
      const [name, ...rest] = pending;
      if (name === undefined && steps.length === 1) return resultOf(steps, rootWords(stack), undefined, followed, doubt);
      if (name === undefined) {
        // It ended with "..": that directory is what is asked for.
        pending = [leaveLast(steps)];
        continue;
      }
      pending = rest;
      if (name === '..') {
        goUp(steps, path);
        continue;
      }
      const directory = steps.at(-1)!;
      const found = lookFurther(stack, directory.parts, { ...lookupOf(name), passing: rest.length > 0 }, true);
      const seen = providerOf(found);
      const target = rest.length === 0 && noFollow ? undefined : targetOf(seen);
      const step = stepTo(stack, steps, name, found);
      steps.push(step);
      if (target === undefined && rest.length > 0) continue;
      if (target === undefined) return resultOf(steps, wordsOf(stack, found, directory, steps), seen, followed, doubt);
      doubt ??= doubtOf(step);
      followed.push({ path: pathOf(steps), target: textOfBytes(target) });
      if (followed.length > MAX_SYMLINKS) throw tooManySymlinks(path);
      pending = [...follow(steps, target), ...rest];
    }
  } finally {
    leaveAll(steps);
  }
}

/** Why it is not known whether there is such a file; undefined when that is known. */
function doubtOf({ exists }: Step): Unknown | undefined {
  return typeof exists === 'boolean' ? undefined : exists;
}

function stepTo(stack: Stack, steps: readonly Step[], name: string, found: readonly Found[]): Step {
  const directory = steps.at(-1)!;
  const here = pathOf([...steps, { ...directory, name }]);
  return {
    name,
    parts: tracedParts(found, directory.parts, here),
    deciders: decidersWith(directory.deciders, found, here),
    moved: movedWith(directory, found, here),
    exists: existsWith(stack, directory, found),
    ...unsureWith(stack, directory, found, here),
  };
}

/** As path_resolution(7) has it: only a directory has one above, and that of the root is the root. */
function goUp(steps: Step[], path: string): void {
  const { parts, exists } = steps.at(-1)!;
  if (parts.every(({ hidden }) => hidden === true)) {
    throw typeof exists === 'boolean' ? notDirectory(path, pathOf(steps)) : missing(path, 'merged', exists);
  }
  if (steps.length > 1) leaveLast(steps);
}

/** From the symbolic link that is the last step; returns the names that lead on from there. */
function follow(steps: Step[], target: string): string[] {
  leaveLast(steps);
  if (target.startsWith('/')) leaveAll(steps);
  return target.split('/').filter((name) => name !== '' && name !== '.');
}

/** Tells what it was called. */
function leaveLast(steps: Step[]): string {
  const { name, parts } = steps.pop()!;
  closeParts(parts);
  return name;
}

/** Back to the root, which the stack keeps open. */
function leaveAll(steps: Step[]): void {
  for (const { parts } of steps.splice(1)) closeParts(parts);
}

function notDirectory(path: string, at: string): Failure {
  return new Failure('notFound', said('leadsThroughNoDirectory', path, at), { path, errno: 'ENOTDIR' });
}

function namesToFollow(path: string): string[] {
  const bytes = path.split('/').map((name) => bytesOfText(name));
  const names = bytes.filter((name) => name !== undefined && name !== '' && name !== '.') as string[];
  if (bytes.every((name) => name !== undefined) && names.length <= MAX_NAMES) return names;
  throw new Failure('invalid', said('pathCannotBeLookedUp', JSON.stringify(path)), {
    path,
    field: ['path'],
    hint: said('sendPathInBytes'),
  });
}

function targetOf(seen: Found | undefined): string | undefined {
  if (seen?.status === undefined || seen.place === undefined || !isSymlink(seen.status)) return undefined;
  const target = linkBelow(seen.place.directory, seen.place.name);
  return typeof target === 'string' && target !== '' ? target : undefined;
}

function tooManySymlinks(path: string): Failure {
  return new Failure('invalid', said('tooManyLinks', path, MAX_SYMLINKS), {
    path,
    field: ['path'],
    errno: 'ELOOP',
    hint: said('kernelRefusesLinksToo'),
  });
}

function pathOf(steps: readonly Step[]): string {
  return steps.length === 1 ? '/' : steps.map(({ name }) => textOfBytes(name)).join('/');
}

/** Directories to go on in; a layer that cannot be asked stays one. */
function tracedParts(found: readonly Found[], parents: readonly TracedPart[], path: string): TracedPart[] {
  const parts: TracedPart[] = [];
  const above = byLayer(parents);
  for (const one of found) {
    const { part, what, layer, result, hidden } = one;
    if (what === 'unknown') parts.push({ layer, descriptor: result!, marks: { opaque: false, hasWhiteoutAttributes: false } });
    if (part === undefined) continue;
    const parent = above.get(layer);
    const because = parent?.because ?? (hidden ? path : undefined);
    parts.push({ ...part, at: placeOf(one, parent), ...(because === undefined ? {} : { because }) });
  }
  return parts;
}

/** The first of each. */
function byLayer<T extends { layer: number }>(all: readonly T[]): Map<number, T> {
  const found = new Map<number, T>();
  for (const one of all) if (!found.has(one.layer)) found.set(one.layer, one);
  return found;
}

/** Where the layer itself has it: another path, below a directory that a layer above moved. */
function placeOf({ pathFromRoot, place }: Found, parent: TracedPart | undefined): string {
  if (pathFromRoot !== undefined) return `/${pathFromRoot}`;
  return `${parent?.at ?? ''}/${place?.name ?? ''}`;
}

function decidersWith(deciders: Step['deciders'], found: readonly Found[], path: string): Step['deciders'] {
  const all = new Map(deciders);
  for (const { layer, what, hidden, part } of found) {
    if (hidden || all.has(layer)) continue;
    if (what === 'whiteout') all.set(layer, { has: 'whiteout', because: path });
    else if (part?.marks.opaque) all.set(layer, { has: 'opaque', because: path });
  }
  return all;
}

function movedWith({ moved }: Step, found: readonly Found[], path: string): Step['moved'] {
  const here = found.filter(({ redirect, hidden }) => redirect !== undefined && !hidden);
  return [...moved, ...here.map(({ layer }) => ({ layer, path }))];
}

/** What is seen. */
function providerOf(found: readonly Found[]): Found | undefined {
  return found.find(({ what, hidden }) => what === 'present' && !hidden);
}

/** The topmost that decides: what is seen, or what deletes it. */
function decisive(found: readonly Found[]): Found | undefined {
  return found.find(({ what, hidden }) => !hidden && (what === 'present' || what === 'whiteout'));
}

/** Whether there is such a file, as far as that is known: no layer that was not read may decide otherwise, nor a directory on the way. */
function existsWith(stack: Stack, parent: Step, found: readonly Found[]): boolean | Unknown {
  if (parent.exists === false) return false;
  const decides = parent.parts.every(({ hidden }) => hidden === true) ? undefined : decisive(found);
  const isAbove = ({ layer }: { layer: number }) => decides === undefined || layer < decides.layer;
  const isHidden = ({ layer }: Found) => parent.parts.some((part) => part.layer === layer && part.hidden === true);
  const unread = found.find((one) => one.what === 'unknown' && isAbove(one) && !isHidden(one));
  if (unread !== undefined) return unknownOf(unread.result!);
  if (stack.style.unknown !== undefined && parent.unsure !== undefined && isAbove(parent.unsure)) {
    return parent.unsure.layer < stack.roots.length - 1 ? stack.style.unknown : decides?.what === 'present';
  }
  const exists = decides?.what === 'present';
  return exists && typeof parent.exists !== 'boolean' ? parent.exists : exists;
}

function unsureWith({ style }: Stack, { unsure }: Step, found: readonly Found[], path: string): Pick<Step, 'unsure'> {
  const directory = style.unknown === undefined ? undefined : found.find(({ part, hidden }) => part !== undefined && !hidden);
  if (directory === undefined || (unsure !== undefined && unsure.layer <= directory.layer)) {
    return unsure === undefined ? {} : { unsure };
  }
  return { unsure: { layer: directory.layer, path } };
}

function rootWords({ roots }: Stack): LayerWord[] {
  return roots.map(({ layer, descriptor }) => {
    if (descriptor < 0) return { layer, has: 'unknown', unknown: unknownOf(descriptor) };
    return { layer, has: layer === 0 ? 'provides' : 'merges' };
  });
}

function wordsOf(stack: Stack, found: readonly Found[], parent: Step, steps: readonly Step[]): LayerWord[] {
  const provider = providerOf(found);
  const isOpaque = found.some(({ part, hidden }) => !hidden && part?.marks.opaque === true);
  const [ones, parts] = [byLayer(found), byLayer(parent.parts)];
  const { unsure } = steps.at(-1)!;
  const decides = decisive(found);
  const isDecided =
    decides !== undefined && decides.part === undefined && unsure !== undefined && decides.layer <= unsure.layer;
  return stack.roots.map(({ layer }): LayerWord => {
    const one = ones.get(layer);
    const part = parts.get(layer);
    if (unsure !== undefined && !isDecided && layer > unsure.layer && one?.what !== 'unknown') {
      const copy = one?.what === 'present' ? { entry: entryOf(steps.at(-1)!.name, one.status!, one.place) } : {};
      return { layer, has: 'unknown', unknown: stack.style.unknown!, because: unsure.path, ...copy };
    }
    if (one === undefined || one.what === 'nothing') return { layer, has: 'nothing', ...parent.deciders.get(layer) };
    if (one.what === 'unknown') return { layer, has: 'unknown', unknown: unknownOf(one.result!) };
    if (one.what === 'whiteout') return { layer, has: part?.hidden ? 'nothing' : 'whiteout' };
    const at = textOfBytes(placeOf(one, part));
    const elsewhere = at === pathOf(steps) ? {} : { path: at };
    if (one.hidden) return { ...hiddenWord(one, part, steps, isOpaque), ...elsewhere };
    return { layer, has: seenAs(one, provider), ...becauseOf(steps, layer), ...elsewhere };
  });
}

/** `isOpaque`: a directory of that name hides what the layers below it have there. */
function hiddenWord(one: Found, part: TracedPart | undefined, steps: readonly Step[], isOpaque: boolean): LayerWord {
  const { layer } = one;
  const entry = entryOf(steps.at(-1)!.name, one.status!, one.place);
  if (part?.because !== undefined) return { layer, has: 'hiddenByParent', entry, because: part.because };
  return { layer, has: 'hidden', entry, ...(isOpaque ? { because: pathOf(steps) } : {}) };
}

function seenAs(one: Found, provider: Found | undefined): LayerWord['has'] {
  if (one === provider) return 'provides';
  return one.part?.marks.opaque ? 'opaque' : 'merges';
}

/** The directory by whose move the layer has it under another name. */
function becauseOf(steps: readonly Step[], layer: number): { because?: string } {
  const here = pathOf(steps);
  const move = steps.at(-1)!.moved.findLast((one) => one.layer < layer || (one.layer === layer && one.path === here));
  return move === undefined ? {} : { because: move.path };
}

function resultOf(
  steps: readonly Step[],
  layers: LayerWord[],
  seen: Found | undefined,
  followed: LayersProvenanceResult['followed'],
  doubt: Unknown | undefined,
): LayersProvenanceResult {
  return {
    resolved: pathOf(steps),
    followed,
    exists: doubt ?? steps.at(-1)!.exists,
    layers,
    ...(seen === undefined
      ? {}
      : { entry: { ...entryOf(steps.at(-1)!.name, seen.status!, seen.place), providedBy: seen.layer } }),
  };
}
