/**
 * A layer, or the merged view, as a tar: OCI image-spec layer.md. Whiteouts become `.wh.` files; what the kernel writes as a redirect or
 * leaves to a layer below (metacopy) is written out, for no archive can say that.
 */

import fs from 'node:fs';
import { Failure } from '../../failure.ts';
import { type FileStatus, linkBelow, statusOf } from '../../kernel/directory.ts';
import { close, errorOf } from '../../kernel/files.ts';
import { errnoName } from '../../kernel/libc.ts';
import { ENODATA, EOPNOTSUPP } from '../../kernel/numbers.ts';
import { attributeOf, attributesOf } from '../../kernel/xattr.ts';
import { textOfBytes } from '../../proc/fileName.ts';
import { TAR_END, type TarEntry, type TarType, tarHeader, tarPadding } from '../../proc/tar.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { LayerExportNote } from '../../protocol/layers.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { type Compared, type Comparison, closeCompared, compare, comparedRoot } from './compared.ts';
import { leastNames } from './directory.ts';
import { typeOf } from './entries.ts';
import { namesOf, notFound, whereOf } from './layerPath.ts';
import { OPAQUE_FILE, WHITEOUT_PREFIX } from './marks.ts';
import { closeFound, type Found, lookUp, type Part, type Stack } from './merged.ts';
import { openContent } from './openContent.ts';
import type { Pace } from './pace.ts';

const PIECE_BYTES = 256 * 1024;
/** What is read together with the header. */
const SMALL_BYTES = 64 * 1024;
/** Of each kind of note. */
const MAX_NOTED_PATHS = 16;
const MAX_DEPTH = 1000;
/** Beyond it, a further link to a file is written as a file of its own. */
const MAX_LINKED_FILES = 1_000_000;
/** The marks of the overlay itself are written as whiteouts, or not at all. */
const PRIVATE_ATTRIBUTE = /^(trusted|user)\.overlay\.|^user\.fuseoverlayfs\.|^trusted\.overlay$/;

export interface TarPiece {
  bytes: Buffer;
  /** So far. */
  entries: number;
  /** What was written last. */
  path: string;
  /** With the last piece: what is not in the archive, or is not what it seems. */
  notes?: LayerExportNote[];
}

/** The archive in pieces of at most 512 KiB. Ends early when nobody asks for the next. */
export async function* exportTar(stack: Stack, layer: number | 'merged', path: string, pace: Pace): AsyncGenerator<TarPiece> {
  if (stack.style.unknown !== undefined) throw incomplete(stack.style.unknown);
  const exporting = new Exporting(stack, layer, pace);
  yield* exporting.from(namesOf(path), path);
  yield exporting.end();
}

/** A file whose content is more than goes with its header. */
interface LargeFile {
  descriptor: number;
  sizeBytes: number;
  path: string;
}

class Exporting {
  private readonly stack: Stack;
  private readonly index: number;
  private readonly layer: number | 'merged';
  private readonly pace: Pace;
  /** Where each file with several links was written first. */
  private readonly linked = new Map<string, string>();
  private readonly notes = new Map<LayerExportNote['what'], LayerExportNote>();
  /** A promise for each entry would take longer than the entry. */
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private entries = 0;
  /** One character a byte, from the root. */
  private last = '';

  constructor(stack: Stack, layer: number | 'merged', pace: Pace) {
    this.stack = stack;
    this.layer = layer;
    this.index = layer === 'merged' ? 0 : layer;
    this.pace = pace;
  }

  /** The directories on the way, then what is there. */
  async *from(names: readonly string[], path: string): AsyncGenerator<TarPiece> {
    let directory = comparedRoot(this.stack, this.index);
    // All of what is seen is to be written, not only what the layer itself has.
    let whole = this.layer === 'merged';
    let inner = '';
    try {
      for (const [at, name] of names.entries()) {
        inner = inner === '' ? name : `${inner}/${name}`;
        const inside = yield* this.onTheWay(directory, name, inner, whole, path);
        if (inside === undefined && at === names.length - 1) return;
        if (inside === undefined) throw notFound(path, whereOf(this.layer));
        this.closeUnlessRoot(directory);
        whole ||= inside.merged !== inside.below;
        directory = inside;
      }
      yield* this.walk(directory, inner, whole, 0);
    } finally {
      this.closeUnlessRoot(directory);
    }
  }

  /** One of the names of the path that is asked for. Returns the directory that it is, which is the caller's to close. */
  private async *onTheWay(
    directory: Compared,
    name: string,
    inner: string,
    whole: boolean,
    path: string,
  ): AsyncGenerator<TarPiece, Compared | undefined> {
    const comparison = this.compare(directory, name);
    let isReturned = false;
    try {
      if (!this.has(comparison, whole)) throw notFound(path, whereOf(this.layer));
      if (this.layer !== 'merged' && name.startsWith(WHITEOUT_PREFIX)) throw notRepresentable(inner);
      const large = this.header(directory, name, inner, comparison, whole);
      if (large !== undefined) yield* this.content(large);
      isReturned = true;
      return comparison.inside;
    } finally {
      // Also when nobody asks for the next piece any more.
      if (!isReturned && comparison.inside !== undefined) closeCompared(comparison.inside);
    }
  }

  private closeUnlessRoot(directory: Compared): void {
    if (directory.own !== this.stack.roots[this.index]) closeCompared(directory);
  }

  /** What is left, and the end of the archive. */
  end(): TarPiece {
    this.put(TAR_END);
    const notes = [...this.notes.values()];
    return { ...this.take(), ...(notes.length === 0 ? {} : { notes }) };
  }

  private compare(directory: Compared, name: string): Comparison {
    return compare(this.stack, this.index, directory, name, { openUnchanged: true, onlyLook: true });
  }

  /** Whether there is anything to be written. */
  private has({ own, now, unknown }: Comparison, whole: boolean): boolean {
    if (unknown !== undefined && (whole || own.what === 'unknown')) throw incomplete(unknown);
    return whole ? now !== undefined : own.what !== 'nothing';
  }

  private async *walk(directory: Compared, path: string, whole: boolean, depth: number): AsyncGenerator<TarPiece> {
    if (depth > MAX_DEPTH) throw tooDeep(path);
    const parts: Part[] = [...(directory.own === undefined ? [] : [directory.own]), ...(whole ? directory.merged : [])];
    const descriptors = parts.map(({ descriptor }) => descriptor);
    for (let after = '', more = true; more; ) {
      const ahead = await leastNames(descriptors, after, this.stack.style.whiteoutFiles, this.pace);
      if (ahead.incomplete?.errno !== undefined) throw unreadable(path, ahead.incomplete.errno);
      yield* this.named(directory, ahead.names, path, whole, depth);
      after = ahead.names.at(-1) ?? '';
      more = ahead.more && after !== '';
    }
    for (const descriptor of descriptors) throwIfRemoved(descriptor, path);
  }

  /** What a directory has under these names, and all that is below. */
  private async *named(
    directory: Compared,
    names: readonly string[],
    path: string,
    whole: boolean,
    depth: number,
  ): AsyncGenerator<TarPiece> {
    for (const name of names) {
      if (this.pace.isDue) await this.pace.rest();
      const comparison = this.compare(directory, name);
      const { inside } = comparison;
      try {
        const inner = path === '' ? name : `${path}/${name}`;
        if (!this.isWritten(comparison, inner, name, whole)) continue;
        const large = this.header(directory, name, inner, comparison, whole);
        if (large !== undefined) yield* this.content(large);
        if (this.pendingBytes >= PIECE_BYTES) yield this.take();
        if (inside === undefined) continue;
        const wholeInside = whole || inside.merged !== inside.below;
        if (wholeInside && !whole) this.opaque(inside, comparison, inner);
        yield* this.walk(inside, inner, wholeInside, depth + 1);
      } finally {
        if (inside !== undefined) closeCompared(inside);
      }
    }
  }

  /** That nothing of the layers below is seen in the directory, if they may have anything there. */
  private opaque({ below }: Compared, { own }: Comparison, path: string): void {
    if (below.length > 0 || own.part?.marks.opaque) this.begin(whiteoutEntry(`${path}/${OPAQUE_FILE}`), path);
  }

  /** Whether there is anything of that name for the archive. */
  private isWritten(comparison: Comparison, path: string, name: string, whole: boolean): boolean {
    if (!this.has(comparison, whole)) {
      if (!whole) throw changedMeanwhile(path, said('changedRemoved'));
      return false;
    }
    if (!name.startsWith(WHITEOUT_PREFIX)) return true;
    // Unpacked by tar(1) it is the file that it is; whoever takes the archive for an image's layer sees a deletion.
    if (this.layer === 'merged') this.note('keptName', path);
    // No layer of an image can have such a name, so none below has one that could be deleted.
    else if (comparison.own.what !== 'whiteout' || whole) this.note('deletionName', path);
    return this.layer === 'merged';
  }

  /** All of an entry but the content of a large file, which is returned open. */
  private header(
    directory: Compared,
    name: string,
    path: string,
    { own, now }: Comparison,
    whole: boolean,
  ): LargeFile | undefined {
    const parent = path.slice(0, path.length - name.length);
    if (!whole && own.what === 'whiteout') {
      this.begin(whiteoutEntry(`${parent}${WHITEOUT_PREFIX}${name}`), path);
      return undefined;
    }
    const found = whole ? now : own;
    if (found?.status === undefined) return undefined;
    const type = typeOf(found.status);
    if (type === 'whiteout') return undefined;
    // tar has no sockets: they mean nothing without the process that listens.
    if (type === 'socket') {
      this.note('socket', path);
      return undefined;
    }
    const first = this.firstLink(found, path);
    if (first !== undefined) this.begin({ ...entryOf(path, 'link', found), sizeBytes: 0, linkTarget: first }, path);
    else if (type === 'file') return this.file(directory, name, path, found);
    else this.begin(entryOf(path, type, found), path);
    return undefined;
  }

  private note(what: LayerExportNote['what'], path: string): void {
    const note = this.notes.get(what) ?? { what, count: 0, paths: [] };
    this.notes.set(what, note);
    note.count += 1;
    if (note.paths.length < MAX_NOTED_PATHS) note.paths.push(`/${textOfBytes(path)}`);
  }

  private begin(entry: TarEntry, path: string): void {
    this.entries += 1;
    this.last = path;
    this.put(tarHeader(entry));
  }

  private put(bytes: Buffer): void {
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
  }

  private take(): TarPiece {
    const bytes = Buffer.concat(this.pending, this.pendingBytes);
    this.pending = [];
    this.pendingBytes = 0;
    return { bytes, entries: this.entries, path: `/${textOfBytes(this.last)}` };
  }

  private firstLink({ layer, status }: Found, path: string): string | undefined {
    const { links, inoHigh, inoLow, device } = status!;
    if (links < 2 || typeOf(status!) === 'directory') return undefined;
    const key = `${layer} ${device} ${inoHigh} ${inoLow}`;
    const first = this.linked.get(key);
    if (first === undefined && this.linked.size < MAX_LINKED_FILES) this.linked.set(key, path);
    return first;
  }

  private file(directory: Compared, name: string, path: string, found: Found): LargeFile | undefined {
    const descriptor = this.openFile(directory, name, found);
    if (typeof descriptor !== 'number') throw unreadable(path, 'ENODATA');
    if (descriptor < 0) throw errorOf(descriptor, 'openat2', `/${textOfBytes(path)}`);
    const { sizeBytes } = found.status!;
    const file = { descriptor, sizeBytes, path };
    let isLarge = false;
    try {
      this.begin(entryOf(path, 'file', found, descriptor), path);
      isLarge = sizeBytes > SMALL_BYTES;
      if (!isLarge) this.bytesOf(file, 0);
    } finally {
      if (!isLarge) close(descriptor);
    }
    return isLarge ? file : undefined;
  }

  private openFile({ own, merged }: Compared, name: string, found: Found): number | 'irregular' | 'elsewhere' {
    if (!found.metacopy) return openContent(this.stack, [found]);
    const chain = lookUp(this.stack, [...(own === undefined ? [] : [own]), ...merged], name);
    closeFound(chain);
    return openContent(this.stack, chain);
  }

  private async *content(file: LargeFile): AsyncGenerator<TarPiece> {
    try {
      for (let offset = 0; offset < file.sizeBytes; ) {
        offset = this.bytesOf(file, offset);
        if (this.pendingBytes >= PIECE_BYTES) yield this.take();
      }
    } finally {
      close(file.descriptor);
    }
  }

  /**
   * As many bytes as the header said, at most a piece at a time: returns where it ended. A file that became shorter meanwhile ends the archive: no byte of
   * it is made up.
   */
  private bytesOf({ descriptor, sizeBytes, path }: LargeFile, from: number): number {
    const to = Math.min(sizeBytes, from + Math.max(SMALL_BYTES, PIECE_BYTES - this.pendingBytes));
    for (let offset = from; offset < to; ) {
      const bytes = Buffer.allocUnsafe(to - offset);
      const bytesRead = fs.readSync(descriptor, bytes, 0, bytes.length, offset);
      if (bytesRead === 0) throw changedMeanwhile(path, said('changedShorter', offset, sizeBytes));
      offset += bytesRead;
      this.put(bytes.subarray(0, bytesRead));
    }
    if (to === sizeBytes) this.put(Buffer.alloc(tarPadding(sizeBytes)));
    return to;
  }
}

/** A directory that was removed is read as an empty one. */
function throwIfRemoved(descriptor: number, path: string): void {
  const status = statusOf(descriptor);
  if (typeof status === 'number' || status.links === 0) throw changedMeanwhile(path, said('changedDirectoryRemoved'));
}

function whiteoutEntry(path: string): TarEntry {
  return { path, type: 'file', mode: 0o600, uid: 0, gid: 0, sizeBytes: 0, modifiedSeconds: 0 };
}

/** `opened`: the file itself, of which its attributes are read at a third of the cost. */
function entryOf(path: string, type: TarType, { status, place, metacopy }: Found, opened?: number): TarEntry {
  const { mode, uid, gid, sizeBytes, modifiedSeconds, major, minor } = status as FileStatus;
  const entry: TarEntry = {
    path,
    type,
    mode,
    uid,
    gid,
    sizeBytes: type === 'file' ? sizeBytes : 0,
    modifiedSeconds,
    major,
    minor,
  };
  if (place === undefined) return entry;
  if (type === 'symlink') {
    const target = linkBelow(place.directory, place.name);
    if (typeof target === 'number') throw errorOf(target, 'readlinkat', `/${textOfBytes(path)}`);
    entry.linkTarget = target;
  }
  if (type === 'link') return entry;
  const isItself = opened !== undefined && metacopy !== true;
  const attributes = attributesAt(isItself ? { directory: opened, name: '.' } : place, path);
  return attributes.size === 0 ? entry : { ...entry, attributes };
}

function attributesAt(place: { directory: number; name: string }, path: string): Map<string, string> {
  const attributes = new Map<string, string>();
  const names = attributesOf(place);
  if (typeof names === 'number' && names !== -EOPNOTSUPP) throw unreadable(path, errnoName(-names));
  for (const name of typeof names === 'number' ? [] : names) {
    if (PRIVATE_ATTRIBUTE.test(name)) continue;
    const value = attributeOf(place, name);
    if (typeof value !== 'number') attributes.set(name, value.toString('latin1'));
    // Listed, and taken away since, or of no use to who asks.
    else if (value !== -ENODATA && value !== -EOPNOTSUPP) throw unreadable(path, errnoName(-value));
  }
  return attributes;
}

function unreadable(path: string, errno: string): Failure {
  return new Failure('permission', said('cannotBeExported', textOfBytes(path)), {
    errno,
    path: `/${textOfBytes(path)}`,
    hint: said('exportAsRootOrElsewhere'),
  });
}

function incomplete({ unknown, errno }: Unknown): Failure {
  return new Failure(unknown, said('archiveWouldBeIncomplete'), {
    ...(errno === undefined ? {} : { errno }),
    hint: said('exportAsRootOrAnotherLayer'),
  });
}

function changedMeanwhile(path: string, what: Said): Failure {
  return new Failure('gone', said('changedDuringExport', textOfBytes(path), what), {
    path: `/${textOfBytes(path)}`,
    hint: said('exportAgainWhenNothingWrites'),
  });
}

function notRepresentable(path: string): Failure {
  return new Failure('unsupported', said('nameMeansDeletion', textOfBytes(path)), {
    path: `/${textOfBytes(path)}`,
    hint: said('exportFromMergedView'),
  });
}

function tooDeep(path: string): Failure {
  return new Failure('unsupported', said('nestedTooDeep', textOfBytes(path).slice(0, 200), MAX_DEPTH), {
    hint: said('exportFurtherDown'),
  });
}
