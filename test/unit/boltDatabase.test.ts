/** containerd's databases: one built here by the format's own description, and files that are no such database. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { BoltBucket, readBolt } from '../../helper/host/engines/boltDatabase.ts';

const PAGE = 4096;
const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-bolt-'));
after(() => rmSync(folder, { recursive: true }));

type Items = [key: string, value: Buffer, flags?: number][];

/** A leaf page; alone in a value it is an inline bucket. */
function leaf(number: number, items: Items, length?: number): Buffer {
  const header = Buffer.alloc(16 + items.length * 16);
  header.writeBigUInt64LE(BigInt(number), 0);
  header.writeUInt16LE(2, 8);
  header.writeUInt16LE(items.length, 10);
  const data: Buffer[] = [];
  let at = header.length;
  for (const [index, [key, value, flags = 0]] of items.entries()) {
    const element = 16 + index * 16;
    header.writeUInt32LE(flags, element);
    header.writeUInt32LE(at - element, element + 4);
    header.writeUInt32LE(Buffer.byteLength(key), element + 8);
    header.writeUInt32LE(value.length, element + 12);
    data.push(Buffer.from(key), value);
    at += Buffer.byteLength(key) + value.length;
  }
  const page = Buffer.concat([header, ...data]);
  return length === undefined ? page : Buffer.concat([page, Buffer.alloc(length - page.length)]);
}

function branch(number: number, children: [key: string, page: number][]): Buffer {
  const page = Buffer.alloc(PAGE);
  page.writeBigUInt64LE(BigInt(number), 0);
  page.writeUInt16LE(1, 8);
  page.writeUInt16LE(children.length, 10);
  for (const [index, [, child]] of children.entries()) page.writeBigUInt64LE(BigInt(child), 16 + index * 16 + 8);
  return page;
}

function meta(number: number, root: number, transaction: number): Buffer {
  const page = Buffer.alloc(PAGE);
  page.writeBigUInt64LE(BigInt(number), 0);
  page.writeUInt16LE(4, 8);
  page.writeUInt32LE(0xed0cdaed, 16);
  page.writeUInt32LE(2, 20);
  page.writeUInt32LE(PAGE, 24);
  page.writeBigUInt64LE(BigInt(root), 32);
  page.writeBigUInt64LE(BigInt(transaction), 64);
  return page;
}

const inline = (items: Items) => Buffer.concat([Buffer.alloc(16), leaf(0, items)]);

function bucketAt(page: number): Buffer {
  const value = Buffer.alloc(16);
  value.writeBigUInt64LE(BigInt(page), 0);
  return value;
}

function written(name: string, ...pages: Buffer[]): string {
  const file = path.join(folder, name);
  writeFileSync(file, Buffer.concat(pages));
  return file;
}

const keysOf = (root: BoltBucket) => [...root.entries()].map(([key]) => key);

const DATABASE = [
  meta(0, 2, 7),
  meta(1, 3, 8),
  leaf(2, [['old', Buffer.from('x')]], PAGE),
  leaf(3, [['v1', bucketAt(4), 1]], PAGE),
  branch(4, [
    ['a', 5],
    ['c', 6],
  ]),
  leaf(
    5,
    [
      ['a', Buffer.from('one')],
      ['b', inline([['id', Buffer.from([0x86, 0x01])]]), 1],
    ],
    PAGE,
  ),
  leaf(6, [['c', Buffer.from('three')]], PAGE),
];

test('the newer of both states is read, through branches and buckets within a value', () => {
  const file = written('good', ...DATABASE);
  const found = readBolt(file, (root) => {
    const v1 = root.bucket('v1');
    return v1 && [keysOf(root), keysOf(v1), v1.text('a'), v1.text('c'), v1.text('b'), v1.bucket('b')?.text('id')?.length];
  });
  assert.deepEqual(found, [['v1'], ['a', 'b', 'c'], 'one', 'three', undefined, 2]);
});

test('a page that is another one by now makes the whole unknown', () => {
  const file = written('moved', ...DATABASE.slice(0, 5), leaf(9, [], PAGE), ...DATABASE.slice(6));
  assert.equal(
    readBolt(file, (root) => keysOf(root.bucket('v1')!)),
    undefined,
  );
});

test('branches that lead to themselves come to an end', () => {
  const file = written('circle', meta(0, 2, 1), meta(1, 2, 2), branch(2, [['a', 2]]));
  assert.equal(readBolt(file, keysOf), undefined);
});

test('a file cut off anywhere, or changed anywhere in its headers, gives nothing or less, and no error', () => {
  const whole = Buffer.concat(DATABASE);
  const walk = (root: BoltBucket): number => {
    let count = 0;
    for (const [, value] of root.entries()) count += value instanceof BoltBucket ? walk(value) : 1;
    return count;
  };
  for (let length = 0; length < whole.length; length += 509) {
    const file = written('cut', whole.subarray(0, length));
    assert.doesNotThrow(() => readBolt(file, walk), `${length} bytes`);
  }
  for (const page of DATABASE.keys()) {
    for (let at = 0; at < 96; at += 1) {
      const changed = Buffer.from(whole);
      changed[page * PAGE + at]! ^= 0xff;
      const file = written('changed', changed);
      assert.doesNotThrow(() => readBolt(file, walk), `byte ${at} of page ${page}`);
    }
  }
});

test('what is no database, no file, or a link to one is not read', () => {
  const link = path.join(folder, 'link');
  symlinkSync(written('target', ...DATABASE), link);
  for (const file of [written('text', Buffer.from('hello')), path.join(folder, 'missing'), folder, link, '/dev/zero']) {
    assert.equal(readBolt(file, keysOf), undefined, file);
  }
});
