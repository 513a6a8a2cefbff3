import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { splitCommandLine } from '../../extension/programs/commandLine.ts';

/** What sh(1) makes of the same line; only for lines without expansions. */
function shellWords(line: string): string[] {
  return execFileSync('sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);
}

for (const line of [
  'ip addr',
  '  ip   -4 addr ',
  `echo 'one word' "two words" a' 'b`,
  `echo "it's" 'say "hi"' \\" \\\\`,
  String.raw`echo "a\b\"c\\d" 'a\b'`,
  `echo '' ""`,
  'echo ünïcode ☃',
]) {
  test(`splits as a shell does: ${line}`, () => {
    assert.deepEqual(splitCommandLine(line), shellWords(line));
  });
}

test('no expansion takes place', () => {
  assert.deepEqual(splitCommandLine('echo $HOME *.txt `id` $(id) ; rm'), [
    'echo',
    '$HOME',
    '*.txt',
    '`id`',
    '$(id)',
    ';',
    'rm',
  ]);
});

test('a line whose quote is not closed is refused', () => {
  for (const line of [`echo 'a`, 'echo "a', 'echo a\\', `echo "a'`]) assert.equal(splitCommandLine(line), undefined);
});

test('an empty line is no words', () => {
  assert.deepEqual(splitCommandLine(' \t '), []);
});
