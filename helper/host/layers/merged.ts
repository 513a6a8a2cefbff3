/**
 * Looking a name up in a stack of layers exactly as the kernel does: ovl_lookup() in fs/overlayfs/namei.c. It needs no overlay
 * mount, so it answers for the lower layers alone, which nobody mounted, and says what each layer has to say.
 */

import fs from 'node:fs';
import { type FileStatus, openBelow, statusBelow } from '../../kernel/directory.ts';
import { close, O_DIRECTORY } from '../../kernel/files.ts';
import { EACCES, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV, O_PATH } from '../../kernel/numbers.ts';
import {
  AttributeUnreadable,
  type DirectoryMarks,
  isDirectory,
  isMetacopy,
  isRegular,
  isWhiteout,
  type MarkStyle,
  marksOfDirectory,
  mayBeMarked,
  type Redirect,
  redirectOf,
  WHITEOUT_PREFIX,
} from './marks.ts';

const O_NOFOLLOW = fs.constants.O_NOFOLLOW;
const O_NONBLOCK = fs.constants.O_NONBLOCK;

/** Of content, for one request. */
const MAX_COMPARED_BYTES = 64 * 1024 * 1024;

export interface ComparedBytes {
  left: number;
}

/** A directory of one layer, as a part of a merged directory. */
export interface Part {
  layer: number;
  /** An open directory, perhaps by `O_PATH`; or `-errno` where it cannot be looked into. */
  descriptor: number;
  marks: DirectoryMarks;
  /** Something above hides it (only where everything is asked for). */
  hidden?: boolean;
}

/** An overlay's layers, and how to read them. */
export interface Stack {
  /** The layers' own directories, from the top. Not closed with what is looked up in them. */
  roots: readonly Part[];
  /** Data-only layers, below all others: no names of their own, only the content of metacopy files. */
  dataRoots: readonly Part[];
  style: MarkStyle;
  /** What is mounted, where that can be reached: `O_PATH`. */
  merged?: number;
  /** How much content may still be read to tell changed files from those that are not. */
  compared?: ComparedBytes;
}

/** What a layer has under a name. */
export interface Found {
  layer: number;
  what: 'present' | 'whiteout' | 'nothing' | 'unknown';
  /** Something above, or its being of another kind, hides it. */
  hidden: boolean;
  status?: FileStatus;
  /** A directory, open. */
  part?: Part;
  /** Where it is: the directory that holds it, and its name there. Absent behind an absolute redirect. */
  place?: { directory: number; name: string };
  /** Then its path from the root of the layer. */
  pathFromRoot?: string;
  metacopy?: boolean;
  redirect?: Redirect;
  /** Why it is unknown: `-errno`. */
  result?: number;
}

/** Where a lookup stands: struct ovl_lookup_data. */
export interface Lookup {
  /** One name below the parent's parts; or, once a redirect was absolute, a path from the layers' roots. */
  names: string[];
  fromRoot: boolean;
  stop: boolean;
  isDirectory: boolean;
  metacopy: boolean;
  /** Only to go on in: the attributes of directories are not asked for. */
  passing?: boolean;
}

export function lookupOf(name: string): Lookup {
  return { names: [name], fromRoot: false, stop: false, isDirectory: false, metacopy: false };
}

/** What is seen of a name: topmost first; nothing when it is not there. */
export function lookUp(stack: Stack, parts: readonly Part[], name: string): Found[] {
  return lookFurther(stack, parts, lookupOf(name), false);
}

/**
 * Goes on with a lookup through `parts` (of the parent; of the roots, once a redirect was absolute). `everything` also tells what layers have that is hidden, and that they have nothing;
 * else only what is seen, and what cannot be known.
 */
export function lookFurther(stack: Stack, parts: readonly Part[], lookup: Lookup, everything: boolean): Found[] {
  const found: Found[] = [];
  let base = parts;
  for (let at = 0; at < base.length; at += 1) {
    if (lookup.stop && !everything) break;
    const part = base[at]!;
    const hidden = lookup.stop || part.hidden === true;
    // What is hidden decides nothing: it is asked with a lookup of its own.
    const own = hidden ? { ...lookup, names: [...lookup.names], stop: false, isDirectory: false, metacopy: false } : lookup;
    const one = lookIn(stack, part, own);
    if (hidden && one.what === 'present') one.hidden = true;
    if (hidden && one.part !== undefined) one.part.hidden = true;
    if (everything || (one.what === 'present' && !one.hidden) || one.what === 'unknown') found.push(one);
    if (!hidden && lookup.fromRoot && base === parts) {
      base = rootsBelow(stack, part.layer);
      at = -1;
    }
  }
  return found;
}

export function rootsBelow(stack: Stack, layer: number): readonly Part[] {
  return stack.roots.slice(layer + 1);
}

/** ovl_lookup_layer(): the whole path of the lookup in one layer. */
export function lookIn(stack: Stack, start: Part, lookup: Lookup): Found {
  let directory = start;
  // As it is asked for in this layer, whatever redirects it has for those below.
  const path = lookup.fromRoot ? lookup.names.join('/') : undefined;
  // Counted from the end, for a redirect on the way changes what is before.
  for (let remaining = lookup.names.length; ; remaining -= 1) {
    const one = lookAt(stack, directory, lookup, lookup.names.length - remaining);
    if (directory !== start) {
      close(directory.descriptor);
      delete one.place;
    }
    if (path !== undefined) one.pathFromRoot = path;
    if (remaining === 1) return one;
    if (one.part === undefined) return one.what === 'present' ? nothing(start.layer) : one;
    directory = one.part;
  }
}

function nothing(layer: number): Found {
  return { layer, what: 'nothing', hidden: false };
}

/** ovl_lookup_single(): one name in one directory. */
function lookAt({ style }: Stack, directory: Part, lookup: Lookup, at: number): Found {
  const { layer, descriptor } = directory;
  if (descriptor < 0) return unknown(layer, descriptor);
  const name = lookup.names[at]!;
  try {
    const opened = lookup.passing === true && !lookup.metacopy ? openDirectory(descriptor, name) : -1;
    if (opened >= 0) return inDirectory(style, directoryAt(layer, descriptor, name), opened, lookup, at);
    const status = statusBelow(descriptor, name);
    if (typeof status === 'number') {
      if (!isAbsence(status)) return unknown(layer, status);
      return style.whiteoutFiles && hasWhiteoutFile(descriptor, name) ? whiteout(layer, lookup) : nothing(layer);
    }
    if (status.covered) return unknown(layer, -EXDEV);
    if (isWhiteout(style, descriptor, name, directory.marks, status)) return whiteout(layer, lookup);
    const one: Found = { layer, what: 'present', hidden: false, status, place: { directory: descriptor, name } };
    return isDirectory(status) ? asDirectory(style, one, lookup, at) : asFile(style, one, lookup, at);
  } catch (error) {
    if (!(error instanceof AttributeUnreadable)) throw error;
    return unknown(layer, error.result);
  }
}

function isAbsence(result: number): boolean {
  return result === -ENOENT || result === -ENOTDIR || result === -ENAMETOOLONG;
}

function hasWhiteoutFile(directory: number, name: string): boolean {
  return typeof statusBelow(directory, WHITEOUT_PREFIX + name) !== 'number';
}

function unknown(layer: number, result: number): Found {
  return { layer, what: 'unknown', hidden: false, result };
}

function whiteout(layer: number, lookup: Lookup): Found {
  lookup.stop = true;
  return { layer, what: 'whiteout', hidden: false };
}

function asFile(style: MarkStyle, one: Found, lookup: Lookup, at: number): Found {
  const { directory, name } = one.place!;
  const isLast = at === lookup.names.length - 1;
  // Below a directory a file is hidden, and hides what is below it; so is one that is no content for a metacopy file.
  if (lookup.isDirectory || !isLast || (lookup.metacopy && !isRegular(one.status!))) {
    lookup.stop = true;
    return { ...one, hidden: true };
  }
  one.metacopy = isMetacopy(style, directory, name, one.status!);
  lookup.metacopy = one.metacopy;
  lookup.stop = !one.metacopy;
  if (one.metacopy) follow(style, one, { directory, name }, lookup, at);
  return one;
}

function asDirectory(style: MarkStyle, one: Found, lookup: Lookup, at: number): Found {
  const { directory, name } = one.place!;
  if (at === lookup.names.length - 1 && lookup.metacopy) {
    lookup.stop = true;
    return { ...one, hidden: true };
  }
  const descriptor = openDirectory(directory, name);
  if (descriptor < 0) return isAbsence(descriptor) ? nothing(one.layer) : unknown(one.layer, descriptor);
  return inDirectory(style, one, descriptor, lookup, at);
}

function directoryAt(layer: number, directory: number, name: string): Found {
  return { layer, what: 'present', hidden: false, place: { directory, name } };
}

/** `descriptor` is the directory; it is closed when its marks cannot be read. */
function inDirectory(style: MarkStyle, one: Found, descriptor: number, lookup: Lookup, at: number): Found {
  const isLast = at === lookup.names.length - 1;
  one.part = { layer: one.layer, descriptor, marks: { opaque: false, hasWhiteoutAttributes: false } };
  if (isLast) lookup.isDirectory = true;
  // Of marks that are shown to nobody but root, one that may not be searched tells as little as any other; it is there.
  if (style.unknown !== undefined || !mayBeMarked(style, descriptor)) return one;
  try {
    one.part.marks = marksOfDirectory(style, descriptor);
    if (one.part.marks.opaque) lookup.stop = true;
    else follow(style, one, { directory: descriptor, name: '.' }, lookup, at);
    return one;
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

/** For reading where that is allowed, which makes its attributes cheap to ask for. Only a directory is ever opened. */
function openDirectory(parent: number, name: string): number {
  const descriptor = openBelow(parent, name, O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
  return descriptor === -EACCES ? openBelow(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW) : descriptor;
}

/** ovl_check_redirect(): from here down the rest of the layers is asked for another name. */
function follow(style: MarkStyle, one: Found, place: { directory: number; name: string }, lookup: Lookup, at: number): void {
  const redirect = redirectOf(style, place);
  if (redirect === undefined) return;
  if (redirect !== 'invalid' && !style.followsRedirects && style.followsToData && one.metacopy && redirect.absolute) {
    // Only to a data-only layer, which has no names.
    one.redirect = redirect;
    lookup.stop = true;
    return;
  }
  if (redirect === 'invalid' || !style.followsRedirects) {
    // The kernel answers EIO or EPERM: nothing below is seen.
    lookup.stop = true;
    return;
  }
  const before = redirect.absolute ? [] : lookup.names.slice(0, at);
  lookup.names = [...before, ...redirect.names, ...lookup.names.slice(at + 1)];
  one.redirect = redirect;
  if (!redirect.absolute) return;
  lookup.fromRoot = true;
  // Whatever was opaque on the way to here, this path is another.
  lookup.stop = false;
}

/** Closes the directories that a lookup opened. */
export function closeFound(found: readonly Found[]): void {
  for (const { part } of found) if (part !== undefined) close(part.descriptor);
}

export function closeParts(parts: readonly Part[]): void {
  for (const { descriptor } of parts) if (descriptor >= 0) close(descriptor);
}

/** The parts of the directory that was found, from the top; none when it is something else. */
export function partsOf(found: readonly Found[]): Part[] {
  const parts: Part[] = [];
  for (const { part, what, layer, result } of found) {
    if (part !== undefined) parts.push(part);
    // A layer that cannot be looked into may have a part here too.
    else if (what === 'unknown')
      parts.push({ layer, descriptor: result!, marks: { opaque: false, hasWhiteoutAttributes: false } });
  }
  return parts;
}

/**
 * For one request: with the marks of the layers' own directories, since a root that is marked so may have whiteouts by attribute (it hides nothing of the
 * other roots), and with what may be read to compare files.
 */
export function forRequest(stack: Stack): Stack {
  const roots = stack.roots.map((root) => {
    if (root.descriptor < 0) return root;
    try {
      const { hasWhiteoutAttributes } = marksOfDirectory(stack.style, root.descriptor);
      return hasWhiteoutAttributes ? { ...root, marks: { opaque: false, hasWhiteoutAttributes } } : root;
    } catch (error) {
      if (!(error instanceof AttributeUnreadable)) throw error;
      return root;
    }
  });
  return { ...stack, roots, compared: { left: MAX_COMPARED_BYTES } };
}
