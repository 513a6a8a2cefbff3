import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axisTop, deviceValues, lonelyPositions, summaryOf, valueColumn, within } from '../../webview/monitorColumns.ts';
import { axisSteps, formatValue, type Shown } from '../../webview/monitorFormat.ts';
import type { MonitorPoint, MonitorUnit } from '../../webview/monitorMessages.ts';

const shown: Shown = { language: 'en', percent: false, words: { coresValue: '{0} cores', oneCore: '1 core' } };

function point(timeMillis: number, cpu?: number): MonitorPoint {
  return { timeMillis, readings: { web: { values: cpu === undefined ? {} : { cpu }, limits: { cpu: 0.5 } } } };
}

test('what is missing is a gap in the column', () => {
  const points = [point(1, 1), point(2), { timeMillis: 3, readings: {} }, point(4, 2)];
  assert.deepEqual(valueColumn(points, 'web', 'cpu'), [1, null, null, 2]);
  assert.deepEqual(valueColumn(points, 'other', 'cpu'), [null, null, null, null]);
});

test('a value between two gaps is drawn as a point, since no line leads to it', () => {
  assert.deepEqual(lonelyPositions([1, null, 2, null, 3, 4, null]), [0, 2]);
});

test('a summary is of what is shown; gaps count for nothing', () => {
  const points = [point(1, 1), point(2), point(3, 3)];
  assert.deepEqual(summaryOf(points, 'web', 'cpu'), { now: 3, mean: 2, maximum: 3, limit: 0.5 });
  assert.deepEqual(summaryOf([], 'web', 'cpu'), { now: undefined, mean: undefined, maximum: undefined, limit: undefined });
});

test('an axis goes up to a limit that is near, and not to one that is far', () => {
  assert.ok(axisTop([[0.01, 0.02]], [[0.02, 0.02]], 0.01) > 0.02);
  assert.ok(axisTop([[1, null]], [[2.5]], 0.01) > 2.5);
  assert.ok(axisTop([[1]], [[100]], 0.01) < 2);
});

test('the window of time ends at the latest, or where the picture was stopped', () => {
  const points = [0, 30_000, 60_000, 90_000].map((millis) => point(millis));
  const times = (end: number) => within(points, end, 1).map(({ timeMillis }) => timeMillis);
  assert.deepEqual(times(90_000), [30_000, 60_000, 90_000]);
  assert.deepEqual(times(60_000), [0, 30_000, 60_000]);
});

test('values are written with their units', () => {
  const written: [value: number, unit: MonitorUnit, text: string][] = [
    [0.02, 'cores', '0.02 cores'],
    [1, 'cores', '1 core'],
    [0, 'bytes', '0 B'],
    [1023, 'bytes', '0.999 KiB'],
    [64 * 1024 * 1024, 'bytes', '64 MiB'],
    [1.5 * 1024 ** 3, 'bytesPerSecond', '1.5 GiB/s'],
    [12.345, 'percent', '12.3 %'],
    [882, 'millisPerSecond', '882 ms/s'],
    [12_345, 'tasks', '12,345'],
    [12.345, 'operationsPerSecond', '12.3 IOPS'],
  ];
  for (const [value, unit, text] of written) assert.equal(formatValue(value, unit, shown), text);
  assert.equal(formatValue(0.02, 'cores', { ...shown, percent: true }), '2 %');
});

test('axes step by round numbers, bytes by powers of two, tasks by whole ones', () => {
  assert.ok(axisSteps('bytes').every((step) => Number.isInteger(Math.log2(step))));
  assert.ok(axisSteps('tasks').every(Number.isInteger));
  for (const unit of ['cores', 'bytes', 'tasks'] as const) {
    assert.deepEqual(
      axisSteps(unit),
      [...new Set(axisSteps(unit))].sort((a, b) => a - b),
      unit,
    );
  }
});

test('the devices that a figure is made up of come with the busiest first', () => {
  const devices = { sda: { read: 1, readOperations: 2 }, vdb: { read: 5 }, loop0: {} };
  const reading = { values: {}, limits: {}, devices };
  assert.deepEqual(deviceValues(reading, 'read'), [
    ['vdb', 5],
    ['sda', 1],
  ]);
  assert.deepEqual(deviceValues(reading, 'readOperations'), [['sda', 2]]);
  assert.deepEqual(deviceValues(reading, 'cpu'), []);
});
