import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupAnswer } from '../fixtures/hostAnswers.ts';

const {
  bandwidthText,
  bytesText,
  cgroupTitle,
  cpuText,
  durationText,
  figuresText,
  hierarchyTitle,
  partitionText,
  shortPath,
  throttledSoFar,
} = await import('../../extension/words/cgroupWords.ts');

test('a CPU limit reads as a share of one CPU with the raw figures beside it', () => {
  assert.equal(bandwidthText(2000, 100_000), '2 % of one CPU (2,000 µs of every 100,000 µs)');
  assert.equal(bandwidthText(50_000, 100_000), '50 % of one CPU (50,000 µs of every 100,000 µs)');
  assert.equal(bandwidthText(100_000, 100_000), 'one CPU (100,000 µs of every 100,000 µs)');
  assert.equal(bandwidthText(150_000, 100_000), '1.5 CPUs (150,000 µs of every 100,000 µs)');
  assert.equal(cpuText(0.0025), '0.25 % of one CPU');
  assert.equal(cpuText(0.015), '1.5 % of one CPU');
});

test('sizes are in the unit in which they are short, and never 1,024 of one', () => {
  assert.deepEqual([0, 1, 1023, 1024].map(bytesText), ['0 bytes', '1 byte', '1023 bytes', '1 KiB']);
  assert.equal(bytesText(64 * 2 ** 20), '64 MiB');
  assert.equal(bytesText(1.5 * 2 ** 30), '1.5 GiB');
  assert.equal(bytesText(2 ** 20 - 1), '1 MiB');
});

test('durations keep two places that matter', () => {
  assert.deepEqual([999, 35_000, 1_230_000, 61_000_000, 7_380_000_000].map(durationText), [
    '999 µs',
    '35 ms',
    '1.2 s',
    '1 min 1 s',
    '2 h 3 min',
  ]);
});

test('a row says that CPUs are divided off, or that they are not though they are to be, and that many removed cgroups are kept', () => {
  const invalid = 'Parent is not a partition root';
  assert.deepEqual(figuresText(cgroupAnswer('unified', '/a', { partition: { kind: 'isolated' } })), [
    'CPUs of its own, without load balancing',
  ]);
  const refused = cgroupAnswer('unified', '/a', { partition: { kind: 'root', invalid }, badges: ['invalidPartition'] });
  assert.deepEqual(figuresText(refused), ['CPU partition not in effect']);
  assert.equal(partitionText({ kind: 'root', invalid }), `CPUs of its own, not in effect: ${invalid}`);
  assert.equal(partitionText({ kind: 'new\nkind' }), 'new⏎kind');
  const dying = (count: number) => figuresText(cgroupAnswer('unified', '/', { dyingDescendants: count }));
  assert.deepEqual([dying(99), dying(1234)], [[], ['1,234 removed but kept']]);
  assert.equal(
    throttledSoFar(cgroupAnswer('cpu', '/a', { figures: { throttledPeriods: 990, periods: 1000 } })),
    'in 990 of 1,000 periods',
  );
  assert.equal(throttledSoFar(cgroupAnswer('cpu', '/a')), undefined);
});

test('a row says its limits with what is used of them, and its badges', () => {
  const cgroup = cgroupAnswer('cpu', '/a', {
    badges: ['throttled', 'oomKilled'],
    figures: {
      cpuLimitCores: 0.02,
      memoryBytes: 12 * 2 ** 20,
      memoryLimitBytes: 64 * 2 ** 20,
      tasks: 3,
      tasksLimit: 100,
      oomKills: 2,
    },
  });
  assert.deepEqual(figuresText(cgroup, 0.0199), [
    '2 % of one CPU, using 2 %',
    '12 MiB of 64 MiB',
    '3 of 100 tasks',
    'throttled',
    '2 killed when out of memory',
  ]);
  assert.equal(figuresText(cgroup)[0], '2 % of one CPU');
});

test('a row of a cgroup at rest and without limits says nothing of its CPU', () => {
  assert.deepEqual(figuresText(cgroupAnswer('cpu', '/a'), 0.0001), []);
  assert.deepEqual(figuresText(cgroupAnswer('cpu', '/a'), 0.12), ['12 % CPU']);
});

test('ids of 64 digits are cut in paths, and names with line breaks stay one line', () => {
  const id = '0123456789abcdef'.repeat(4);
  assert.equal(shortPath(`/docker/${id}/init`), '/docker/0123456789ab…/init');
  assert.equal(cgroupTitle(cgroupAnswer('memory', '/x/a\nb')), 'a⏎b');
  assert.equal(cgroupTitle(cgroupAnswer('memory', `/docker/${id}`, { title: 'shop' })), 'shop');
});

test('hierarchies are called by their controllers, by their name, or unified', () => {
  assert.deepEqual(['cpu,cpuacct', 'name=systemd', 'unified'].map(hierarchyTitle), ['cpu, cpuacct', 'systemd', 'Unified']);
});
