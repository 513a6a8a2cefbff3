/** Tars of root file systems in the formats and compressions that there are, as roots of sandboxes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';
import { SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { makeBusyboxRoot } from '../fixtures/busyboxRoot.ts';
import { isHelperRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';

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
