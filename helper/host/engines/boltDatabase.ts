/**
 * Reading a bolt database, in which containerd keeps its metadata, while its owner writes: go.etcd.io/bbolt, page.go and bucket.go. Pages are
 * replaced and not overwritten, but may be used again; whatever does not fit together is an answer of `undefined`.
 */
import fs from 'node:fs';

const MAGIC = 0xed0cdaed;
const PAGE_HEADER_BYTES = 16;
const ELEMENT_BYTES = 16;
const BUCKET_HEADER_BYTES = 16;
const BRANCH = 1;
const LEAF = 2;
const BUCKET = 1;
const MAX_PAGE_SIZE = 65_536;
/** A value that is longer than a page takes several. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** Read in all, by one opening. */
const MAX_PAGES = 20_000;
const MAX_DEPTH = 32;

/** What a key leads to. */
export type BoltValue = Buffer | BoltBucket;

/** The database is damaged, or was written to meanwhile. */
class Inconsistent extends Error {}

/** What `look` finds in the database; undefined when it cannot be read. Follows no symbolic link. */
export function readBolt<T>(path: string, look: (root: BoltBucket) => T | undefined): T | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
    if (!fs.fstatSync(descriptor).isFile()) return undefined;
    return look(rootOf(new Pages(descriptor)));
  } catch (error) {
    // A number out of a buffer's range, a page of another kind, a file that may not be opened.
    if (error instanceof Inconsistent || error instanceof RangeError || (error as Partial<NodeJS.ErrnoException>).code)
      return undefined;
    throw error;
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

class Pages {
  private readonly descriptor: number;
  private size = 4096;
  private count = 0;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  useSize(size: number): void {
    if (size < 512 || size > MAX_PAGE_SIZE) throw new Inconsistent();
    this.size = size;
  }

  /** A page by its number, with those that it goes on in. */
  read(number: number): Buffer {
    const first = this.bytes(number, this.size);
    if (Number(first.readBigUInt64LE(0)) !== number) throw new Inconsistent();
    const overflow = first.readUInt32LE(12);
    if (overflow === 0) return first;
    if ((overflow + 1) * this.size > MAX_PAGE_BYTES) throw new Inconsistent();
    return this.bytes(number, (overflow + 1) * this.size);
  }

  bytes(number: number, length: number): Buffer {
    this.count += 1;
    if (this.count > MAX_PAGES) throw new Inconsistent();
    const page = Buffer.alloc(length);
    if (fs.readSync(this.descriptor, page, 0, length, number * this.size) !== length) throw new Inconsistent();
    return page;
  }
}

/** Of two meta pages the newer one counts; the other may be half written. */
function rootOf(pages: Pages): BoltBucket {
  const isMeta = (page: Buffer) => page.readUInt32LE(16) === MAGIC;
  const first = pages.bytes(0, 4096);
  if (isMeta(first)) pages.useSize(first.readUInt32LE(24));
  const metas = [first, pages.bytes(1, 4096)].filter(isMeta);
  const [newest] = metas.sort((one, other) => Number(other.readBigUInt64LE(64) - one.readBigUInt64LE(64)));
  if (newest === undefined) throw new Inconsistent();
  return new BoltBucket(pages, pages.read(Number(newest.readBigUInt64LE(32))), 0);
}

/** Keys and what they lead to, in order. */
export class BoltBucket {
  private readonly pages: Pages;
  private readonly page: Buffer;
  private readonly depth: number;

  constructor(pages: Pages, page: Buffer, depth: number) {
    if (depth > MAX_DEPTH) throw new Inconsistent();
    this.pages = pages;
    this.page = page;
    this.depth = depth;
  }

  *entries(): Generator<[key: string, value: BoltValue]> {
    const flags = this.page.readUInt16LE(8);
    const count = this.page.readUInt16LE(10);
    for (let index = 0; index < count; index += 1) {
      const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
      if ((flags & BRANCH) !== 0) yield* this.below(Number(this.page.readBigUInt64LE(element + 8))).entries();
      else if ((flags & LEAF) !== 0) yield this.leaf(element);
      else throw new Inconsistent();
    }
  }

  bucket(key: string): BoltBucket | undefined {
    const value = this.get(key);
    return value instanceof BoltBucket ? value : undefined;
  }

  text(key: string): string | undefined {
    const value = this.get(key);
    return value instanceof Buffer ? value.toString('utf8') : undefined;
  }

  private get(key: string): BoltValue | undefined {
    for (const [one, value] of this.entries()) if (one === key) return value;
    return undefined;
  }

  private leaf(element: number): [string, BoltValue] {
    const flags = this.page.readUInt32LE(element);
    const begin = element + this.page.readUInt32LE(element + 4);
    const keyEnd = begin + this.page.readUInt32LE(element + 8);
    const end = keyEnd + this.page.readUInt32LE(element + 12);
    if (end > this.page.length) throw new Inconsistent();
    const value = this.page.subarray(keyEnd, end);
    return [this.page.toString('utf8', begin, keyEnd), (flags & BUCKET) === 0 ? value : this.bucketOf(value)];
  }

  /** A small bucket has its only page in the value itself. */
  private bucketOf(value: Buffer): BoltBucket {
    const root = Number(value.readBigUInt64LE(0));
    if (root !== 0) return this.below(root);
    return new BoltBucket(this.pages, value.subarray(BUCKET_HEADER_BYTES), this.depth + 1);
  }

  private below(number: number): BoltBucket {
    return new BoltBucket(this.pages, this.pages.read(number), this.depth + 1);
  }
}
