/** Opening below a root while others rename and mount. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { openBelow } from '../../helper/kernel/directory.ts';
import { close, O_DIRECTORY, openDirectory } from '../../helper/kernel/files.ts';
import { AT_FDCWD } from '../../helper/kernel/numbers.ts';
import { openBeneath, openInRootNow, openOnMount } from '../../helper/kernel/openat2.ts';

const RENAMES = `
  const { renameSync } = require('node:fs');
  const { parentPort, workerData: [one, other] } = require('node:worker_threads');
  parentPort.postMessage('begun');
  for (;;) { renameSync(one, other); renameSync(other, one); }
`;

test('a path with `..` is opened also while others rename, wherever that is', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-openat2-'));
  fs.mkdirSync(path.join(folder, 'below/a/b'), { recursive: true });
  fs.mkdirSync(path.join(folder, 'one'));
  const renaming = new Worker(RENAMES, { eval: true, workerData: [path.join(folder, 'one'), path.join(folder, 'other')] });
  t.after(async () => {
    await renaming.terminate();
    fs.rmSync(folder, { recursive: true, force: true });
  });
  await new Promise((resolve) => renaming.once('message', resolve));
  const root = openDirectory(AT_FDCWD, path.join(folder, 'below'));
  assert.ok(root >= 0);
  t.after(() => close(root));
  const ways = { openBelow, openBeneath, openInRootNow };
  for (let time = 0; time < 20_000; time += 1) {
    for (const [name, way] of Object.entries(ways)) {
      const descriptor = way(root, 'a/../a/b/../b', O_DIRECTORY);
      assert.ok(descriptor >= 0, `${name}: ${descriptor}, time ${time}`);
      close(descriptor);
    }
    const descriptor = openOnMount(root, Buffer.from('a/../a/b'), O_DIRECTORY);
    assert.ok(descriptor >= 0, `openOnMount: ${descriptor}, time ${time}`);
    close(descriptor);
  }
});
