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
import { isQuotaFirst, raisedMemoryAndSwap } from '../../helper/host/cgroups/limitPlan.ts';
import { isWithin, parsePids } from '../../helper/host/cgroups/members.ts';
import { undoOf } from '../../helper/host/cgroups/putBack.ts';
import type { WriteStep } from '../../helper/host/cgroups/steps.ts';
import { amountOf, effectOf } from '../../helper/host/cgroups/warnings.ts';
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

describe('what puts a file back', () => {
  const undo = (file: string, reading: string, text = 'x', others: Record<string, string> = {}) =>
    undoOf(file, text, new Map([[file, reading], ...Object.entries(others)])).map((one) => `${one.file} ${one.text}`);

  test('of one device is its own limits, and no other’s', () => {
    const text = '8:0 rbps=1048576 wbps=max riops=max wiops=120\n8:16 rbps=max wbps=max riops=5 wiops=max';
    const back = (reading: string, device: string) => undo('io.max', reading, `${device} rbps=1`);
    assert.deepEqual(back(text, '8:0'), ['io.max 8:0 rbps=1048576 wbps=max riops=max wiops=120']);
    assert.deepEqual(back(text, '8:1'), ['io.max 8:1 rbps=max wbps=max riops=max wiops=max']);
    assert.deepEqual(back('', '8:1'), ['io.max 8:1 rbps=max wbps=max riops=max wiops=max']);
    const v1 = 'blkio.throttle.read_bps_device';
    assert.deepEqual(undo(v1, '8:0 5\n8:16 7', '8:16 9'), [`${v1} 8:16 7`]);
    assert.deepEqual(undo(v1, '8:0 5', '8:16 9'), [`${v1} 8:16 0`]);
    assert.deepEqual(undo('io.weight', 'default 100\n8:0 50', '30'), ['io.weight default 100']);
    assert.deepEqual(undo('io.weight', 'default 100\n8:0 50', '8:0 30'), ['io.weight 8:0 50']);
    assert.deepEqual(undo('io.weight', 'default 100', '8:0 30'), ['io.weight 8:0 default']);
  });

  test('is never the words for a state', () => {
    const partition = 'cpuset.cpus.partition';
    assert.deepEqual(undo(partition, 'isolated invalid (Cpu list in cpuset.cpus not exclusive)'), [`${partition} isolated`]);
    assert.deepEqual(undo(partition, 'root invalid (Parent is not a partition root)'), [`${partition} root`]);
    assert.deepEqual(undo(partition, 'member'), [`${partition} member`]);
    assert.deepEqual(undo('freezer.state', 'FREEZING', 'THAWED', { 'freezer.self_freezing': '1' }), ['freezer.state FROZEN']);
    assert.deepEqual(undo('freezer.state', 'FROZEN', 'THAWED', { 'freezer.self_freezing': '0' }), ['freezer.state THAWED']);
    assert.deepEqual(undo('memory.oom_control', 'oom_kill_disable 0\nunder_oom 1\noom_kill 3', '1'), ['memory.oom_control 0']);
    assert.deepEqual(undo('cpu.weight', '0', '50'), []);
    assert.deepEqual(undo('cpu.weight.nice', '-2', '5', { 'cpu.weight': '150' }), ['cpu.weight 150']);
    assert.deepEqual(undo('cpu.idle', '0', '1', { 'cpu.weight': '150' }), ['cpu.idle 0', 'cpu.weight 150']);
    assert.deepEqual(undo('cpu.idle', '1', '0', { 'cpu.shares': '3' }), ['cpu.idle 1']);
  });

  test('is nothing for an order, for a reset, and for what is not known', () => {
    for (const [file, reading] of [
      ['cgroup.procs', '12'],
      ['cgroup.type', 'domain'],
      ['memory.reclaim', ''],
      ['memory.peak', '4096'],
      ['memory.failcnt', '7'],
      ['cpuacct.usage', '123456'],
      ['cpu.pressure', 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0'],
      ['new.controller', '1'],
      ['constructor', '1'],
    ] as const)
      assert.deepEqual(undo(file, reading), [], file);
  });

  test('of controllers for the children is what was really enabled or disabled', () => {
    const file = 'cgroup.subtree_control';
    assert.deepEqual(undo(file, 'cpu memory', '+cpu -memory +pids -io'), [`${file} +memory -pids`]);
    assert.deepEqual(undo(file, 'cpu', '+cpu'), []);
    assert.deepEqual(undo(file, '', '+cpu'), [`${file} -cpu`]);
  });

  test('of an empty file is a line break, without which nothing would be written', () => {
    assert.deepEqual(undo('release_agent', '', '/bin/x'), ['release_agent \n']);
    assert.deepEqual(undo('hugetlb.2MB.rsvd.max', 'max', '0'), ['hugetlb.2MB.rsvd.max max']);
  });
});

describe('a write', () => {
  const effect = (file: string, text: string, before: WriteStep['before'] = { unknown: 'permission' }) =>
    effectOf({ do: 'write', file, text, before, undo: [] });

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
    // Without a period the one that stands stays.
    assert.equal(effect('cpu.max', '50000', '20000 1000000'), 'none');
    assert.equal(effect('cpu.max', '15000', '20000 1000000'), 'restrict');
  });

  test('tells an amount in every spelling that the kernel reads', () => {
    for (const text of ['4096', '0x1000', '0X1000', '010000', '4K', '4k', '0x4k']) assert.equal(amountOf(text), 4096, text);
    assert.equal(amountOf('-1'), Number.POSITIVE_INFINITY);
    for (const text of ['', '4096 1', 'none', '0xg']) assert.ok(Number.isNaN(amountOf(text)), text);
    assert.equal(effect('memory.max', '0x1000', '8192'), 'restrict');
    assert.equal(effect('memory.max', '0x4000', '8192'), 'none');
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
