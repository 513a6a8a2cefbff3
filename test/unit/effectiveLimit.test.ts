/** Which limit really binds a cgroup, among its own and its ancestors', and what it leaves. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  effectiveLimit,
  type LimitedCgroup,
  V1_LIMITS,
  V2_LIMITS,
  whyNoLimit,
} from '../../helper/host/cgroups/effectiveLimit.ts';
import { boundByCpus, commonPath, usable } from '../../helper/host/cgroups/usableCpus.ts';
import type { Limit } from '../../helper/protocol/cgroups.ts';

/** A chain of cgroups from the innermost to the root, each by its files. */
function chain(...files: Record<string, string>[]): LimitedCgroup[] {
  return files.map((texts, at) => ({
    ref: { hierarchy: 'unified', path: '/x'.repeat(files.length - 1 - at) || '/', ino: at },
    read: (file) => (texts[file] === undefined ? undefined : Buffer.from(texts[file])),
  }));
}

describe('the effective limit', () => {
  test('is the tightest up to the root, by the one that holds it', () => {
    const limit = effectiveLimit(
      V2_LIMITS.memory,
      chain(
        { 'memory.max': 'max\n', 'memory.current': '10\n' },
        { 'memory.max': '1000\n', 'memory.current': '400\n' },
        { 'memory.max': '5000\n', 'memory.current': '4900\n' },
        {},
      ),
    );
    assert.deepEqual(limit?.own, null);
    assert.equal(limit?.raw, 'max');
    assert.deepEqual(limit?.effective, {
      value: 1000,
      by: { hierarchy: 'unified', path: '/x/x', ino: 1 },
      raw: '1000',
      file: 'memory.max',
    });
  });

  test('leaves what the fullest of them leaves, with what siblings use, and never less than nothing', () => {
    const files = (max: string, current: string) => ({ 'memory.max': max, 'memory.current': current });
    assert.equal(effectiveLimit(V2_LIMITS.memory, chain(files('1000', '10'), files('5000', '4900')))?.headroom, 100);
    assert.equal(effectiveLimit(V2_LIMITS.memory, chain(files('1000', '1200')))?.headroom, 0);
    assert.equal(effectiveLimit(V2_LIMITS.memory, chain(files('max', '1200')))?.headroom, null);
  });

  test('of CPU time compares shares, whatever the periods', () => {
    const quota = (micros: string, period: string) => ({ 'cpu.cfs_quota_us': micros, 'cpu.cfs_period_us': period });
    const limit = effectiveLimit(V1_LIMITS.cpu, chain(quota('20000', '100000'), quota('5000', '50000'), quota('-1', '100000')));
    assert.deepEqual([limit?.own, limit?.effective?.value, limit?.effective?.by?.ino], [0.2, 0.1, 1]);
    const unified = effectiveLimit(V2_LIMITS.cpu, chain({ 'cpu.max': '150000 100000\n' }, {}));
    assert.deepEqual([unified?.own, unified?.raw], [1.5, '150000 100000']);
  });

  test('is none where v1 writes its largest number', () => {
    const huge = { 'memory.limit_in_bytes': '9223372036854771712\n', 'memory.usage_in_bytes': '5\n' };
    assert.deepEqual(effectiveLimit(V1_LIMITS.memory, chain(huge, huge)), {
      own: null,
      raw: '9223372036854771712',
      file: 'memory.limit_in_bytes',
      effective: null,
      headroom: null,
    });
  });

  test('is not there where no cgroup has the file', () => {
    assert.equal(effectiveLimit(V2_LIMITS.pids, chain({}, {})), undefined);
  });

  test('is not claimed to be known when one that may bind cannot be read', () => {
    const [own, above] = chain({ 'memory.max': '1000\n' }, {});
    const hidden: LimitedCgroup = {
      ...above!,
      whyUnknown: (file) => (file === 'memory.max' ? { unknown: 'busy' } : undefined),
    };
    assert.deepEqual(whyNoLimit(V2_LIMITS.memory, [own!, hidden]), { unknown: 'busy' });
    assert.equal(whyNoLimit(V2_LIMITS.pids, [own!, hidden]), undefined);
    assert.equal(whyNoLimit(V2_LIMITS.memory, [own!, above!]), undefined);
  });
});

describe('CPUs', () => {
  const by = { hierarchy: 'unified', path: '/x', ino: 1 };
  const of = (effective: Limit['effective']): Limit => ({ own: null, raw: 'max', file: 'cpu.max', effective, headroom: null });
  const quota = (value: number) => of({ value, by, raw: `${value * 100_000} 100000`, file: 'cpu.max' });
  const cpuset = { count: 1, raw: '3', file: 'cpuset.cpus.effective', by };
  const host = { count: 2, raw: '0-1', file: '/sys/devices/system/cpu/online' };

  test('bind where no quota is as tight, by the cpuset or by the host', () => {
    assert.deepEqual(boundByCpus(quota(4), cpuset).effective, { value: 1, raw: '3', file: 'cpuset.cpus.effective', by });
    assert.deepEqual(boundByCpus(quota(4), host), {
      ...quota(4),
      effective: { value: 2, raw: '0-1', file: host.file },
      headroom: 2,
    });
    assert.equal(boundByCpus(of(null), host).effective?.value, 2);
    for (const value of [0.02, 1]) assert.equal(boundByCpus(quota(value), cpuset).effective?.file, 'cpu.max');
    assert.deepEqual(boundByCpus(quota(4), undefined), quota(4));
  });

  test('that a cpuset of v1 was never given are none to count', () => {
    assert.equal(usable('\n', 'cpuset.effective_cpus'), undefined);
    assert.equal(usable('0-3,8\n', 'cpuset.effective_cpus')?.count, 5);
    assert.equal(usable('many\n', 'cpuset.effective_cpus'), undefined);
  });

  test('of processes in several cpusets are those of the cgroup above all', () => {
    assert.equal(commonPath(['/a/b/c', '/a/b']), '/a/b');
    assert.equal(commonPath(['/a/b', '/a/bc']), '/a');
    assert.equal(commonPath(['/a', '/b']), '/');
    assert.equal(commonPath(['/a/b']), '/a/b');
  });
});
