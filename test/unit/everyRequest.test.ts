/** The list of requests that other tests go through is the protocol's. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { PROTOCOL_FILES, paramsOf, REQUESTS } from '../fixtures/everyRequest.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

test('every file of the protocol is gone through, and every request has parameters for tests', () => {
  const files = sourceFiles('helper/protocol').map((file) => path.basename(file));
  // What has no requests of its own is only types.
  assert.deepEqual(Object.keys(PROTOCOL_FILES).sort(), files.sort());
  const overlay = { mountNamespace: { kind: 'mnt' as const, dev: 4, ino: 1 }, mountId: 1, device: '0:1' };
  const params = paramsOf({ pid: process.pid, overlay, cgroup: { hierarchy: 'cpu', path: '/', ino: 1 }, sandbox: 'one' });
  assert.deepEqual(REQUESTS.map(({ method }) => method).sort(), Object.keys(params).sort());
});
