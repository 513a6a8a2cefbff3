/** `cgroups/subscribe` against the raw files and what processes really use; v1, v2 and hybrid. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  type CgroupSample,
  CgroupsSampled,
  type CgroupsSampledParams,
  CgroupsSubscribe,
} from '../../helper/protocol/cgroups.ts';
import { limitCpu, type MadeCgroup, makeCgroup, mountWith, setFrozen, withoutControllers } from '../fixtures/cgroup.ts';
import { cgroupClient } from '../fixtures/cgroupClient.ts';
import { isHelperRoot } from '../fixtures/environment.ts';
import { holdReads } from '../fixtures/heldRead.ts';
import { untilAnswer } from '../fixtures/until.ts';
import { startSpecimen } from '../fixtures/zoo.ts';

const NAME = `isoscope-test-${process.pid}`;
const ZRAM = '/sys/class/zram-control';
const DIRECT = 'iflag=direct bs=4096 count=16 status=none';

/** A disk in memory that was never used before on this machine. */
function freshDisk(): { path: string; number: string } & Disposable {
  const index = readFileSync(path.join(ZRAM, 'hot_add'), 'utf8').trim();
  const folder = `/sys/block/zram${index}`;
  writeFileSync(path.join(folder, 'disksize'), '1M');
  const number = readFileSync(path.join(folder, 'dev'), 'utf8').trim();
  return {
    path: `/dev/zram${index}`,
    number,
    [Symbol.dispose]: () => writeFileSync(path.join(ZRAM, 'hot_remove'), index),
  };
}

/** What the kernel's files hold, in the units of samples. */
function countersOf(limited: MadeCgroup, counted: MadeCgroup) {
  const stat = limited.read('cpu.stat');
  const key = (name: string) => Number(new RegExp(`^${name} ([0-9]+)$`, 'm').exec(stat)?.[1]);
  return {
    cpuUsageMicros: counted.version === 1 ? Math.floor(Number(counted.read('cpuacct.usage')) / 1000) : key('usage_usec'),
    periods: key('nr_periods'),
    throttledPeriods: key('nr_throttled'),
    throttledMicros: limited.version === 1 ? Math.floor(key('throttled_time') / 1000) : key('throttled_usec'),
  };
}

describe('samples of cgroups', () => {
  const client = cgroupClient();
  const { request, inspect, row } = client;

  /** Samples of these cgroups as they come. */
  async function subscribe(t: TestContext, cgroups: readonly MadeCgroup[], subscription = t.name) {
    const taken: CgroupsSampledParams[] = [];
    const listener = client.helper.connection.onNotification(CgroupsSampled, (params) => {
      if (params.subscription === subscription) taken.push(params);
    });
    t.after(async () => {
      listener.dispose();
      await request(CgroupsSubscribe, { cgroups: [], subscription });
    });
    await request(CgroupsSubscribe, {
      cgroups: cgroups.map(({ ref }) => ref),
      subscription,
      intervalMillis: 250,
    });
    const last = () => taken.at(-1);
    const sampleLike = (what: string, isIt: (sample: CgroupSample | null) => boolean) =>
      untilAnswer(
        what,
        async () => last()?.samples[0] ?? null,
        (sample) => taken.length > 0 && isIt(sample),
      );
    return { taken, sampleLike };
  }

  test('measure a burner that may use 2 % of a CPU as the kernel counts it, with its throttling', {
    skip: withoutControllers('cpu'),
  }, async (t) => {
    using cpu = makeCgroup('cpu', NAME);
    using cpuacct = cpu.version === 1 && !cpu.ref.hierarchy.includes('cpuacct') ? makeCgroup('cpuacct', NAME) : undefined;
    limitCpu(cpu, 2000);
    const burner = await startSpecimen(['sh', '-c', 'echo there; while :; do :; done']);
    t.after(burner.stop);
    for (const made of [cpu, cpuacct]) made?.write('cgroup.procs', String(burner.pid));
    const { taken } = await subscribe(t, [cpu, cpuacct ?? cpu]);
    const raw = () => countersOf(cpu, cpuacct ?? cpu);
    const last = () => {
      const [limited, counted] = taken.at(-1)?.samples ?? [];
      const { periods, throttledPeriods, throttledMicros } = limited ?? {};
      return { cpuUsageMicros: counted?.cpuUsageMicros, periods, throttledPeriods, throttledMicros };
    };
    // How much it gets, and in how many periods it is stopped, is the scheduler's to say, the more so beside others: the kernel's own files are compared with.
    const before = raw();
    await untilAnswer(
      'a sample after it was throttled',
      async () => last(),
      (sample) => {
        return (
          (sample.throttledPeriods ?? 0) > before.throttledPeriods && (sample.throttledMicros ?? 0) > before.throttledMicros
        );
      },
    );
    const limits = new Set(taken.map(({ samples }) => samples[0]?.cpuLimitCores));
    assert.deepEqual([...limits], [0.02]);
    await untilAnswer(
      'the mark of one that is throttled now',
      () => row(cpu),
      ({ badges }) => badges.includes('throttled'),
    );
    // Stopped, it uses no more, and the kernel ends to count periods: then all is equal.
    process.kill(burner.pid, 'SIGSTOP');
    await untilAnswer(
      'the very counters of the kernel',
      async () => [last(), raw()] as const,
      ([sample, counters]) => {
        return JSON.stringify(sample) === JSON.stringify(counters);
      },
    );
    const resting = await untilAnswer(
      'no mark, since it is not throttled any more',
      () => row(cpu),
      ({ badges }) => !badges.includes('throttled'),
    );
    assert.equal(resting.figures.throttledPeriods, raw().throttledPeriods, 'how often it was is told all the same');
    assert.equal(resting.figures.periods, raw().periods);
  });

  test('have as the limit of CPU time the CPUs of a cpuset, where the quota gives more', {
    skip: withoutControllers('cpu', 'cpuset'),
  }, async (t) => {
    using cpu = makeCgroup('cpu', NAME);
    using other = cpu.version === 1 ? makeCgroup('cpuset', NAME) : undefined;
    const cpuset = other ?? cpu;
    const { taken, sampleLike } = await subscribe(t, [cpu], 'without a cpuset');
    await sampleLike('a sample', (sample) => sample !== null);
    assert.equal(taken.at(-1)?.samples[0]?.cpuLimitCores, undefined, 'the CPUs of the host are no limit of its own');
    cpuset.write('cpuset.mems', '0');
    cpuset.write('cpuset.cpus', '0');
    limitCpu(cpu, 400_000);
    const limited = await subscribe(t, [cpu], 'with a cpuset');
    await limited.sampleLike('the limit', (sample) => sample?.cpuLimitCores === 1);
    limitCpu(cpu, 2000);
    await limited.sampleLike('the quota', (sample) => sample?.cpuLimitCores === 0.02);
  });

  test('count what is read from each block device, in bytes and in operations', {
    skip: withoutControllers(mountWith('blkio') === undefined ? 'io' : 'blkio'),
  }, async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-disk-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const { dev } = statSync(folder);
    const number = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
    if (!existsSync(`/sys/dev/block/${number}/queue`)) return t.skip(`${folder} is on no disk of its own`);
    const disk = path.basename(readlinkSync(`/sys/dev/block/${number}`));
    const file = path.join(folder, 'file');
    execFileSync('dd', ['if=/dev/urandom', `of=${file}`, 'bs=4096', 'count=16', 'conv=fsync', 'status=none']);
    using made = makeCgroup(mountWith('blkio') === undefined ? 'io' : 'blkio', NAME);
    // Since Linux 6.10 v1 counts nothing of a disk before a first limit. One that is written and removed again leaves the disk counted.
    if (made.version === 1)
      for (const limit of [1_000_000_000, 0]) made.write('blkio.throttle.read_bps_device', `${number} ${limit}`);
    const { sampleLike } = await subscribe(t, [made]);
    const read = `echo $$ > "${made.directory}/cgroup.procs"; dd "if=${file}" of=/dev/null iflag=direct bs=4096 count=16 status=none`;
    execFileSync('sh', ['-c', read]);
    const sample = await sampleLike('what was read', (one) => (one?.readOperations ?? 0) >= 16);
    const { device, name, readBytes, readOperations } = sample?.devices?.find((one) => one.name === disk) ?? {};
    assert.equal(device, number);
    assert.deepEqual({ name, readBytes, readOperations }, { name: disk, readBytes: 65_536, readOperations: 16 });
    assert.equal(sample?.readBytes, 65_536);
  });

  test('tell of a disk that v1 does not count that what was done there is unknown, until a limit is set on it', {
    skip: withoutControllers('blkio') || (!existsSync(ZRAM) && 'the kernel makes no zram'),
  }, async (t) => {
    using disk = freshDisk();
    using made = makeCgroup('blkio', NAME);
    const { sampleLike } = await subscribe(t, [made]);
    const deviceOf = async () => {
      const { io } = await inspect(made.ref);
      assert.ok('devices' in io && Array.isArray(io.devices));
      return io.devices.find(({ device }) => device === disk.number);
    };
    const read = () =>
      execFileSync('sh', ['-c', `echo $$ > "${made.directory}/cgroup.procs"; dd if=${disk.path} of=/dev/null ${DIRECT}`]);
    read();
    const listed = readFileSync(path.join(made.directory, '../blkio.throttle.io_service_bytes'), 'utf8').includes(
      `${disk.number} `,
    );
    if (listed) return t.skip('this kernel counts every disk from its beginning');
    const unknown = await sampleLike('a sample without sums', (one) => one !== null && one.readBytes === undefined);
    assert.equal(unknown?.readOperations, undefined);
    const { uncounted, readBytes, name } = (await deviceOf()) ?? {};
    assert.deepEqual({ uncounted, readBytes, name }, { uncounted: true, readBytes: undefined, name: path.basename(disk.path) });
    made.write('blkio.throttle.read_bps_device', `${disk.number} 1000000000`);
    read();
    await untilAnswer('what was read', deviceOf, (one) => one?.readBytes === 65_536);
    assert.equal((await deviceOf())?.uncounted, undefined);
  });

  test('stand still while a cgroup is frozen, and go on when it is thawed', {
    skip: withoutControllers('freezer', 'cpu'),
  }, async (t) => {
    using freezer = makeCgroup('freezer', NAME);
    using counted = freezer.version === 1 ? makeCgroup('cpuacct', NAME) : undefined;
    const burner = await startSpecimen(['sh', '-c', 'echo there; while :; do :; done']);
    t.after(burner.stop);
    for (const made of [freezer, counted]) made?.write('cgroup.procs', String(burner.pid));
    const { taken, sampleLike } = await subscribe(t, [counted ?? freezer]);
    const usage = () => taken.at(-1)?.samples[0]?.cpuUsageMicros ?? 0;
    const running = usage();
    await sampleLike('usage', (sample) => (sample?.cpuUsageMicros ?? 0) > running);
    setFrozen(freezer, true);
    await untilAnswer(
      'the frozen badge',
      () => row(freezer),
      ({ badges }) => badges.includes('frozen'),
    );
    const from = taken.length;
    await untilAnswer(
      'samples of the frozen cgroup',
      async () => taken.length,
      (count) => count >= from + 4,
    );
    const standing = new Set(taken.slice(from).map(({ samples }) => samples[0]?.cpuUsageMicros));
    assert.equal(standing.size, 1);
    const { freezer: section } = await inspect(freezer.ref);
    assert.ok('frozen' in section && section.frozen && section.self);
    const frozenAt = usage();
    setFrozen(freezer, false);
    await sampleLike('usage after the thaw', (sample) => (sample?.cpuUsageMicros ?? 0) > frozenAt);
    assert.ok(!(await row(freezer)).badges.includes('frozen'));
  });

  test('of a cgroup that is gone are null, and the others go on', { skip: withoutControllers('pids') }, async (t) => {
    using lasting = makeCgroup('pids', `${NAME}-lasting`);
    const passing = makeCgroup('pids', `${NAME}-passing`);
    const { taken } = await subscribe(t, [passing, lasting]);
    await untilAnswer(
      'samples',
      async () => taken.at(-1)?.samples,
      (samples) => samples?.[0] !== null && samples?.[1] !== null && samples !== undefined,
    );
    passing[Symbol.dispose]();
    const samples = await untilAnswer(
      'the end',
      async () => taken.at(-1)?.samples,
      (all) => all?.[0] === null,
    );
    assert.equal(samples?.[1]?.tasks, 0);
  });

  test('of a cgroup whose file the kernel does not give say so, the others go on, and it comes back', {
    skip: !isHelperRoot ? 'only root may take the descriptor' : withoutControllers('pids'),
  }, async (t) => {
    using held = makeCgroup('pids', `${NAME}-held`);
    using other = makeCgroup('pids', `${NAME}-other`);
    const { taken, sampleLike } = await subscribe(t, [held, other]);
    await sampleLike('tasks', (sample) => sample?.tasks === 0);
    const release = await holdReads(client.helper.process.pid!, `${held.directory}/pids.current`);
    try {
      const sample = await sampleLike('that it is held back', (one) => one?.heldBack !== undefined);
      assert.deepEqual(sample, { heldBack: 'pids.current' });
      const count = taken.length;
      await untilAnswer(
        'further samples',
        async () => taken.length,
        (more) => more >= count + 4,
      );
      assert.equal(taken.at(-1)?.samples[0]?.heldBack, 'pids.current');
      assert.equal(taken.at(-1)?.samples[1]?.tasks, 0);
      assert.ok((await row(other)).figures.tasks === 0, 'other requests are answered');
    } finally {
      await release[Symbol.asyncDispose]();
    }
    const again = await sampleLike('that it is read again', (one) => one?.heldBack === undefined);
    assert.equal(again?.tasks, 0);
  });

  test('end with an empty subscription', { skip: withoutControllers('pids') }, async (t) => {
    using made = makeCgroup('pids', NAME);
    const { taken } = await subscribe(t, [made]);
    await untilAnswer(
      'a sample',
      async () => taken.length,
      (count) => count > 0,
    );
    await request(CgroupsSubscribe, { cgroups: [], subscription: t.name });
    const count = taken.length;
    const { taken: others } = await subscribe(t, [made], 'another');
    await untilAnswer(
      'samples of another subscription',
      async () => others.length,
      (more) => more >= 3,
    );
    assert.equal(taken.length, count);
  });
});
