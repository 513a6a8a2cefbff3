/** SECURITY.md promises nothing that no test shows: each row of its tables names a file of tests, and where it quotes a title, one that is in it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '../..');

interface Row {
  attack: string;
  shownBy: string;
}

function rowsOf(text: string): Row[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| --- ') && !line.startsWith('| attack '))
    .map((line) => line.split(' | '))
    .map(([attack = '', , ...shownBy]) => ({ attack: attack.slice(2), shownBy: shownBy.join(' | ').replace(/ \|$/, '') }));
}

/** What is wrong with a row, or undefined. */
function fault({ shownBy }: Row): string | undefined {
  const [, name, title] = /^`([a-z0-9A-Z/]+)`(?: "(.+)")?$/.exec(shownBy) ?? [];
  if (name === undefined) return `names no test: ${shownBy}`;
  const file = path.join(ROOT, 'test', `${name}.test.ts`);
  if (!existsSync(file)) return `there is no test/${name}.test.ts`;
  return title === undefined || readFileSync(file, 'utf8').includes(title) ? undefined : `${name} has no test "${title}"`;
}

test('every attack that SECURITY.md speaks of is stopped in a test', () => {
  const rows = rowsOf(readFileSync(path.join(ROOT, 'SECURITY.md'), 'utf8'));
  assert.ok(rows.length > 30, `${rows.length} rows`);
  assert.deepEqual(
    rows.flatMap((row) => fault(row)?.concat(` (${row.attack})`) ?? []),
    [],
  );
});

test('a row that names no test, or one that is not there, is noticed', () => {
  for (const shownBy of ['', 'believe me', '`kernel/nothing`', '`unit/security` "a title that is not in ' + 'it"']) {
    assert.ok(fault({ attack: 'any', shownBy }) !== undefined, shownBy);
  }
});
