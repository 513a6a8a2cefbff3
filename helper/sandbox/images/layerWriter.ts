/**
 * Unpacks the tar of a layer, or of a root file system, into a directory of a file system that nobody else reaches. What is in
 * it is hostile: every path is opened inside that directory (openat2(2), RESOLVE_IN_ROOT), whatever links an earlier entry made.
 */

import fs from 'node:fs';
import { Readable, type Transform } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import zlib from 'node:zlib';
import tar from 'tar-stream';
import { Failure, isSystemError } from '../../failure.ts';
import { close, errorOf, O_DIRECTORY } from '../../kernel/files.ts';
import { ENOENT, O_PATH } from '../../kernel/numbers.ts';
import { openInRootNow } from '../../kernel/openat2.ts';
import { makeOpaque, makeWhiteout } from '../../kernel/whiteout.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';

const MAX_ENTRIES = 1_000_000;
const MAX_DEPTH = 256;
/** How many are looked at, or removed, before other requests are answered. */
const FILES_AT_ONCE = 250;
const MAX_ID = 4_294_967_294;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** By the first bytes of what is compressed, since names tell little: how to read it, where this Node can. */
const COMPRESSIONS: { name: string; magic: Buffer; open?: () => Transform }[] = [
  { name: 'gzip', magic: Buffer.of(0x1f, 0x8b), open: () => zlib.createGunzip() },
  {
    name: 'zstd',
    magic: Buffer.of(0x28, 0xb5, 0x2f, 0xfd),
    ...(hasZstandard() ? { open: () => zlib.createZstdDecompress() } : {}),
  },
  { name: 'bzip2', magic: Buffer.from('BZh') },
  { name: 'xz', magic: Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0) },
];
const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

/** The bytes of an entry. */
export type Content = AsyncIterable<Buffer> & { resume(): unknown };

export interface Unpacked {
  /** Devices and pipes, which are left out: they would not work in a sandbox. */
  leftOut: number;
}

export interface LayerOptions {
  /** The layers below are in the directory already: deletions delete, and no overlay needs to be told of them. */
  onTop?: boolean;
  /** Directories stay open to who unpacks, who has no privilege to go on in them otherwise. */
  searchable?: boolean;
  /** Whose the files are to be, as the helper sees ids. Default: those of the layer. */
  owner?: (ids: Ids) => Ids;
  /** Instead of giving a file its owner: is told of it, and may be told of it anew. */
  later?: (stat: fs.Stats, wanted: Wanted) => void;
}

export interface Ids {
  uid: number;
  gid: number;
}

/** What a file is to have in the end. A symbolic link has no mode. */
export interface Wanted extends Ids {
  mode?: number;
}

/** `directory` is an open descriptor. `source` may be compressed by gzip or, where Node knows it, zstd. Rejects with a `Failure`. */
export async function unpackLayer(
  source: AsyncIterable<Buffer>,
  directory: number,
  what: string,
  options: LayerOptions = {},
): Promise<Unpacked> {
  const writer = new LayerWriter(directory, what, options);
  const extract = tarReader();
  const written = writer.takeAll(extract);
  written.catch(() => undefined);
  try {
    await Promise.all([feed(await decompressed(source, what), extract), written]);
  } catch (error) {
    // Whoever called closes the directory next, and nothing may be written by its number then.
    extract.destroy();
    await written.catch(() => undefined);
    if (error instanceof Failure) throw error;
    const code = isSystemError(error) ? error.code : undefined;
    if (code === 'ENOSPC') {
      throw new Failure('kernel', said('notEnoughMemoryToUnpack', what), {
        errno: code,
      });
    }
    throw new Failure('invalid', said('isNoTarToUnpack', what, error instanceof Error ? error.message : String(error)));
  }
  return { leftOut: writer.leftOut };
}

/** The oldest format has no mark of its own; the checksum tells what is a tar. */
export function tarReader(): tar.Extract {
  const options: { allowUnknownFormat: boolean } = { allowUnknownFormat: true };
  return tar.extract(options as Parameters<typeof tar.extract>[0]);
}

/** No faster than it is taken. Rejects, and ends `extract`, when `source` fails. */
export async function feed(source: AsyncIterable<Buffer>, extract: tar.Extract): Promise<void> {
  try {
    for await (const chunk of source) {
      if (extract.destroyed) return;
      if (extract.write(chunk)) continue;
      await drained(extract);
    }
    extract.end(undefined);
  } catch (error) {
    extract.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

/** Takes back both listeners: a large image waits thousands of times. */
function drained(extract: tar.Extract): Promise<void> {
  return new Promise<void>((resolve) => {
    const done = () => {
      extract.off('drain', done);
      extract.off('close', done);
      resolve();
    };
    extract.on('drain', done);
    extract.on('close', done);
  });
}

/** Node has it from 22.15 on, and VS Code brings its own. */
function hasZstandard(): boolean {
  return typeof (zlib as { createZstdDecompress?: unknown }).createZstdDecompress === 'function';
}

/** The tar itself, of one that may be compressed. Rejects with a `Failure` when it is, by what cannot be read here. */
export async function decompressed(source: AsyncIterable<Buffer>, what: string): Promise<AsyncIterable<Buffer>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head = first.done === true ? Buffer.alloc(0) : first.value;
  const compression = COMPRESSIONS.find(({ magic }) => head.subarray(0, magic.length).equals(magic));
  if (compression !== undefined && compression.open === undefined) {
    await iterator.return?.();
    const { name } = compression;
    throw new Failure('unsupported', said('compressedBy', what, name), {
      hint: name === 'zstd' ? said('decompressOrNewerNode', name, process.versions.node) : said('decompressIt', name),
    });
  }
  async function* whole(): AsyncGenerator<Buffer> {
    let ended = false;
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
      ended = true;
    } finally {
      // One that has ended by itself may be an entry of a tar, with which that would end as well.
      if (!ended) await iterator.return?.();
    }
  }
  const stream = Readable.from(whole(), { objectMode: false });
  if (compression?.open === undefined) return stream;
  const opened = compression.open();
  stream.on('error', (error) => opened.destroy(error));
  opened.on('close', () => stream.destroy());
  return stream.pipe(opened);
}

class LayerWriter {
  leftOut = 0;
  private readonly root: number;
  private readonly what: string;
  private readonly onTop: boolean;
  private readonly searchable: boolean;
  private readonly ownerOf: (header: tar.Header) => Ids;
  private readonly later: LayerOptions['later'];
  /** What this layer has made so far, and all above that, where it lies on top of others. */
  private readonly made = new Set<string>();
  /** By their inode numbers, directories in which nothing of layers below is left. */
  private readonly cleared = new Set<number>();
  private entries = 0;

  constructor(root: number, what: string, { onTop = false, searchable = false, owner = (ids) => ids, later }: LayerOptions) {
    this.root = root;
    this.what = what;
    this.onTop = onTop;
    this.searchable = searchable;
    this.ownerOf = (header) => owner(idsOf(header));
    this.later = later;
  }

  async takeAll(extract: tar.Extract): Promise<void> {
    for await (const entry of extract) {
      this.entries += 1;
      if (this.entries > MAX_ENTRIES) throw this.invalid(said('invalidFiles', MAX_ENTRIES));
      await this.take(entry.header, entry as unknown as Content);
    }
  }

  private async take(header: tar.Header, content: Content): Promise<void> {
    if (isSparse(header)) throw this.invalid(said('invalidEntryType'), said('makeTarWithoutSparse'));
    const parts = this.partsOf(header.name);
    const name = parts.pop();
    if (name === undefined) {
      this.giveDirectory(`/proc/self/fd/${this.root}/.`, header);
      content.resume();
      return;
    }
    const parent = this.openDirectory(parts);
    try {
      if (this.onTop && name === OPAQUE) await this.clear(parent, parts);
      else if (this.onTop) this.noteMade([...parts, name].join('/'));
      await this.make(header, content, parent, name);
    } finally {
      close(parent);
    }
  }

  private async make(header: tar.Header, content: Content, parent: number, name: string): Promise<void> {
    const file = `/proc/self/fd/${parent}/${name}`;
    if (name === OPAQUE) {
      if (!this.onTop) makeOpaque(`/proc/self/fd/${parent}/.`);
    } else if (name.startsWith(WHITEOUT)) await this.makeDeletion(parent, name.slice(WHITEOUT.length));
    else if (header.type === 'directory') this.makeDirectory(file, header);
    else if (header.type === 'file' || header.type === 'contiguous-file') return this.makeFile(file, header, content);
    else if (header.type === 'symlink') await this.makeLink(file, header);
    else if (header.type === 'link') await this.makeHardLink(file, header);
    else this.leftOut += 1;
    content.resume();
  }

  private async makeDeletion(parent: number, name: string): Promise<void> {
    if (name === '' || name === '.' || name === '..') throw this.invalid(said('invalidDeletion', name));
    await remove(`/proc/self/fd/${parent}/${name}`);
    if (!this.onTop) makeWhiteout(parent, name);
  }

  private noteMade(path: string): void {
    for (let made = path; made !== '' && !this.made.has(made); made = made.slice(0, Math.max(0, made.lastIndexOf('/')))) {
      this.made.add(made);
    }
  }

  /**
   * Of an opaque directory what layers below have in it, and not what this one has. Once a directory, however often a layer says it and by whatever
   * links: what is in it from then on is this layer's.
   */
  private async clear(directory: number, parts: readonly string[]): Promise<void> {
    const { ino } = fs.fstatSync(directory);
    if (this.cleared.has(ino)) return;
    this.cleared.add(ino);
    const above = parts.map((part) => `${part}/`).join('');
    const names = await fs.promises.readdir(`/proc/self/fd/${directory}/.`);
    for (const [index, name] of names.entries()) {
      if (index % FILES_AT_ONCE === FILES_AT_ONCE - 1) await setImmediate();
      if (!this.made.has(`${above}${name}`)) await remove(`/proc/self/fd/${directory}/${name}`);
    }
  }

  private makeDirectory(file: string, header: tar.Header): void {
    const stat = fs.lstatSync(file, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isDirectory()) fs.unlinkSync(file);
    if (!stat?.isDirectory()) fs.mkdirSync(file, { mode: 0o755 });
    this.giveDirectory(file, header);
  }

  private giveDirectory(file: string, header: tar.Header): void {
    const mode = (header.mode ?? 0o755) & 0o7777;
    this.give(file, { ...this.ownerOf(header), mode }, mode | (this.searchable ? 0o700 : 0));
  }

  /** Owner before mode: the kernel takes the set-user-ID bit from what changes its owner. */
  private give(file: string, wanted: Wanted, mode = wanted.mode): void {
    if (this.later === undefined) fs.lchownSync(file, wanted.uid, wanted.gid);
    if (mode !== undefined) fs.chmodSync(file, mode);
    this.later?.(fs.lstatSync(file), wanted);
  }

  private async makeFile(file: string, header: tar.Header, content: Content): Promise<void> {
    await writeFile(file, content);
    this.give(file, { ...this.ownerOf(header), mode: (header.mode ?? 0o644) & 0o7777 });
  }

  private async makeLink(file: string, header: tar.Header): Promise<void> {
    await remove(file);
    fs.symlinkSync(header.linkname ?? '', file);
    this.give(file, this.ownerOf(header));
  }

  /** To a file of the same layer. */
  private async makeHardLink(file: string, { linkname }: tar.Header): Promise<void> {
    const parts = this.partsOf(linkname ?? '');
    const name = parts.pop();
    if (name === undefined) throw this.invalid(said('invalidLink'));
    const parent = this.openDirectory(parts);
    try {
      await remove(file);
      fs.linkSync(`/proc/self/fd/${parent}/${name}`, file);
    } finally {
      close(parent);
    }
  }

  private partsOf(name: string): string[] {
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..') || parts.length > MAX_DEPTH || name.includes('\0'))
      throw this.invalid(said('invalidPath', name.slice(0, 200)));
    return parts;
  }

  /** Made when it is lacking, as tar(1) does. */
  private openDirectory(parts: readonly string[]): number {
    const path = parts.length === 0 ? '.' : parts.join('/');
    const opened = openInRootNow(this.root, path, O_PATH | O_DIRECTORY);
    if (opened >= 0) return opened;
    if (opened !== -ENOENT || parts.length === 0) throw errorOf(opened, 'openat2', path);
    const parent = this.openDirectory(parts.slice(0, -1));
    try {
      const made = `/proc/self/fd/${parent}/${parts.at(-1)}`;
      fs.mkdirSync(made, { mode: 0o755 });
      this.give(made, this.ownerOf({ uid: 0, gid: 0 } as tar.Header));
    } finally {
      close(parent);
    }
    const made = openInRootNow(this.root, path, O_PATH | O_DIRECTORY);
    if (made < 0) throw errorOf(made, 'openat2', path);
    return made;
  }

  private invalid(what: Said, hint?: Said): Failure {
    return new Failure('invalid', said('hasWhatNoLayerHas', this.what, what), hint === undefined ? {} : { hint });
  }
}

/** Of GNU tar: its old type of entry, which the reader does not know, or one with a map of the file before the content. */
function isSparse({ type, pax }: tar.Header): boolean {
  return (type as string | null) === null || Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'));
}

/** With all that is in it, of which there may be as much as in an image: only what takes no longer than a file does is done at once. */
async function remove(file: string): Promise<void> {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stat?.isDirectory()) await fs.promises.rm(file, { recursive: true, force: true });
  else if (stat !== undefined) fs.unlinkSync(file);
}

async function writeFile(file: string, content: Content): Promise<void> {
  await remove(file);
  const descriptor = fs.openSync(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for await (const chunk of content) {
      for (let at = 0; at < chunk.length; ) at += fs.writeSync(descriptor, chunk, at);
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Ids beyond the seven octal digits of a header are in the records before it: pax(1). */
function idsOf(header: tar.Header): Ids {
  const pax = header.pax as Record<string, string> | null | undefined;
  const id = (record: string | undefined, field: number | undefined) => {
    const value = record === undefined ? (field ?? 0) : Number(record);
    return Number.isInteger(value) && value >= 0 && value <= MAX_ID ? value : 0;
  };
  return { uid: id(pax?.uid, header.uid), gid: id(pax?.gid, header.gid) };
}
