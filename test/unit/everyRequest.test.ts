/** The list of requests is of all that the protocol's files have. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { RequestType } from 'vscode-jsonrpc';
import { METHODS } from '../../helper/protocol/requests.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

test('every request that a file of the protocol has is in the list, once', async () => {
  const modules = sourceFiles('helper/protocol').map((file) => import(path.resolve(import.meta.dirname, '../..', file)));
  const requests = (await Promise.all(modules))
    .flatMap((module) => Object.values(module))
    .filter((one) => one instanceof RequestType);
  assert.deepEqual(requests.map(({ method }) => method).sort(), METHODS.toSorted());
  assert.ok(METHODS.length > 40);
});
