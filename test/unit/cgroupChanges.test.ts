/** The parts of changes of cgroups that need no cgroup: orders of writes, what puts them back, what they amount to. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { readDescriptor, readFile } from '../../helper/host/cgroups/directory.ts';
import { acceptedFormat } from '../../helper/host/cgroups/formats.ts';
import { ioMaxOf, isQuotaFirst, raisedMemoryAndSwap } from '../../helper/host/cgroups/limitPlan.ts';
import { isWithin, parsePids } from '../../helper/host/cgroups/members.ts';
import type { WriteStep } from '../../helper/host/cgroups/steps.ts';
import { effectOf } from '../../helper/host/cgroups/warnings.ts';
import { bytesOfName, textOfName } from '../../helper/proc/fileName.ts';

describe('the two files of v1’s CPU limit', () => {
  /** The share that stands between the two writes. */
  function between(before: [number, number], after: [number, number]): number {
    const [one, other] = [
      { quota: before[0], period: before[1] },
      { quota: after[0], period: after[1] },
    ];
    const quota = isQuotaFirst(one, other) ? after[0] : before[0];
    const period = isQuotaFirst(one, other) ? before[1] : after[1];
    return quota === -1 ? Number.POSITIVE_INFINITY : quota / period;
  }

  test('are written so that what stands in between lies between old and new, where it can', () => {
    assert.equal(between([2000, 100_000], [25_000, 50_000]), 0.04);
    assert.equal(between([25_000, 50_000], [2000, 100_000]), 0.04);
    assert.equal(between([50_000, 100_000], [50_000, 50_000]), 0.5);
  });

  test('never give more than old and new meanwhile', () => {
    assert.equal(between([10_000, 100_000], [100_000, 1_000_000]), 0.01);
    assert.equal(between([100_000, 1_000_000], [10_000, 100_000]), 0.01);
  });

  test('have the period changed while there is no limit', () => {
    assert.equal(between([-1, 100_000], [25_000, 50_000]), Number.POSITIVE_INFINITY);
    assert.equal(between([25_000, 50_000], [-1, 100_000]), Number.POSITIVE_INFINITY);
  });
});

test('v1’s limit of memory and swap is raised with that of memory only when it must be, and keeps the swap', () => {
  const none = Number('9223372036854771712');
  assert.equal(raisedMemoryAndSwap(200, 100, none), undefined);
  assert.equal(raisedMemoryAndSwap(150, 100, 150), undefined);
  assert.equal(raisedMemoryAndSwap(200, 100, 150), '250');
  assert.equal(raisedMemoryAndSwap(null, 100, 150), '-1');
});

test('the limits of one device are put back, and no other’s', () => {
  const text = '8:0 rbps=1048576 wbps=max riops=max wiops=120\n8:16 rbps=max wbps=max riops=5 wiops=max\n';
  assert.equal(ioMaxOf(text, '8:0'), '8:0 rbps=1048576 wbps=max riops=max wiops=120');
  assert.equal(ioMaxOf(text, '8:1'), '8:1 rbps=max wbps=max riops=max wiops=max');
  assert.equal(ioMaxOf('', '8:1'), '8:1 rbps=max wbps=max riops=max wiops=max');
});

describe('a write', () => {
  const effect = (file: string, text: string, before: WriteStep['before'] = { unknown: 'permission' }) =>
    effectOf({ do: 'write', file, text, before });

  test('that freezes or kills stops processes, under every version', () => {
    for (const [file, text] of [
      ['cgroup.freeze', '1\n'],
      ['freezer.state', 'FROZEN'],
      ['cgroup.kill', '1'],
    ] as const)
      assert.equal(effect(file, text), 'stop');
    assert.equal(effect('cgroup.freeze', '0'), 'none');
    assert.equal(effect('freezer.state', 'THAWED\n'), 'none');
  });

  test('of a limit restricts unless it gives at least as much', () => {
    assert.equal(effect('memory.max', '1G', '536870912'), 'none');
    assert.equal(effect('memory.max', '256M', '536870912'), 'restrict');
    assert.equal(effect('memory.max', 'max', '536870912'), 'none');
    assert.equal(effect('memory.max', '1G'), 'restrict');
    assert.equal(effect('memory.max', '1G', 'max'), 'restrict');
    assert.equal(effect('cpu.max', '50000 100000', '2000 100000'), 'none');
    assert.equal(effect('cpu.max', '50000 1000000', '20000 100000'), 'restrict');
    assert.equal(effect('cpu.cfs_quota_us', '-1', '2000'), 'none');
    assert.equal(effect('cpu.cfs_quota_us', '1000', '-1'), 'restrict');
    assert.equal(effect('memory.limit_in_bytes', 'nonsense', '4096'), 'restrict');
    assert.equal(effect('io.max', '8:0 rbps=1', ''), 'restrict');
  });

  test('of a process id makes it join', () => {
    for (const file of ['cgroup.procs', 'cgroup.threads', 'tasks']) assert.equal(effect(file, '12'), 'join');
  });

  test('that the program knows nothing of is taken to restrict', () => {
    assert.equal(effect('new.controller', '1', '2'), 'restrict');
  });
});

test('what a file accepts is known of every file that a change writes, of no file of Object’s, and by pattern', () => {
  for (const file of ['cpu.max', 'cpu.cfs_quota_us', 'memory.max', 'memory.memsw.limit_in_bytes', 'pids.max', 'io.max'])
    assert.ok(acceptedFormat(file));
  for (const file of ['cgroup.freeze', 'freezer.state', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.kill'])
    assert.ok(acceptedFormat(file));
  assert.ok(acceptedFormat('hugetlb.2MB.max'));
  assert.equal(acceptedFormat('constructor'), undefined);
});

test('a path is within another by whole names', () => {
  assert.ok(isWithin('/a', '/'));
  assert.ok(isWithin('/a', '/a'));
  assert.ok(isWithin('/a/b', '/a'));
  assert.ok(!isWithin('/ab', '/a'));
  assert.ok(!isWithin('/', '/a'));
  assert.ok(!isWithin('', '/a'));
});

test('a process outside of the helper’s pid namespace, listed as 0, is none to signal', () => {
  assert.deepEqual(parsePids('0\n12\n0\n13\n'), [12, 13]);
});

describe('a name as text', () => {
  const names = [
    Buffer.from('plain'),
    Buffer.from('é 😀 \ufffd'),
    Buffer.from([0xff]),
    Buffer.from([0x61, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf0, 0x9f]),
    Buffer.from([0xc0, 0xaf, 0xf5, 0x80, 0xe2, 0x82]),
    ...Array.from({ length: 256 }, (_, byte) => Buffer.from([0x61, byte, 0x62, byte])),
  ];

  test('comes back as the same bytes, through JSON too', () => {
    for (const name of names) assert.deepEqual(bytesOfName(JSON.parse(JSON.stringify(textOfName(name)))), name);
  });

  test('is one for each sequence of bytes', () => {
    assert.equal(new Set(names.map(textOfName)).size, names.length);
    assert.equal(textOfName(Buffer.from([0x61, 0xff])), 'a\udcff');
  });

  test('with a surrogate that stands for no byte is refused', () => {
    for (const text of ['\ud800', 'a\udc7f', '\udd00b', '\udbff']) assert.equal(bytesOfName(text), undefined);
  });
});

test('a read that the kernel does not end is given up, and with two of them under way no further one is begun', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-'));
  const pipe = path.join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // As long as someone may write to it, a read of it does not end.
  const writer = openSync(pipe, 'r+');
  const read = () => readDescriptor(openSync(pipe, 'r'), 'memory.stat', 1);
  try {
    await assert.rejects(read(), /did not end within/);
    await assert.rejects(read(), /did not end within/);
    await assert.rejects(read(), /have not come back/);
  } finally {
    closeSync(writer);
    rmSync(folder, { recursive: true });
  }
  const directory = openSync('/proc/self', 'r');
  try {
    while ((await readFile(directory, 'comm').catch(reasonOf)) === 'busy') await setImmediate();
    assert.ok((await readFile(directory, 'comm')).length > 0);
  } finally {
    closeSync(directory);
  }
});

function reasonOf(error: unknown): unknown {
  return (error as { data?: { reason?: string } }).data?.reason;
}
