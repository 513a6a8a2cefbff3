/** Numbers of the kernel's interface stand in one generated file: what it says is what the kernel's headers say, and no other file says it again. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as written from '../../helper/kernel/numbers.ts';
import { SYSCALL_NUMBERS } from '../../helper/kernel/syscallNumbers.ts';
import { SYSCALL_TABLE } from '../../helper/kernel/syscallTable.ts';
import { numbers, numbersOf, syscallNumbers } from '../../scripts/kernelNumbers.mjs';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const FILE = 'helper/kernel/numbers.ts';
const NUMBERS: Readonly<Record<string, number>> = { ...written };
const OTHERS = sourceFiles('helper').filter((file) => file !== FILE);
/** `const NAME = 0x1`, `const NAME = 1 << 0`, and `NAME: 0x1` of a table. */
const SAID =
  /(?:\bconst |[{,]\s*|^\s*)([A-Z][A-Z0-9]*_[A-Z0-9_]+|E[A-Z0-9]{2,})(?:: \w+)?\s*[=:]\s*(-?(?:0x[0-9a-f_]+|0o[0-7_]+|[0-9_]+))n?\b(?: << ([0-9]+))?/gm;

const saidIn = (file: string) => {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(SAID)].map(([, name = '', value = '', shift = '0']) => ({
    file,
    name,
    value: BigInt(value.replaceAll('_', '')) << BigInt(shift),
  }));
};

test('every number is what the headers of both architectures say', () => {
  const { values } = numbers(Object.keys(NUMBERS));
  for (const [name, value] of values) assert.equal(BigInt(NUMBERS[name]!), value, name);
  assert.ok(values.size > 200);
});

test('every system call is what the headers of both architectures say, and the table of all calls', () => {
  const said = Object.entries(SYSCALL_NUMBERS).map(([name, pair]): [string, number[]] => [name, [...pair]]);
  assert.deepEqual([...syscallNumbers(said.map(([name]) => name))], said);
  for (const [name, pair] of said) assert.deepEqual([SYSCALL_TABLE[name]?.[0], SYSCALL_TABLE[name]?.[3]], pair, name);
  assert.throws(() => syscallNumbers(['open']), /not every architecture, or compiler, has open/);
});

test('a number that architectures do not share, or that is in no header, is refused with its name', () => {
  assert.throws(() => numbers(['O_DIRECTORY']), /O_DIRECTORY is 65536 on x86-64 and 16384 on arm64/);
  assert.throws(() => numbers(['O_NONSENSE']), /O_NONSENSE is in none of the headers/);
});

test('no other file of the helper says one of them again', () => {
  const said = OTHERS.flatMap(saidIn);
  assert.ok(said.length > 300);
  const native = numbersOf([...new Set(said.map(({ name }) => name))], process.arch === 'arm64' ? 'arm64' : 'x64');
  const again = said.filter(({ name, value }) => name in NUMBERS || native?.get(name) === value);
  assert.deepEqual(
    again.map(({ file, name }) => `${file}: ${name}`),
    [],
  );
});
