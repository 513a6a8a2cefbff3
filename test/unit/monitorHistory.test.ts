import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEPT_MILLIS, MonitorHistory, merged, readingOf } from '../../extension/panels/monitorHistory.ts';
import type { CgroupSample } from '../../helper/protocol/cgroups.ts';
import type { MonitorPoint } from '../../webview/monitorMessages.ts';

/** Thursday, 1 January 2026. */
const EPOCH = 1_767_225_600_000;

function one(sample: CgroupSample): Map<string, CgroupSample> {
  return new Map([['web', sample]]);
}

function cpuOf(points: readonly MonitorPoint[]): (number | undefined)[] {
  return points.map(({ readings }) => readings.web?.values.cpu);
}

/** CPU time in microseconds, by the second of the monotonic clock that it was read at. */
function historyOf(samples: Record<number, number>): MonitorHistory {
  const history = new MonitorHistory();
  for (const [seconds, cpuUsageMicros] of Object.entries(samples)) {
    const millis = Number(seconds) * 1000;
    history.add(millis, EPOCH + millis, one({ cpuUsageMicros }));
  }
  return history;
}

test('a burner that runs 2 % of the time is shown as 0.02 cores', () => {
  assert.deepEqual(cpuOf(historyOf({ 1: 500_000, 2: 520_000, 3: 540_000 }).points), [undefined, 0.02, 0.02]);
});

test('a rate is of the time that passed, not of the time that should have', () => {
  assert.deepEqual(cpuOf(historyOf({ 1: 0, 2.5: 1_500_000 }).points), [undefined, 1]);
});

test('up to three missed intervals are averaged over, and the line goes on', () => {
  assert.deepEqual(cpuOf(historyOf({ 1: 0, 4: 1_500_000 }).points), [undefined, 0.5]);
});

test('a longer silence breaks the line, and no rate is made up for it', () => {
  const { points } = historyOf({ 1: 0, 2: 1_000_000, 12: 5_000_000, 13: 6_000_000 });
  assert.deepEqual(cpuOf(points), [undefined, 1, undefined, undefined, 1]);
  assert.deepEqual(points[2]?.readings, {}, 'a point without a reading stands in the gap');
});

test('a counter that begins anew leaves a gap, not a spike or a negative rate', () => {
  assert.deepEqual(cpuOf(historyOf({ 1: 9_000_000, 2: 9_500_000, 3: 100, 4: 500_100 }).points), [
    undefined,
    0.5,
    undefined,
    0.5,
  ]);
});

test('after an interruption the line begins anew, with figures that are no rates at once', () => {
  const history = historyOf({ 1: 0, 2: 500_000 });
  history.interrupt();
  const made = history.add(3000, EPOCH + 3000, one({ cpuUsageMicros: 900_000, memoryBytes: 4096 }));
  assert.deepEqual(
    made.map(({ readings }) => readings.web?.values),
    [undefined, { memory: 4096 }],
  );
});

test('a sample that is not later than the one before is left out', () => {
  const history = historyOf({ 1: 0, 2: 1 });
  assert.deepEqual(history.add(2000, EPOCH + 9000, one({})), []);
  assert.deepEqual(history.add(1500, EPOCH + 9000, one({})), []);
});

test('times only go forwards, even when the clock was set back and another helper counts from elsewhere', () => {
  const history = historyOf({ 1000: 0, 1001: 1 });
  history.interrupt();
  history.add(5, EPOCH, one({}));
  history.add(1005, EPOCH + 1000, one({}));
  const times = history.points.map(({ timeMillis }) => timeMillis);
  assert.deepEqual(
    times,
    [...new Set(times)].sort((a, b) => a - b),
  );
});

test('a clock that is set while samples come in does not bend the distances between them', () => {
  const history = new MonitorHistory();
  history.add(1000, EPOCH, one({}));
  history.add(2000, EPOCH + 3_600_000, one({}));
  assert.deepEqual(
    history.points.map(({ timeMillis }) => timeMillis - EPOCH),
    [0, 1000],
  );
});

test('a quarter of an hour is kept, and not more', () => {
  const history = new MonitorHistory();
  for (let second = 1; second <= 2000; second += 1) history.add(second * 1000, EPOCH + second * 1000, one({}));
  const { points } = history;
  assert.equal(points.length, KEPT_MILLIS / 1000 + 1);
  assert.equal((points.at(-1)?.timeMillis ?? 0) - (points[0]?.timeMillis ?? 0), KEPT_MILLIS);
});

test('a cgroup that is gone or not yet sampled has no reading, while the others go on', () => {
  const history = new MonitorHistory();
  history.add(
    1000,
    EPOCH,
    new Map([
      ['web', {}],
      ['db', {}],
    ]),
  );
  const [point] = history.add(2000, EPOCH + 1000, new Map([['db', { tasks: 2 }]]));
  assert.deepEqual(Object.keys(point?.readings ?? {}), ['db']);
});

test('pressure is a share of the time, throttling of the periods', () => {
  const before = { ioPressureMicros: 0, periods: 100, throttledPeriods: 50, throttledMicros: 0 };
  const now = { ioPressureMicros: 250_000, periods: 110, throttledPeriods: 59, throttledMicros: 882_000 };
  assert.deepEqual(readingOf(before, now, 1000).values, { throttledPeriods: 90, throttledTime: 882, ioPressure: 25 });
});

test('a share of the time is never more than all of it', () => {
  assert.equal(readingOf({ cpuPressureMicros: 0 }, { cpuPressureMicros: 1_030_000 }, 1000).values.cpuPressure, 100);
});

test('what is throttled now stands beside what was since the cgroup was made', () => {
  const before = { periods: 1000, throttledPeriods: 10 };
  const now = { periods: 1010, throttledPeriods: 20 };
  const { values, sinceMade } = readingOf(before, now, 1000);
  assert.deepEqual([values.throttledPeriods, sinceMade?.throttledPeriods?.toFixed(1)], [100, '2.0']);
  assert.equal(readingOf({}, { periods: 0, throttledPeriods: 0 }, 1000).sinceMade, undefined);
});

test('without a period nothing was throttled', () => {
  const idle = { periods: 100, throttledPeriods: 50 };
  assert.equal(readingOf(idle, idle, 1000).values.throttledPeriods, 0);
});

test('limits are those of the moment', () => {
  const { limits } = readingOf(undefined, { cpuLimitCores: 0.02, memoryLimitBytes: 1024, tasksLimit: 8 }, 1000);
  assert.deepEqual(limits, { cpu: 0.02, memory: 1024, tasks: 8 });
});

test('the parts of a v1 cgroup are one sample, which is gone when all of them are', () => {
  assert.deepEqual(merged([{ cpuLimitCores: 0.02 }, { cpuUsageMicros: 7 }, null]), { cpuLimitCores: 0.02, cpuUsageMicros: 7 });
  assert.equal(merged([null, undefined, null]), undefined);
});

test('operations and bytes of each device are rates too, under the name of the device', () => {
  const counted = (readOperations: number, writtenBytes: number): CgroupSample => ({
    readOperations,
    writtenBytes,
    devices: [
      { device: '8:0', name: 'sda', readOperations, writtenBytes },
      { device: '7:1', readOperations: 0 },
    ],
  });
  const { values, devices } = readingOf(counted(10, 4096), counted(30, 12_288), 2000);
  assert.deepEqual([values.readOperations, values.written], [10, 4096]);
  assert.deepEqual(devices, { sda: { readOperations: 10, written: 4096 }, '7:1': { readOperations: 0 } });
});

test('of a cgroup that the kernel holds back nothing is known, and its line has a gap', () => {
  const { values, limits } = readingOf({ cpuUsageMicros: 1 }, { heldBack: 'cpu.stat' }, 1000);
  assert.deepEqual([values, limits], [{}, {}]);
});
