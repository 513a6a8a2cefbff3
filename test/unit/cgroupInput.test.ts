import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { readBandwidth, readBytes, readCgroupName, readCount } = await import('../../extension/changes/cgroupInput.ts');

const PERIOD = 100_000;
const CPUS = 2;

test('a CPU limit is read as a share, as CPUs, and as the kernel’s two figures', () => {
  const expected: [typed: string, quota: number | null, period?: number][] = [
    ['50 %', 50_000],
    ['50%', 50_000],
    ['2.5 %', 2500],
    ['1.5 cores', 150_000],
    ['1 core', 100_000],
    ['2 CPUs', 200_000],
    ['.5', 50_000],
    ['2000/100000', 2000],
    ['2,000 / 50,000', 2000, 50_000],
    ['2000 µs / 100000 µs', 2000],
    ['max', null],
    ['-1', null],
  ];
  for (const [typed, quotaMicros, periodMicros = PERIOD] of expected)
    assert.deepEqual(readBandwidth(typed, PERIOD, CPUS), { value: { quotaMicros, periodMicros } }, typed);
});

test('a number alone that is more than the host has CPUs is asked about, and with a unit taken as that', () => {
  assert.deepEqual(readBandwidth('50', PERIOD, CPUS), {
    problem: 'This host has 2 CPUs. Type 50 % for a share of one, or 50 cores.',
  });
  assert.deepEqual(readBandwidth('2', PERIOD, CPUS), { value: { quotaMicros: 200_000, periodMicros: PERIOD } });
  assert.deepEqual(readBandwidth('50 cores', PERIOD, CPUS), { value: { quotaMicros: 5_000_000, periodMicros: PERIOD } });
});

test('a share is of the period that holds', () => {
  assert.deepEqual(readBandwidth('50 %', 20_000, CPUS), { value: { quotaMicros: 10_000, periodMicros: 20_000 } });
});

test('a CPU limit that the kernel would refuse is refused while it is typed, with the reason', () => {
  for (const typed of [
    '',
    'half',
    '50 % of',
    '5000',
    '-5 %',
    '0',
    '0.5 %',
    '2000/',
    '2000/999',
    '2000/1000001',
    '500/100000',
    '1e3',
  ])
    assert.ok('problem' in readBandwidth(typed, PERIOD, CPUS), typed);
  assert.deepEqual(readBandwidth('0.5 %', PERIOD, CPUS), {
    problem: 'The kernel accepts 1,000 µs of each period at the least: 1 %.',
  });
});

test('sizes are read in every usual unit', () => {
  const expected: [typed: string, bytes: number | null][] = [
    ['64 MiB', 64 * 2 ** 20],
    ['64M', 64 * 2 ** 20],
    ['64m', 64 * 2 ** 20],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['10 MB', 10_000_000],
    ['67,108,864', 67_108_864],
    ['4096 bytes', 4096],
    ['0', 0],
    ['max', null],
  ];
  for (const [typed, value] of expected) assert.deepEqual(readBytes(typed), { value }, typed);
  for (const typed of ['', 'lots', '64 MiBs', '-5', '1,5 GiB', '99999999 PiB', '0x10'])
    assert.ok('problem' in readBytes(typed), typed);
});

test('counts have bounds, and max only where there may be no limit', () => {
  const pids = { least: 0, most: 4_194_304, unlimited: true };
  assert.deepEqual(readCount('100', pids), { value: 100 });
  assert.deepEqual(readCount('max', pids), { value: null });
  assert.deepEqual(readCount('max', { least: 1, most: 10_000, unlimited: false }), {
    problem: 'Type a whole number from 1 to 10,000.',
  });
  for (const typed of ['', '1.5', '-2', '4194305', 'ten']) assert.ok('problem' in readCount(typed, pids), typed);
});

test('a new cgroup has a name that the kernel takes', () => {
  assert.deepEqual(readCgroupName('work load', []), { value: 'work load' });
  for (const name of ['', 'a/b', '.', '..', 'a\nb', 'taken', 'é'.repeat(128)])
    assert.ok('problem' in readCgroupName(name, ['taken']), name);
});
