/**
 * A layer, or the merged view, as a tar: OCI image-spec layer.md. Whiteouts become `.wh.` files; what the kernel writes as a redirect or
 * leaves to a layer below (metacopy) is written out, for no archive can say that.
 */
import fs from 'node:fs';
import { Failure } from '../../failure.ts';
import { type FileStatus, linkBelow, statusOf } from '../../kernel/directory.ts';
import { close, errorOf } from '../../kernel/files.ts';
import { attributeOf, attributesOf } from '../../kernel/xattr.ts';
import { textOfBytes } from '../../proc/fileName.ts';
import { TAR_END, type TarEntry, type TarType, tarHeader, tarPadding } from '../../proc/tar.ts';
import type { Unknown } from '../../protocol.ts';
import { type Compared, type Comparison, closeCompared, compare, comparedRoot } from './compared.ts';
import { openContent } from './content.ts';
import { leastNames } from './directory.ts';
import { typeOf } from './entries.ts';
import { namesOf, notFound, whereOf } from './layerPath.ts';
import { OPAQUE_FILE, WHITEOUT_PREFIX } from './marks.ts';
import { closeFound, type Found, lookUp, type Part, type Stack } from './merged.ts';
import type { Pace } from './pace.ts';

const CHUNK_BYTES = 256 * 1024;
const MAX_DEPTH = 1000;
/** Beyond it, a further link to a file is written as a file of its own. */
const MAX_LINKED_FILES = 1_000_000;
/** The marks of the overlay itself are written as whiteouts, or not at all. */
const PRIVATE_ATTRIBUTE = /^(trusted|user)\.overlay\.|^user\.fuseoverlayfs\.|^trusted\.overlay$/;

export interface TarPiece {
  bytes: Buffer;
  /** So far. */
  entries: number;
  /** What is being written. */
  path: string;
}

/** The archive in pieces of at most 256 KiB and a header. Ends early when nobody asks for the next. */
export async function* exportTar(stack: Stack, layer: number | 'merged', path: string, pace: Pace): AsyncGenerator<TarPiece> {
  if (stack.style.unknown !== undefined) throw incomplete(stack.style.unknown);
  const exporting = new Exporting(stack, layer, pace);
  yield* exporting.from(namesOf(path), path);
  yield { bytes: TAR_END, entries: exporting.entries, path };
}

class Exporting {
  private readonly stack: Stack;
  private readonly index: number;
  private readonly layer: number | 'merged';
  private readonly pace: Pace;
  /** Where each file with several links was written first. */
  private readonly linked = new Map<string, string>();
  entries = 0;

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
      for (const name of names) {
        const comparison = this.compare(directory, name);
        inner = inner === '' ? name : `${inner}/${name}`;
        let goesOn = false;
        try {
          const isLast = inner.length === names.join('/').length;
          if (!this.has(comparison, whole)) throw notFound(path, whereOf(this.layer));
          yield* this.entry(directory, name, inner, comparison, whole);
          if (comparison.inside === undefined && isLast) return;
          if (comparison.inside === undefined) throw notFound(path, whereOf(this.layer));
          goesOn = true;
        } finally {
          // Also when nobody asks for the next piece any more.
          if (!goesOn && comparison.inside !== undefined) closeCompared(comparison.inside);
        }
        const next = comparison.inside;
        if (directory.own !== this.stack.roots[this.index]) closeCompared(directory);
        whole ||= next.merged !== next.below;
        directory = next;
      }
      yield* this.walk(directory, inner, whole, 0);
    } finally {
      if (names.length > 0 && directory.own !== this.stack.roots[this.index]) closeCompared(directory);
    }
  }

  private compare(directory: Compared, name: string): Comparison {
    return compare(this.stack, this.index, directory, name, { openUnchanged: true });
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
      for (const name of ahead.names) {
        if (this.pace.isDue) await this.pace.rest();
        yield* this.descend(directory, name, path === '' ? name : `${path}/${name}`, whole, depth);
      }
      after = ahead.names.at(-1) ?? '';
      more = ahead.more && after !== '';
    }
    // A directory that was removed is read as an empty one.
    for (const descriptor of descriptors) {
      const status = statusOf(descriptor);
      if (typeof status === 'number' || status.links === 0) throw changedMeanwhile(path, 'the directory was removed');
    }
  }

  private async *descend(
    directory: Compared,
    name: string,
    path: string,
    whole: boolean,
    depth: number,
  ): AsyncGenerator<TarPiece> {
    const comparison = this.compare(directory, name);
    const { inside, own } = comparison;
    try {
      if (!this.has(comparison, whole)) {
        if (!whole) throw changedMeanwhile(path, 'it was removed');
        return;
      }
      yield* this.entry(directory, name, path, comparison, whole);
      if (inside === undefined) return;
      const wholeInside = whole || inside.merged !== inside.below;
      if (wholeInside && !whole && (inside.below.length > 0 || own.part?.marks.opaque)) {
        yield this.piece(tarHeader(whiteoutEntry(`${path}/${OPAQUE_FILE}`)), path);
      }
      yield* this.walk(inside, path, wholeInside, depth + 1);
    } finally {
      if (inside !== undefined) closeCompared(inside);
    }
  }

  private async *entry(
    directory: Compared,
    name: string,
    path: string,
    { own, now }: Comparison,
    whole: boolean,
  ): AsyncGenerator<TarPiece> {
    const parent = path.slice(0, path.length - name.length);
    if (!whole && own.what === 'whiteout') {
      yield this.piece(tarHeader(whiteoutEntry(`${parent}${WHITEOUT_PREFIX}${name}`)), path);
      return;
    }
    const found = whole ? now : own;
    if (found?.status === undefined) return;
    const type = typeOf(found.status);
    // tar has no sockets: they mean nothing without the process that listens.
    if (type === 'socket' || type === 'whiteout') return;
    const first = this.firstLink(found, path);
    if (first !== undefined) {
      yield this.piece(tarHeader({ ...entryOf(path, 'link', found), sizeBytes: 0, linkTarget: first }), path);
    } else if (type === 'file') {
      yield* this.file(directory, name, path, found);
    } else {
      yield this.piece(tarHeader(entryOf(path, type, found)), path);
    }
  }

  private piece(bytes: Buffer, path: string): TarPiece {
    this.entries += 1;
    return { bytes, entries: this.entries, path: `/${textOfBytes(path)}` };
  }

  private firstLink({ layer, status }: Found, path: string): string | undefined {
    const { links, inoHigh, inoLow, device } = status!;
    if (links < 2 || typeOf(status!) === 'directory') return undefined;
    const key = `${layer} ${device} ${inoHigh} ${inoLow}`;
    const first = this.linked.get(key);
    if (first === undefined && this.linked.size < MAX_LINKED_FILES) this.linked.set(key, path);
    return first;
  }

  private async *file(directory: Compared, name: string, path: string, found: Found): AsyncGenerator<TarPiece> {
    const descriptor = this.openFile(directory, name, found);
    if (typeof descriptor !== 'number') throw unreadable(path, 'ENODATA');
    if (descriptor < 0) throw errorOf(descriptor, 'openat2', `/${textOfBytes(path)}`);
    try {
      yield this.piece(tarHeader(entryOf(path, 'file', found)), path);
      yield* this.content(descriptor, found.status!.sizeBytes, path);
    } finally {
      close(descriptor);
    }
  }

  private openFile({ own, merged }: Compared, name: string, found: Found): number | 'irregular' | 'elsewhere' {
    if (!found.metacopy) return openContent(this.stack, [found]);
    const chain = lookUp(this.stack, [...(own === undefined ? [] : [own]), ...merged], name);
    closeFound(chain);
    return openContent(this.stack, chain);
  }

  /** As many bytes as the header said. A file that became shorter meanwhile ends the archive: no byte of it is made up. */
  private async *content(descriptor: number, sizeBytes: number, path: string): AsyncGenerator<TarPiece> {
    for (let offset = 0; offset < sizeBytes; ) {
      const bytes = Buffer.alloc(Math.min(CHUNK_BYTES, sizeBytes - offset));
      const bytesRead = fs.readSync(descriptor, bytes, 0, bytes.length, offset);
      if (bytesRead === 0) throw changedMeanwhile(path, `it became shorter: ${offset} of ${sizeBytes} bytes`);
      offset += bytesRead;
      yield this.part(bytes.subarray(0, bytesRead), path);
    }
    yield this.part(Buffer.alloc(tarPadding(sizeBytes)), path);
  }

  private part(bytes: Buffer, path: string): TarPiece {
    return { bytes, entries: this.entries, path: `/${textOfBytes(path)}` };
  }
}

function whiteoutEntry(path: string): TarEntry {
  return { path, type: 'file', mode: 0o600, uid: 0, gid: 0, sizeBytes: 0, modifiedSeconds: 0 };
}

function entryOf(path: string, type: TarType, { status, place }: Found): TarEntry {
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
  const attributes = type === 'link' ? new Map<string, string>() : attributesAt(place);
  return attributes.size === 0 ? entry : { ...entry, attributes };
}

function attributesAt(place: { directory: number; name: string }): Map<string, string> {
  const attributes = new Map<string, string>();
  const names = attributesOf(place);
  for (const name of typeof names === 'number' ? [] : names) {
    if (PRIVATE_ATTRIBUTE.test(name)) continue;
    const value = attributeOf(place, name);
    if (typeof value !== 'number') attributes.set(name, value.toString('latin1'));
  }
  return attributes;
}

function unreadable(path: string, errno: string): Failure {
  return new Failure('permission', `/${textOfBytes(path)} cannot be read, so the archive would be incomplete.`, {
    errno,
    path: `/${textOfBytes(path)}`,
    hint: 'Export as root, or begin at another directory.',
  });
}

function incomplete({ unknown, errno }: Unknown): Failure {
  return new Failure(unknown, 'The archive would be incomplete: some layer or attribute cannot be read.', {
    ...(errno === undefined ? {} : { errno }),
    hint: 'Export as root, or another layer.',
  });
}

function changedMeanwhile(path: string, what: string): Failure {
  return new Failure('gone', `/${textOfBytes(path)} changed while it was exported, so the archive is not complete: ${what}.`, {
    path: `/${textOfBytes(path)}`,
    hint: 'Export again when nothing writes there.',
  });
}

function tooDeep(path: string): Failure {
  return new Failure('unsupported', `/${textOfBytes(path).slice(0, 200)}… is nested deeper than ${MAX_DEPTH} directories.`, {
    hint: 'Begin the export at a directory further down.',
  });
}
