/** Tars of root file systems in the formats and compressions that there are, as roots of sandboxes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';
import { SandboxesExplain, SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { makeBusyboxRoot } from '../fixtures/busyboxRoot.ts';
import { isHelperRoot, testUid, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { type TarEntry, tarOf } from '../fixtures/tarOf.ts';
import { until } from '../fixtures/until.ts';

const SKIP = (!isHelperRoot && 'the helper is not root') || unlessRootHas('tar');
const { zstdCompressSync } = zlib as { zstdCompressSync?: (content: Buffer) => Buffer };
const DEEP = `deep/${'a'.repeat(60)}/${'b'.repeat(60)}`;
/** More than seven octal digits hold. */
const LARGE_ID = 3_000_000;

describe('a tar as the root of a sandbox', { skip: SKIP }, () => {
  let helper: RunningHelper;
  let folder: string;
  let root: string;
  before(async () => {
    helper = await startHelper();
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-tars-'));
    root = makeBusyboxRoot(path.join(folder, 'root'), ['proc', 'dev'], undefined);
    fs.writeFileSync(path.join(root, 'file'), 'content', { mode: 0o604 });
    fs.chownSync(path.join(root, 'file'), 7, 8);
    fs.linkSync(path.join(root, 'file'), path.join(root, 'hard'));
    fs.symlinkSync('/file', path.join(root, 'soft'));
  });
  after(async () => {
    await helper?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const archive = (name: string) => path.join(folder, name);
  const make = (name: string, ...options: string[]) => {
    execFileSync('tar', [...options, '-C', root, '-cf', archive(name), '.']);
    return archive(name);
  };
  const ofTar = (file: string, script = 'true'): SandboxSpec => ({
    root: { type: 'image', image: { format: 'tar', path: file } },
    process: { args: ['sh', '-c', script] },
  });
  const LOOK = 'stat -c "%n %a %u:%g %h" /file /hard; cat /soft; readlink /soft';
  const SEEN = '/file 604 7:8 2\n/hard 604 7:8 2\ncontent/file\n';

  async function output(spec: SandboxSpec): Promise<string> {
    const { stdout, stderr, exit } = await helper.request(SandboxesRun, { spec });
    assert.equal(exit.code, 0, stderr);
    return stdout;
  }

  test('has its files in every format that tar writes', async () => {
    for (const format of ['v7', 'oldgnu', 'gnu', 'ustar', 'posix'])
      assert.equal(await output(ofTar(make(`${format}.tar`, `--format=${format}`), LOOK)), SEEN, format);
  });

  test('has long names and large ids where the format has them', async () => {
    fs.mkdirSync(path.join(root, DEEP), { recursive: true });
    fs.writeFileSync(path.join(root, DEEP, 'long'), 'long');
    fs.chownSync(path.join(root, DEEP, 'long'), LARGE_ID, LARGE_ID);
    try {
      for (const format of ['gnu', 'posix']) {
        const file = make(`long-${format}.tar`, `--format=${format}`);
        assert.equal(
          await output(ofTar(file, `stat -c %u:%g /${DEEP}/long; cat /${DEEP}/long`)),
          `${LARGE_ID}:${LARGE_ID}\nlong`,
          format,
        );
      }
    } finally {
      fs.rmSync(path.join(root, 'deep'), { recursive: true });
    }
  });

  test('may be compressed by gzip', async () => {
    assert.equal(await output(ofTar(make('compressed.tar.gz', '--gzip'), LOOK)), SEEN);
  });

  test('may be compressed by zstd', { skip: zstdCompressSync === undefined && 'this Node has no zstd' }, async () => {
    const file = archive('compressed.tar.zst');
    fs.writeFileSync(file, zstdCompressSync!(fs.readFileSync(make('plain.tar'))));
    assert.equal(await output(ofTar(file, LOOK)), SEEN);
    const cut = archive('cut.tar.zst');
    fs.writeFileSync(cut, fs.readFileSync(file).subarray(0, 20_000));
    assert.match(
      (await refusalOf(helper.request(SandboxesRun, { spec: ofTar(cut) }), 'invalid')).message,
      /not a tar that can be unpacked/,
    );
  });

  test('compressed by what cannot be read is refused with what to do', async () => {
    const older = archive('older.cjs');
    fs.writeFileSync(older, "delete require('zlib').createZstdDecompress;");
    await using old = await startHelper({ environment: { ...process.env, NODE_OPTIONS: `--require ${older}` } });
    const heads: [string, Buffer, RunningHelper][] = [
      ['zstd', Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0), old],
      ['bzip2', Buffer.from('BZh9'), helper],
      ['xz', Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0), helper],
    ];
    for (const [name, head, asked] of heads) {
      fs.writeFileSync(archive(name), head);
      const refusal = await refusalOf(asked.request(SandboxesRun, { spec: ofTar(archive(name)) }), 'unsupported');
      assert.match(refusal.message, new RegExp(`compressed by ${name}`));
      assert.match(
        refusal.data?.hint ?? '',
        new RegExp(`Decompress it with ${name} -d${name === 'zstd' ? '.*Node 22\\.15' : ''}`),
      );
    }
  });

  test('belongs in a user namespace to whom the id maps say, deletions of layers included', async () => {
    const range = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    const idMappings = { uidMappings: range, gidMappings: range };
    assert.equal(await output({ ...ofTar(make('mapped.tar'), LOOK), idMappings }), SEEN);
    const touched = 'touch /made; stat -c %u:%g / /made /bin; cat /proc/self/uid_map';
    assert.match(
      await output({ ...ofTar(make('mapped.tar'), touched), idMappings }),
      /^0:0\n0:0\n0:0\n\s+0\s+100000\s+1000\n$/,
    );
    const small = [{ containerID: 0, hostID: 100_000, size: 5 }];
    const { stdout, notes } = await helper.request(SandboxesRun, {
      spec: { ...ofTar(make('mapped.tar'), 'stat -c %u /file'), idMappings: { uidMappings: small, gidMappings: small } },
    });
    assert.equal(stdout, '0\n');
    assert.ok(notes.some((note) => note.includes('owners that are not mapped')));
  });

  test('in several layers is the same with a user namespace as without', async () => {
    const busybox = fs.readFileSync('/bin/busybox');
    const lower = await tarOf([
      [{ name: 'bin/busybox', mode: 0o755 }, busybox],
      [{ name: 'bin/sh', type: 'symlink', linkname: 'busybox' }, ''],
      ...['kept/a', 'opaque/a', 'opaque/b', 'deleted/a', 'single'].map((name): TarEntry => [{ name }, 'lower']),
    ]);
    const upper = await tarOf([
      [{ name: 'opaque/c' }, 'upper'],
      [{ name: 'opaque/.wh..wh..opq' }, ''],
      [{ name: '.wh.deleted' }, ''],
      [{ name: '.wh.single' }, ''],
      [{ name: 'kept/b' }, 'upper'],
    ]);
    const config = JSON.stringify({ rootfs: { diff_ids: [`sha256:${'0'.repeat(64)}`] } });
    const manifest = JSON.stringify([{ Config: 'config.json', Layers: ['1/layer.tar', '2/layer.tar'] }]);
    // The upper layer first: their order in the file says nothing.
    const saved = await tarOf([
      [{ name: '2/layer.tar' }, upper],
      [{ name: '1/layer.tar' }, lower],
      [{ name: 'config.json' }, config],
      [{ name: 'manifest.json' }, manifest],
    ]);
    fs.writeFileSync(archive('layers.tar'), saved);
    const list = 'for f in /* /kept/* /opaque/* /deleted/*; do busybox echo $f; done';
    const spec: SandboxSpec = {
      root: { type: 'image', image: { format: 'dockerArchive', path: archive('layers.tar') } },
      dev: 'none',
      proc: 'none',
      process: { args: ['sh', '-c', list] },
    };
    const expected = '/bin\n/etc\n/kept\n/opaque\n/kept/a\n/kept/b\n/opaque/c\n/deleted/*\n';
    assert.equal(await output(spec), expected);
    const range = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    assert.equal(await output({ ...spec, idMappings: { uidMappings: range, gidMappings: range } }), expected);
  });

  test('with sparse files is refused, and not unpacked as something else', async () => {
    const sparse = path.join(root, 'sparse');
    fs.writeFileSync(sparse, '');
    fs.truncateSync(sparse, 1024 * 1024);
    try {
      for (const format of ['gnu', 'posix']) {
        const file = make(`sparse-${format}.tar`, '--sparse', `--format=${format}`);
        const refusal = await refusalOf(helper.request(SandboxesRun, { spec: ofTar(file) }), 'invalid');
        assert.match(refusal.message, /sparse file/);
      }
    } finally {
      fs.rmSync(sparse);
    }
  });
});

describe('a tar as the root of the sandbox of an ordinary user', { skip: unlessRootHas('tar', 'busybox') }, () => {
  const UID = testUid || 1001;
  let helper: RunningHelper;
  let folder: string;
  before(async () => {
    helper = await startHelper({ uid: UID, gid: UID });
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-user-tar-'));
    fs.chmodSync(folder, 0o755);
    const root = makeBusyboxRoot(path.join(folder, 'root'), ['proc', 'dev', 'closed'], undefined);
    fs.writeFileSync(path.join(root, 'closed/file'), 'content');
    fs.writeFileSync(path.join(root, 'sevens'), 'seven');
    fs.chownSync(path.join(root, 'sevens'), 7, 8);
    fs.chmodSync(path.join(root, 'sevens'), 0o4711);
    fs.chmodSync(path.join(root, 'closed'), 0o555);
    execFileSync('tar', ['-C', root, '-cf', path.join(folder, 'root.tar'), '.']);
  });
  after(async () => {
    await helper?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const ofTar = (script: string): SandboxSpec => ({
    root: { type: 'image', image: { format: 'tar', path: path.join(folder, 'root.tar') } },
    process: { args: ['sh', '-c', script] },
  });

  test('belongs to root inside, can be changed there, and says what it could not keep', async () => {
    const script =
      'stat -c "%n %a %u:%g" / /sevens; cat /closed/file; rm -r /closed; echo more >>/sevens; [ -e /closed ] || cat /sevens';
    const { stdout, stderr, exit, notes } = await helper.request(SandboxesRun, { spec: ofTar(script) });
    assert.equal(exit.code, 0, stderr);
    assert.equal(stdout, '/ 755 0:0\n/sevens 4711 0:0\ncontentsevenmore\n');
    assert.ok(notes.some((note) => note.startsWith('1 files of the image have other owners than root (user 7; group 8)')));
    const again = await helper.request(SandboxesRun, { spec: ofTar('cat /closed/file /sevens') });
    assert.equal(again.stdout, 'contentseven');
  });

  test('is a step of the explanation, and refused where the own id is not mapped', async () => {
    const { steps } = await helper.request(SandboxesExplain, { spec: ofTar('true') });
    assert.ok(steps.some(({ purpose }) => purpose.includes('unpack the image')));
    const ids = [{ containerID: 0, hostID: 100_000, size: 10 }];
    const spec: SandboxSpec = { ...ofTar('true'), idMappings: { uidMappings: ids, gidMappings: ids } };
    assert.match((await refusalOf(helper.request(SandboxesRun, { spec }), 'permission')).message, /own ids are mapped/);
  });

  test('that cannot be unpacked leaves nothing open', async () => {
    const opened = () => fs.readdirSync(`/proc/${helper.process.pid}/fd`).length;
    const before = opened();
    fs.writeFileSync(path.join(folder, 'broken.tar'), 'x'.repeat(2000));
    const spec: SandboxSpec = { root: { type: 'image', image: { format: 'tar', path: path.join(folder, 'broken.tar') } } };
    await assert.rejects(helper.request(SandboxesRun, { spec: { ...spec, process: { args: ['true'] } } }), /not a tar/);
    await until(() => opened() <= before, 'what it opened is closed');
  });
});
