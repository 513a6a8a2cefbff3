/** Reads of many files at once, of which the kernel keeps one: a FIFO that nobody writes to is what a cgroup that is held back looks like. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { HeldFile, heldBackFile, heldBackKey, readTogether } from '../../helper/host/cgroups/boundedReads.ts';
import { ReadBatch } from '../../helper/kernel/aio.ts';
import { until } from '../fixtures/until.ts';

const cgroup = (ino: number) => ({ hierarchy: 'test', ino });
const textOf = ({ result, into }: HeldFile) =>
  result === undefined || result < 0 ? undefined : into.toString('latin1', 0, result);

test('one that does not come back is given up, the others are read, and it is read again once it has come back', async (t) => {
  if (!new ReadBatch().isNative) return t.skip('this kernel has no io_submit(2)');
  const { folder, fifo, kept } = makeFifo(t);
  const held = (ino: number, name: string, descriptor: number) => new HeldFile(descriptor, heldBackKey(cgroup(ino)), name, 16);
  const plain = (ino: number, name: string) => {
    fs.writeFileSync(path.join(folder, name), `${name}\n`);
    return held(ino, name, fs.openSync(path.join(folder, name), 'r'));
  };
  const files = [plain(1, 'before'), held(2, 'fifo', fs.openSync(fifo, 'r+')), plain(2, 'beside'), plain(3, 'after')];
  t.after(() => {
    for (const file of files) file.close();
  });
  const [before, blocked, beside, after] = files as [HeldFile, HeldFile, HeldFile, HeldFile];

  assert.equal(await readTogether(files), false);
  assert.deepEqual([before, after].map(textOf), ['before\n', 'after\n']);
  assert.equal(blocked.result, undefined);
  assert.equal(heldBackFile(cgroup(2)), 'fifo');
  assert.equal(heldBackFile(cgroup(3)), undefined);

  assert.equal(await readTogether(files), true, 'it is not waited for a second time');
  assert.equal(textOf(after), 'after\n');
  assert.deepEqual([blocked.result, beside.result], [undefined, undefined], 'its cgroup is left alone');

  fs.writeSync(kept, 'late');
  await until(() => heldBackFile(cgroup(2)) === undefined, 'the read comes back');
  assert.equal(textOf(blocked), undefined, 'what came late is nobody’s');
  fs.writeSync(kept, 'anew');
  assert.equal(await readTogether(files), true);
  assert.deepEqual(files.map(textOf), ['before\n', 'anew', 'beside\n', 'after\n']);
});

test('a file that is closed while it is read stays open until the read has come back', async (t) => {
  const { fifo, kept } = makeFifo(t);
  const file = new HeldFile(fs.openSync(fifo, 'r+'), heldBackKey(cgroup(9)), 'fifo', 16);
  assert.equal(await readTogether([file]), false);
  const number = file.descriptor;
  file.close();
  assert.ok(fs.existsSync(`/proc/self/fd/${number}`));
  fs.writeSync(kept, 'late');
  await until(() => !fs.existsSync(`/proc/self/fd/${number}`), 'it is closed');
});

function makeFifo(t: TestContext): { folder: string; fifo: string; kept: number } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-reads-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const fifo = path.join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  // Opened both ways: nobody is waited for.
  const kept = fs.openSync(fifo, 'r+');
  t.after(() => fs.closeSync(kept));
  return { folder, fifo, kept };
}
