/** The page about the protocol is made of the list of requests, their schemas and what the sources say of them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '../..');

test('helper/protocol/PROTOCOL.md is as the sources have it: else run scripts/protocolDocs.mjs', () => {
  const script = path.join(ROOT, 'scripts/protocolDocs.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
