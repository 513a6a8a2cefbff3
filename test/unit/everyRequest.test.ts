/** The list of requests is of all that the protocol's files have, and other tests go through all of it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { RequestType } from 'vscode-jsonrpc';
import { REQUESTS } from '../../helper/protocol/requests.ts';
import { paramsOf } from '../fixtures/everyRequest.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const METHODS = Object.keys(REQUESTS).sort();

test('every request that a file of the protocol has is in the list, once', async () => {
  const modules = sourceFiles('helper/protocol').map((file) => import(path.resolve(import.meta.dirname, '../..', file)));
  const requests = (await Promise.all(modules))
    .flatMap((module) => Object.values(module))
    .filter((one) => one instanceof RequestType);
  assert.deepEqual(requests.map(({ method }) => method).sort(), METHODS);
  assert.ok(METHODS.length > 40);
});

test('every request has parameters for tests', () => {
  const overlay = { mountNamespace: { kind: 'mnt' as const, dev: 4, ino: 1 }, mountId: 1, device: '0:1' };
  const params = paramsOf({ pid: process.pid, overlay, cgroup: { hierarchy: 'cpu', path: '/', ino: 1 }, sandbox: 'one' });
  assert.deepEqual(Object.keys(params).sort(), METHODS);
});
