/** The formats of cgroup files: limits, keyed files, per-device figures, pressure, and what is none of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { titleOfCgroup } from '../../helper/proc/cgroupTitle.ts';
import {
  countOfCpuList,
  limitOfBytes,
  numberOfKey,
  parseBlkio,
  parseCpuMax,
  parseDeviceValues,
  parseFlatKeyed,
  parseInteger,
  parseLimit,
  parseNestedKeyed,
  parsePartition,
  parsePercent,
} from '../../helper/proc/cgroupValues.ts';
import { parsePressure } from '../../helper/proc/pressure.ts';

describe('a limit', () => {
  test('is none as max, as -1 and as the huge number of v1, whatever the size of a page', () => {
    for (const text of ['max\n', '-1\n', '9223372036854771712\n', '9223372036854710272\n', '18446744073709551615']) {
      assert.equal(parseLimit(text), null, text);
    }
  });

  test('is its number otherwise, zero and very large ones too', () => {
    for (const [text, value] of [
      ['0\n', 0],
      ['2000\n', 2000],
      ['68719476736\n', 64 * 2 ** 30],
      ['1152921504606846976', 2 ** 60],
      // hugetlb.2MB.limit_in_bytes and hugetlb.1GB.limit_in_bytes without a limit, on Linux 6.18.
      ['9223372036852678656', null],
      ['9223372035781033984', null],
    ] as const) {
      assert.equal(parseLimit(text), value);
      assert.equal(limitOfBytes(Buffer.from(text)), value);
    }
  });

  test('that cannot be understood is neither none nor zero', () => {
    for (const text of ['', '\n', 'abc', ' ']) assert.equal(parseLimit(text), undefined, JSON.stringify(text));
    assert.equal(parseInteger('12 13'), undefined);
  });
});

describe('cpu.max', () => {
  test('is a quota of a period', () => {
    assert.deepEqual(parseCpuMax('2000 100000\n'), { quotaMicros: 2000, periodMicros: 100_000 });
    assert.deepEqual(parseCpuMax('max 100000\n'), { quotaMicros: null, periodMicros: 100_000 });
  });

  test('without a period is not guessed', () => {
    for (const text of ['', 'max', '2000', '2000 0', '2000 x']) assert.equal(parseCpuMax(text), undefined, text);
  });
});

describe('a flat keyed file', () => {
  const STAT = 'usage_usec 6977\nuser_usec 5000\nnr_periods 2\nnr_throttled 1\nx_nr_periods 9\n';

  test('gives each key its number', () => {
    assert.equal(numberOfKey(Buffer.from(STAT), 'nr_periods'), 2);
    assert.equal(numberOfKey(Buffer.from(STAT), 'usage_usec'), 6977);
    assert.equal(parseFlatKeyed(STAT).get('nr_throttled'), 1);
  });

  test('does not take the end of a key for the key, nor a missing one for zero', () => {
    assert.equal(numberOfKey(Buffer.from('x_nr_periods 9\n'), 'nr_periods'), undefined);
    assert.equal(numberOfKey(Buffer.from(STAT), 'nr'), undefined);
    assert.equal(parseFlatKeyed(STAT).get('nr_bursts'), undefined);
  });
});

describe('figures for each device', () => {
  test('of io.stat and io.max', () => {
    const stat = parseNestedKeyed('8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353\n8:0 rbytes=90430464\n');
    assert.equal(stat.get('8:16')?.get('wbytes'), 314_773_504);
    assert.deepEqual([...stat.keys()], ['8:16', '8:0']);
    const max = parseNestedKeyed('8:16 rbps=2097152 wbps=max riops=max wiops=120\n');
    assert.deepEqual(
      [...(max.get('8:16') ?? [])],
      [
        ['rbps', 2_097_152],
        ['wbps', null],
        ['riops', null],
        ['wiops', 120],
      ],
    );
  });

  test('of v1 leave the sum over all devices out', () => {
    const bytes = parseBlkio('7:0 Read 4096\n7:0 Write 8192\n7:0 Total 12288\n254:0 Read 1\nTotal 12289\n');
    assert.deepEqual([...bytes.keys()], ['7:0', '254:0']);
    assert.equal(bytes.get('7:0')?.get('Write'), 8192);
    assert.deepEqual(
      [...parseDeviceValues('default 100\n8:0 300\n')],
      [
        ['default', 100],
        ['8:0', 300],
      ],
    );
  });
});

describe('pressure', () => {
  const SOME = 'some avg10=1.86 avg60=1.24 avg300=10.79 total=690714587\n';

  test('has shares in percent and the total in microseconds', () => {
    const full = 'full avg10=0.00 avg60=0.00 avg300=0.50 total=12\n';
    assert.deepEqual(parsePressure(SOME + full), {
      some: { avg10: 1.86, avg60: 1.24, avg300: 10.79, totalMicros: 690_714_587 },
      full: { avg10: 0, avg60: 0, avg300: 0.5, totalMicros: 12 },
    });
  });

  test('of a kernel without full has none', () => {
    assert.equal(parsePressure(SOME)?.full, undefined);
    assert.equal(parsePressure(''), undefined);
    assert.equal(parsePressure('some avg10=x\n'), undefined);
  });
});

test('a clamp is a percentage, max being all', () => {
  assert.equal(parsePercent('12.50\n'), 12.5);
  assert.equal(parsePercent('max\n'), 100);
  assert.equal(parsePercent('-'), undefined);
});

test('a title says whose a slice is and undoes escapes, and is absent where the name says it all', () => {
  const userName = (uid: number) => `name-of-${uid}`;
  assert.equal(titleOfCgroup('user-1000.slice', userName), 'name-of-1000');
  assert.equal(titleOfCgroup('user@1000.service', userName), 'name-of-1000');
  assert.equal(titleOfCgroup('caf\\xc3\\xa9.service', userName), 'café.service');
  assert.equal(titleOfCgroup('dev-disk-by\\x2duuid.swap', userName), 'dev-disk-by-uuid.swap');
  assert.equal(titleOfCgroup('ssh.service', userName), undefined);
});

test('a list of CPUs is counted, and a partition of them told from what keeps it from being one', () => {
  assert.deepEqual(['', '0', '0-3,8', '2,4-5', '0-', '3-1', 'a'].map(countOfCpuList), [
    0,
    1,
    5,
    3,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(parsePartition('member\n'), { kind: 'member' });
  assert.deepEqual(parsePartition('isolated invalid (Cpu list in cpuset.cpus not exclusive)\n'), {
    kind: 'isolated',
    invalid: 'Cpu list in cpuset.cpus not exclusive',
  });
  // Before Linux 6.1 without a reason.
  assert.deepEqual(parsePartition('root invalid\n'), { kind: 'root', invalid: '' });
  assert.equal(parsePartition(''), undefined);
});
