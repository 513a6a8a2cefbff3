/** The lists of requests and of notifications are of all that the protocol's files have. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { NOTIFICATIONS } from '../../helper/protocol/notifications.ts';
import { METHODS } from '../../helper/protocol/requests.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SOURCES = sourceFiles('helper/protocol').map((file) => readFileSync(path.join(ROOT, file), 'utf8'));

/** Methods of the constants that are made so: `request('layers/stat')<…>()`. */
function exported(by: 'request' | 'notification'): string[] {
  const made = new RegExp(`^export const \\w+ = ${by}\\('([^']+)'\\)`, 'gm');
  return SOURCES.flatMap((text) => [...text.matchAll(made)].map(([, method = '']) => method)).sort();
}

test('every request that a file of the protocol has is in the list, once', () => {
  assert.deepEqual(exported('request'), METHODS.toSorted());
  assert.ok(METHODS.length > 40);
});

test('every notification that a file of the protocol has is in the list, once', () => {
  assert.deepEqual(exported('notification'), NOTIFICATIONS.map(({ method }) => method).sort());
});
