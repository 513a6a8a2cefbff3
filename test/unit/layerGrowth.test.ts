/** That unpacking a layer takes time in proportion to it, and leaves the thread to others: it may come from anybody, and one thread serves all. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { TAR_END, tarHeader } from '../../helper/proc/tar.ts';
import { unpackLayer } from '../../helper/sandbox/images/layerWriter.ts';

const OPAQUE = '.wh..wh..opq';
/** A tmpfs, as in a sandbox: ext4 is slow to give away inodes that have just become free. */
const MEMORY = '/dev/shm';
const folder = fs.mkdtempSync(path.join(fs.existsSync(MEMORY) ? MEMORY : os.tmpdir(), 'isoscope-growth-'));
const owner = () => ({ uid: process.getuid!(), gid: process.getgid!() });
const file = (name: string): Buffer =>
  tarHeader({ path: name, type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, modifiedSeconds: 0 });
const link = (name: string, linkTarget: string): Buffer =>
  tarHeader({ path: name, type: 'symlink', mode: 0o777, uid: 0, gid: 0, sizeBytes: 0, modifiedSeconds: 0, linkTarget });
const files = (count: number): Buffer[] => Array.from({ length: count }, (_, index) => file(`a/${index}`));

after(() => fs.rmSync(folder, { recursive: true }));

/** Unpacks the layers on top of each other; tells what the last one took of the processor. Every turn of the event loop is told, if asked for. */
async function unpacked(layers: Buffer[][], onTurn?: () => void): Promise<{ names: string[]; micros: number }> {
  const directory = fs.mkdtempSync(path.join(folder, 'root-'));
  const descriptor = fs.openSync(directory, 'r');
  let before = process.cpuUsage();
  try {
    for (const entries of layers) {
      const tar = Buffer.concat([...entries, TAR_END]);
      let ended = false;
      const turn = () => {
        onTurn?.();
        if (!ended) setImmediate(turn);
      };
      before = process.cpuUsage();
      if (onTurn !== undefined) setImmediate(turn);
      await unpackLayer(fs.createReadStream('', { fd: fs.openSync(writtenTo(tar), 'r') }), descriptor, 'a layer', {
        onTop: true,
        owner,
      });
      ended = true;
      onTurn?.();
    }
    const { user, system } = process.cpuUsage(before);
    return {
      names: fs.existsSync(path.join(directory, 'a')) ? fs.readdirSync(path.join(directory, 'a')) : [],
      micros: user + system,
    };
  } finally {
    fs.closeSync(descriptor);
  }
}

function writtenTo(content: Buffer): string {
  const file = path.join(fs.mkdtempSync(path.join(folder, 'tar-')), 'layer.tar');
  fs.writeFileSync(file, content);
  return file;
}

/** Four times as much may take four times as long, and some; in the square it would be sixteen times. */
async function growsInProportion(layersOf: (count: number) => Buffer[][], count: number): Promise<void> {
  await unpacked(layersOf(count / 10));
  const small = await unpacked(layersOf(count));
  const large = await unpacked(layersOf(4 * count));
  const ratio = large.micros / small.micros;
  assert.ok(ratio < 6, `four times as many entries took ${ratio.toFixed(1)} times as long`);
}

test('an opaque directory with many files of the same layer', async () => {
  const layer = (count: number): Buffer[] => [...files(count), file(`a/${OPAQUE}`)];
  const { names } = await unpacked([[file('a/below')], layer(10)]);
  assert.deepEqual(
    names.sort(),
    Array.from({ length: 10 }, (_, index) => String(index)),
  );
  await growsInProportion((count) => [layer(count)], 8000);
});

test('a directory that is said to be opaque many times, by many names', async () => {
  const layer = (count: number): Buffer[] => [
    ...files(count),
    ...Array.from({ length: count }, (_, index) => link(`link${index}`, 'a')),
    ...Array.from({ length: count }, (_, index) => file(`link${index}/${OPAQUE}`)),
    file(`a/${OPAQUE}`),
  ];
  await growsInProportion((count) => [layer(count)], 2000);
});

test('what is removed goes in many turns: directories that are deleted, emptied or replaced', async (t) => {
  const removals = { emptied: file(`a/${OPAQUE}`), deleted: file('.wh.a'), replaced: link('a', 'nowhere') };
  // How many turns there are while others remove depends on how busy the machine is; what is removed within one does not.
  const calls = (['unlinkSync', 'rmdirSync', 'rmSync'] as const).map((name) => t.mock.method(fs, name).mock);
  const removed = () => calls.reduce((sum, one) => sum + one.callCount(), 0);
  for (const [how, removal] of Object.entries(removals)) {
    let before = removed();
    let most = 0;
    const { names } = await unpacked([files(12_000), [removal]], () => {
      const now = removed();
      most = Math.max(most, now - before);
      before = now;
    });
    assert.deepEqual(names, []);
    assert.ok(most < 500, `${how}: ${most} files within a turn`);
    assert.equal(calls.at(-1)!.callCount(), 0, `${how}: a directory with all that is in it`);
  }
});

test('nothing is written any more once unpacking a layer has failed, for its directory is closed next', async () => {
  const directory = fs.mkdtempSync(path.join(folder, 'root-'));
  const descriptor = fs.openSync(directory, 'r');
  try {
    const below = Buffer.concat([...files(20_000), TAR_END]);
    await unpackLayer(fs.createReadStream(writtenTo(below)), descriptor, 'a layer', { onTop: true, owner });
    async function* broken(): AsyncGenerator<Buffer> {
      yield file(`a/${OPAQUE}`);
      throw new Error('the disk failed');
    }
    await assert.rejects(unpackLayer(broken(), descriptor, 'a layer', { onTop: true, owner }), /the disk failed/);
    const left = fs.readdirSync(path.join(directory, 'a')).length;
    for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
    assert.equal(fs.readdirSync(path.join(directory, 'a')).length, left);
  } finally {
    fs.closeSync(descriptor);
  }
});
