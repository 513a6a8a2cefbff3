/** The encoding of syscall programs, decoded here by the layout that launcher.c documents. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { Failure } from '../../helper/failure.ts';
import { syscallNumber } from '../../helper/kernel/syscalls.ts';
import { MAX_PASSED } from '../../helper/launcher/forkServer.ts';
import {
  bytes,
  encodeProgram,
  integer,
  MAX_DATA_BYTES,
  MAX_DESCRIPTORS,
  MAX_RELOCATIONS,
  MAX_STEPS,
  result,
  type Step,
  string,
  strings,
  vectors,
} from '../../helper/launcher/program.ts';
import { Steps } from '../../helper/launcher/steps.ts';
import { told } from '../fixtures/english.ts';

const HEADER_BYTES = 24;
const STEP_BYTES = 64;

function header(encoded: Buffer) {
  const [magic, version, steps, data, relocations, descriptors] = Array.from({ length: 6 }, (_, i) =>
    encoded.readUInt32LE(i * 4),
  );
  return { magic: magic!, version, steps: steps!, data: data!, relocations: relocations!, descriptors };
}

function stepAt(encoded: Buffer, index: number) {
  const step = encoded.subarray(HEADER_BYTES + index * STEP_BYTES, HEADER_BYTES + (index + 1) * STEP_BYTES);
  return {
    kind: step.readUInt16LE(0),
    flags: step.readUInt16LE(2),
    number: step.readUInt32LE(4),
    arguments: Array.from({ length: 6 }, (_, i) => step.readBigUInt64LE(8 + i * 8)),
    kinds: [...step.subarray(56, 62)],
    condition: step.readUInt16LE(62),
  };
}

/** The data with every relocation as an offset. */
function dataOf(encoded: Buffer) {
  const { steps, relocations } = header(encoded);
  const start = HEADER_BYTES + steps * STEP_BYTES;
  const at = Array.from({ length: relocations }, (_, i) => encoded.readUInt32LE(start + i * 4));
  return { data: encoded.subarray(start + relocations * 4), relocations: at };
}

function textAt(data: Buffer, offset: number): string {
  return data.toString('latin1', offset, data.indexOf(0, offset));
}

const call = (...args: Parameters<typeof string>[0][]): Step => ({
  kind: 'syscall',
  name: 'chdir',
  arguments: args.map(string),
  purpose: told('test'),
});

test('a program says how much of everything follows, and nothing more follows', () => {
  const encoded = encodeProgram({ steps: [call('/a'), { kind: 'fork', purpose: told('test') }], descriptors: 7 }, 'x64');
  const { magic, version, steps, data, relocations, descriptors } = header(encoded);
  assert.deepEqual({ version, steps, descriptors }, { version: 1, steps: 2, descriptors: 7 });
  assert.equal(Buffer.from(encoded.subarray(0, 4)).toString('latin1'), 'ISO1');
  assert.equal(magic, 0x314f5349);
  assert.equal(encoded.length, HEADER_BYTES + steps * STEP_BYTES + relocations * 4 + data);
});

test('arguments arrive as integers, pointers and results of earlier steps', () => {
  const encoded = encodeProgram(
    {
      steps: [
        call('/x'),
        {
          kind: 'syscall',
          name: 'openat',
          arguments: [integer(-100), string('é'), integer(2n ** 63n + 5n), result(0), bytes(Buffer.of(1, 2), '')],
          purpose: told('test'),
          ignoreError: true,
          reportResult: true,
        },
      ],
      descriptors: 4,
    },
    'arm64',
  );
  const step = stepAt(encoded, 1);
  const { data } = dataOf(encoded);
  assert.equal(step.number, 56, 'openat on arm64');
  assert.equal(step.flags, 3);
  assert.deepEqual(step.kinds, [0, 1, 0, 2, 1, 0]);
  assert.equal(BigInt.asIntN(64, step.arguments[0]!), -100n);
  assert.equal(Buffer.from(textAt(data, Number(step.arguments[1])), 'latin1').toString('utf8'), 'é');
  assert.equal(step.arguments[2], 2n ** 63n + 5n);
  assert.equal(step.arguments[3], 0n);
  assert.equal(Number(step.arguments[4]) % 8, 0, 'structures are aligned');
  assert.deepEqual([...data.subarray(Number(step.arguments[4]), Number(step.arguments[4]) + 2)], [1, 2]);
});

test('an array of strings ends with NULL, and each of its pointers is relocated', () => {
  const words = ['sh', '-c', '', 'echo hi'];
  const encoded = encodeProgram({
    steps: [{ kind: 'syscall', name: 'execve', arguments: [string('sh'), strings(words), strings([])], purpose: told('test') }],
    descriptors: 4,
  });
  const step = stepAt(encoded, 0);
  const { data, relocations } = dataOf(encoded);
  const array = Number(step.arguments[1]);
  assert.deepEqual(
    relocations,
    words.map((_, i) => array + i * 8),
  );
  assert.deepEqual(
    words.map((_, i) => textAt(data, Number(data.readBigUInt64LE(array + i * 8)))),
    words,
  );
  assert.equal(data.readBigUInt64LE(array + words.length * 8), 0n);
  assert.equal(data.readBigUInt64LE(Number(step.arguments[2])), 0n, 'an empty array is only its end');
});

test('a condition says how far before it the step is that decides', () => {
  const steps = new Steps();
  const first = steps.call('chdir', [string('/a')], told('test'), { ignoreLacking: true });
  const inner = steps.ifDone(first, () => {
    const below = steps.call('chdir', [string('/b')], told('test'));
    steps.ifFailed(below, () => steps.call('chdir', [string('/c')], told('test')));
    return steps.call('chdir', [string('/d')], told('test'));
  });
  steps.call('chdir', [string('/e')], told('test'));
  assert.deepEqual(inner, result(3));
  const encoded = encodeProgram(steps.compiled().program);
  const seen = [0, 1, 2, 3, 4].map((index) => stepAt(encoded, index));
  assert.deepEqual(
    seen.map(({ condition }) => condition),
    [0, 1, 1, 3, 0],
  );
  assert.deepEqual(
    seen.map(({ flags }) => flags),
    [8, 0, 4, 0, 0],
  );
  const alone = { ...call('/'), condition: { step: 0, failed: false } };
  assert.throws(() => encodeProgram({ steps: [alone], descriptors: 4 }), RangeError);
});

test('bytes that are not UTF-8 stay as they are', () => {
  const hostile = Buffer.from([0x41, 0x3d, 0xff, 0xfe]);
  const encoded = encodeProgram({ steps: [call(hostile)], descriptors: 4 });
  const { data } = dataOf(encoded);
  assert.deepEqual(
    data.subarray(Number(stepAt(encoded, 0).arguments[0])).subarray(0, 5),
    Buffer.concat([hostile, Buffer.of(0)]),
  );
});

test('equal strings are stored once, so an environment may be named by many steps', () => {
  const environment = strings(Array.from({ length: 100 }, (_, i) => `VARIABLE_${i}=${'x'.repeat(100)}`));
  const attempt = (path: string): Step => ({
    kind: 'syscall',
    name: 'execve',
    arguments: [string(path), strings(['sh']), environment],
    purpose: told('test'),
  });
  const one = encodeProgram({ steps: [attempt('/a')], descriptors: 4 });
  const twenty = encodeProgram({ steps: Array.from({ length: 20 }, () => attempt('/a')), descriptors: 4 });
  assert.equal(dataOf(twenty).data.length, dataOf(one).data.length);
});

test('what a C string cannot hold, and what the launcher would not take, is refused before it is sent', () => {
  assert.throws(() => encodeProgram({ steps: [call('a\0b')], descriptors: 4 }), RangeError);
  assert.throws(
    () => encodeProgram({ steps: Array.from({ length: MAX_STEPS + 1 }, () => call('/')), descriptors: 4 }),
    RangeError,
  );
  assert.throws(() => encodeProgram({ steps: [call('x'.repeat(MAX_DATA_BYTES))], descriptors: 4 }), RangeError);
  assert.throws(() => syscallNumber('setns', 'riscv64'), /riscv64/);
});

test('the launcher has the limits that programs are held to', () => {
  const source = fs.readFileSync(path.join(import.meta.dirname, '../../helper/launcher/launcher.c'), 'utf8');
  const limits = { MAX_STEPS, MAX_DATA: MAX_DATA_BYTES, MAX_RELOCATIONS, MAX_DESCRIPTORS, MAX_PASSED };
  for (const [name, limit] of Object.entries(limits)) {
    assert.equal(new RegExp(`^#define ${name} (\\d+)u`, 'm').exec(source)?.[1], String(limit), name);
  }
});

test('a program that is too large is refused when it is compiled, with the longest list that it was made of', () => {
  const steps = new Steps();
  for (let index = 0; index <= MAX_STEPS; index += 1) steps.call('chdir', [string('/')], told('test'));
  const lists = { mounts: ['/a'], maskedPaths: ['/a', '/b'] };
  assert.throws(
    () => steps.compiled(() => lists),
    (error: Failure) => error.data.hint?.args?.[0] === 'maskedPaths' && error.message.includes(String(MAX_STEPS)),
  );
});

test('parts of buffers are written from where other steps read into them', () => {
  const [whole, read] = [Buffer.from('0123456789'), Buffer.alloc(8)];
  const parts = [
    { buffer: whole, offset: 0, length: 3 },
    { buffer: read, offset: 4, length: 2 },
    { buffer: whole, offset: 5, length: 5 },
  ];
  const into: Step = { kind: 'syscall', name: 'read', arguments: [integer(0), bytes(read, '')], purpose: told('test') };
  const from: Step = { kind: 'syscall', name: 'writev', arguments: [integer(1), vectors(parts, '')], purpose: told('test') };
  const encoded = encodeProgram({ steps: [into, from], descriptors: 4 }, 'x64');
  const { data, relocations } = dataOf(encoded);
  const at = Number(stepAt(encoded, 1).arguments[1]);
  const numberAt = (offset: number) => Number(data.readBigUInt64LE(offset));
  const place = Number(stepAt(encoded, 0).arguments[1]);
  assert.equal(stepAt(encoded, 1).kinds[1], 1);
  assert.deepEqual(relocations, [at, at + 16, at + 32]);
  assert.deepEqual([numberAt(at + 8), numberAt(at + 24), numberAt(at + 40)], [3, 2, 5]);
  assert.equal(numberAt(at + 16), place + 4);
  assert.equal(data.toString('latin1', numberAt(at), numberAt(at) + 3), '012');
  assert.equal(data.toString('latin1', numberAt(at + 32), numberAt(at + 32) + 5), '56789');
});
