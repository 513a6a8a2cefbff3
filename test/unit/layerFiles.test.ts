/** What of layers needs no file system: names, redirects, archives, and which mount covers a path. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import test, { describe } from 'node:test';
import { extract, type Header } from 'tar-stream';
import { coveringMount, coverOf, MountIndex, mountsIn } from '../../helper/host/layers/covers.ts';
import { parseRedirect } from '../../helper/host/layers/marks.ts';
import { PageCache } from '../../helper/host/layers/pageCache.ts';
import { bytesOfText, textOfBytes } from '../../helper/proc/fileName.ts';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import { paxRecord, TAR_END, type TarEntry, tarHeader, tarPadding } from '../../helper/proc/tar.ts';

describe('names of files', () => {
  test('of any bytes have a text of their own, and come back from it', () => {
    let state = 7;
    const texts = new Set<string>();
    const names = new Set<string>([
      '',
      'plain',
      '\xc3\xa9',
      '\xed\xa0\x80',
      '\xf0\x9f\x98\x80',
      '\xc3',
      '\xc0\x80',
      '\xf4\x90\x80\x80',
    ]);
    for (let at = 0; at < 5000; at += 1) {
      let name = '';
      for (let length = state % 6; length >= 0; length -= 1) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
        name += String.fromCharCode((state >> 8) % 3 === 0 ? (state >> 16) & 0x7f : 0x80 | ((state >> 16) & 0x7f));
      }
      names.add(name);
    }
    for (const name of names) {
      const text = textOfBytes(name);
      assert.equal(bytesOfText(text), name);
      texts.add(text);
    }
    assert.equal(texts.size, names.size);
  });

  test('that are UTF-8 are what everybody reads, other bytes are escaped', () => {
    assert.equal(textOfBytes(Buffer.from('é😀').toString('latin1')), 'é😀');
    assert.equal(textOfBytes('a\xff\xe9b'), 'a\udcff\udce9b');
    assert.equal(JSON.parse(JSON.stringify(textOfBytes('\xff'))), '\udcff', 'it survives JSON');
  });

  test('cannot be written in a second way, nor with what no name has', () => {
    // Two escapes that are UTF-8 together: the name has another text.
    assert.equal(bytesOfText('\udcc3\udca9'), undefined);
    assert.equal(bytesOfText('\ud800'), undefined);
    assert.equal(bytesOfText('\udc7f'), undefined);
  });
});

test('a redirect is one name or an absolute path, and nothing that climbs', () => {
  assert.deepEqual(parseRedirect('other'), { absolute: false, names: ['other'] });
  assert.deepEqual(parseRedirect('/a/b'), { absolute: true, names: ['a', 'b'] });
  for (const wrong of ['', '/', 'a/b', '..', '.', '/a/../b', '/a//b', '/a/', '/a\0', `/${'x/'.repeat(4000)}y`]) {
    assert.equal(parseRedirect(wrong), 'invalid', JSON.stringify(wrong.slice(0, 20)));
  }
});

/** The package's types know no records. */
function paxOf(header: Header | undefined): Record<string, string> {
  return (header?.pax ?? {}) as Record<string, string>;
}

describe('an archive', () => {
  const plain: TarEntry = { path: 'a', type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, modifiedSeconds: 1 };

  async function readBack(entries: { entry: TarEntry; content?: string }[]): Promise<Header[]> {
    const bytes = entries.flatMap(({ entry, content = '' }) => [
      tarHeader(entry),
      Buffer.from(content),
      Buffer.alloc(tarPadding(content.length)),
    ]);
    const found: Header[] = [];
    const reading = extract();
    reading.on('entry', (header, stream, next) => {
      found.push(header);
      void buffer(stream).then((content) => {
        assert.equal(content.toString(), entries[found.length - 1]?.content ?? '');
        next();
      });
    });
    Readable.from([...bytes, TAR_END]).pipe(reading);
    await once(reading, 'finish');
    return found;
  }

  test('is read by others as it was meant', async () => {
    const [file, link, device, directory] = await readBack([
      { entry: { ...plain, path: 'd/f', sizeBytes: 5, uid: 1000, gid: 5, mode: 0o4755 }, content: 'hello' },
      { entry: { ...plain, type: 'symlink', linkTarget: '../x' } },
      { entry: { ...plain, type: 'characterDevice', major: 1, minor: 3 } },
      { entry: { ...plain, path: 'd/e', type: 'directory' } },
    ]);
    assert.deepEqual(
      [file?.name, file?.size, file?.uid, file?.gid, file?.mode, file?.mtime?.getTime()],
      ['d/f', 5, 1000, 5, 0o4755, 1000],
    );
    assert.deepEqual([link?.type, link?.linkname], ['symlink', '../x']);
    assert.deepEqual([device?.type, device?.devmajor, device?.devminor], ['character-device', 1, 3]);
    assert.deepEqual([directory?.type, directory?.name.replace(/\/$/, '')], ['directory', 'd/e']);
  });

  test('holds what a plain header has no room for', async () => {
    const long = `${'long/'.repeat(80)}name`;
    const fits = `${'x'.repeat(150)}/${'y'.repeat(100)}`;
    const target = 't'.repeat(200);
    const attributes = new Map([['security.capability', '\x01\0\0\x02=\n']]);
    const [one, two, three, four] = await readBack([
      { entry: { ...plain, path: long, attributes } },
      { entry: { ...plain, path: fits } },
      { entry: { ...plain, type: 'symlink', linkTarget: target } },
      { entry: { ...plain, uid: 4_000_000_000, modifiedSeconds: -5 } },
    ]);
    assert.equal(one?.name, long);
    assert.equal(paxOf(one)['SCHILY.xattr.security.capability'], '\x01\0\0\x02=\n');
    assert.equal(two?.name, fits);
    assert.equal(three?.linkname, target);
    assert.equal(paxOf(four).uid, '4000000000');
    assert.equal(paxOf(four).mtime, '-5');
  });

  test('counts the digits of a record in its length', () => {
    for (let length = 1; length < 1200; length += 1) {
      const record = paxRecord('k', 'v'.repeat(length));
      assert.equal(Number.parseInt(record, 10), record.length);
    }
  });
});

test('the mount that covers a path is the one that path resolution ends in', () => {
  const mounts = parseMountinfo(
    [
      '10 1 0:50 / / rw - overlay overlay rw',
      '11 10 0:51 / /proc rw - proc proc rw',
      '12 10 0:52 / /data/inner rw - tmpfs below rw',
      '13 10 0:53 / /data rw - tmpfs over rw',
      '14 13 0:54 / /data/x rw - ext4 /dev/sda rw',
      '15 11 0:55 / /proc rw - tmpfs again rw',
      '16 99 0:56 / /elsewhere rw - tmpfs other rw',
    ].join('\n'),
  );
  const at = (path: string) => coveringMount(new MountIndex(mounts), 10, path)?.id;
  assert.equal(at('/etc/passwd'), undefined);
  assert.equal(at('/proc/1/status'), 15, 'mounted twice: the upper one');
  assert.equal(at('/data/inner/file'), 13, 'the inner mount is covered with its place');
  assert.equal(at('/data/x/y'), 14);
  assert.equal(at('/database'), undefined);
  assert.equal(at('/elsewhere/z'), undefined, 'it hangs on another mount');
});

test('where a mount comes from is the nearest other mount of the same directory or one above it', () => {
  const here = new MountIndex(
    parseMountinfo(
      [
        '20 1 8:1 / / rw - ext4 /dev/sda rw',
        '21 20 8:1 /srv /mnt/srv rw - ext4 /dev/sda rw',
        '22 20 8:1 /srv/data /again rw - ext4 /dev/sda rw',
        '23 20 8:2 / /other rw - ext4 /dev/sdb rw',
      ].join('\n'),
    ),
  );
  const from = (root: string, device = '8:1', id = 99) => {
    const [mount] = parseMountinfo(`${id} 1 ${device} ${root} /in/container rw - ext4 /dev/sda rw`);
    return coverOf(mount!, here).from;
  };
  assert.equal(from('/srv/data/x'), '/again/x');
  assert.equal(from('/srv/data', '8:1', 22), '/mnt/srv/data', 'it is not from itself');
  assert.equal(from('/srvother'), '/srvother');
  assert.equal(from('/', '8:2'), '/other');
  assert.equal(from('/x', '8:3'), undefined);
});

test('mounts on the entries of a directory are told in proportion to their number', () => {
  // fs.mount-max lets a mount namespace have 100,000 by default.
  const [few, many] = [microsFor(5000), microsFor(100_000)];
  // Twenty times as many; going through the table for each would take four hundred times as long.
  assert.ok(many < 100 * few, `${few} µs for 5,000, ${many} µs for 100,000`);
});

/** What it takes of the processor to tell of so many mounts in one directory. */
function microsFor(count: number): number {
  const lines = ['10 1 0:50 / / rw - overlay overlay rw'];
  for (let at = 0; at < count; at += 1) lines.push(`${100 + at} 10 8:1 /many/${at} /many/${at} rw - ext4 /dev/sda rw`);
  const mounts = parseMountinfo(lines.join('\n'));
  const begin = process.cpuUsage();
  const index = new MountIndex(mounts);
  const found = mountsIn(index, 10, '/many');
  for (const mount of found.values()) assert.equal(coverOf(mount, index).from, undefined);
  assert.equal(found.size, count);
  const { user, system } = process.cpuUsage(begin);
  return user + system;
}

test('what a page left for the next is given once, and only the latest are kept', () => {
  const cache = new PageCache<number>();
  for (let at = 0; at < 20; at += 1) cache.put(String(at), at);
  assert.equal(cache.take('19'), 19);
  assert.equal(cache.take('19'), undefined);
  assert.equal(cache.take('0'), undefined);
});
