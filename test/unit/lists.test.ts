/** Lists of any length: what keeps the helper from putting one onto the stack. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { append, leastOf } from '../../helper/lists.ts';
import { noticedLines } from '../fixtures/lint.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Spread into a call, it is more than fits on the stack. */
const LONG = 300_000;

test('a list is appended to, and its least found, however long the other is', () => {
  const long = Array.from({ length: LONG }, (_, at) => LONG - at);
  assert.throws(() => [].push(...(long as never[])), RangeError);
  const list = [0];
  append(list, long);
  assert.equal(list.length, LONG + 1);
  assert.equal(leastOf(long), 1);
  assert.equal(leastOf([]), Number.POSITIVE_INFINITY);
});

test('no list is spread into a call in the helper, whatever the call', () => {
  const planted = [
    'list.push(...more);',
    'list.push(first, ...more);',
    'this.known.list.unshift(...more);',
    'list.splice(0, 1, ...more);',
    'const least = Math.min(...numbers);',
    'const most = Math.max(0, ...numbers.map(Number));',
    'const text = String.fromCharCode(...bytes);',
    'const made = new Set(...more);',
    'own(...more);',
  ];
  const allowed = ['list.push({ ...one });', 'const all = [...list, ...more];', 'own([...more], { ...rest });'];
  const source = `${[...planted, ...allowed].join('\n')}\n`;
  const lines = planted.map((_, at) => at + 1);
  assert.deepEqual(noticedLines('helper/planted.ts', source), lines);
  assert.deepEqual(noticedLines('helper/host/cgroups/planted.ts', source), lines);
  assert.deepEqual(noticedLines('webview/planted.ts', source), []);
});

test('the exceptions are few, and each says what bounds it', () => {
  const exceptions = sourceFiles('helper').flatMap((file) =>
    [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(/biome-ignore lint\/plugin: *(.*)/g)].map(
      ([, why]) => `${file} ${why}`,
    ),
  );
  assert.ok(exceptions.length <= 6, exceptions.join('\n'));
  for (const one of exceptions) assert.match(one, / \S+$/);
});
