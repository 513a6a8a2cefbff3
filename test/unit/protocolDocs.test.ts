/** The page about the protocol is made of the list of requests, their schemas and what the sources say of them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '../..');

test('helper/protocol/PROTOCOL.md is as the sources have it: else run scripts/protocolDocs.mjs', () => {
  const script = path.join(ROOT, 'scripts/protocolDocs.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('its links lead to files that are there', () => {
  const folder = path.join(ROOT, 'helper/protocol');
  const page = readFileSync(path.join(folder, 'PROTOCOL.md'), 'utf8');
  const links = [...page.matchAll(/\]\(([^)#]+)/g)].map(([, link = '']) => link);
  assert.ok(links.length > 20);
  assert.deepEqual(
    links.filter((link) => !existsSync(path.join(folder, link))),
    [],
  );
});
