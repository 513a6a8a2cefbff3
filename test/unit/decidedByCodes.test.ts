/** Programs decide by codes: what is said to people is free to change, and to be said in another language. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SAID = '(?:purpose|message|hint|notes?|consequence|label|title)';
const DECIDED = new RegExp(
  [
    `\\.${SAID}\\??\\.(?:startsWith|endsWith|includes|match|search|indexOf)\\(`,
    `\\.${SAID} [!=]==? ['"\`A-Z]`,
    `['"\`A-Z] [!=]==? [\\w.]+\\.${SAID}\\b`,
    `\\.(?:test|exec)\\([\\w.?!]+\\.${SAID}\\)`,
    `switch \\([\\w.?!]+\\.${SAID}\\)`,
  ].join('|'),
);
/** What valibot says by itself begins so, and nothing else tells it from what a schema says. */
const OF_VALIBOT = "if (!issue.message.startsWith('Invalid '))";

function decisionsIn(source: string): string[] {
  return source.split('\n').filter((line) => DECIDED.test(line.replace(/typeof [\w.?!]+/g, '')) && !line.includes(OF_VALIBOT));
}

test('nothing is decided by a sentence', () => {
  const found = sourceFiles('helper', 'extension').flatMap((file) => {
    const lines = decisionsIn(fs.readFileSync(path.join(ROOT, file), 'utf8'));
    return lines.map((line) => `${file}: ${line.trim()}`);
  });
  assert.deepEqual(found, []);
});

test('and what would be is found', () => {
  for (const line of [
    "if (step.purpose.startsWith('let the helper')) return;",
    'if (step.purpose === HOLD_LAYERS) return;',
    "if (error.message === 'It is gone.') return;",
    "if ('It is gone.' === error.message) return;",
    'if (/gone/.test(error.message)) return;',
    'switch (step.purpose) {',
    "const hinted = error.data.hint?.includes('root');",
  ]) {
    assert.equal(decisionsIn(line).length, 1, line);
  }
});
