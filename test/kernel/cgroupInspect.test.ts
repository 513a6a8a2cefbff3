/** `cgroups/inspect` against the raw files; v1, v2 and hybrid. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { Cgroup, CgroupsInspectResult } from '../../helper/protocol/cgroups.ts';
import { limitCpu, type MadeCgroup, makeCgroup, mountWith, unifiedMount, withoutControllers } from '../fixtures/cgroup.ts';
import { cgroupClient } from '../fixtures/cgroupClient.ts';
import { isHelperRoot, isRoot, unlessLinux } from '../fixtures/environment.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { untilAnswer } from '../fixtures/until.ts';
import { startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const NAME = `isoscope-test-${process.pid}`;
const MIB = 2 ** 20;
/** include/uapi/linux/magic.h */
const TMPFS_MAGIC = 0x01021994;
const ONLINE = '/sys/devices/system/cpu/online';
const WITH_SWAP = 'memory.memsw.limit_in_bytes';

describe('what is told of a cgroup', () => {
  const { list, inspect, row } = cgroupClient();

  describe('limits', () => {
    test('of CPU time are shares of a CPU, with the raw values', { skip: withoutControllers('cpu') }, async () => {
      using made = makeCgroup('cpu', NAME);
      limitCpu(made, 2000);
      assert.equal((await row(made)).figures.cpuLimitCores, 0.02);
      const cpu = (await inspect(made.ref)).cpu as Exclude<CgroupsInspectResult['cpu'], { lacking: unknown }>;
      assert.deepEqual([cpu.quotaMicros, cpu.periodMicros], [2000, 100_000]);
      const file = made.version === 1 ? 'cpu.cfs_quota_us' : 'cpu.max';
      const raw = made.read(file).trim();
      const limit = { own: 0.02, raw, file, effective: { value: 0.02, by: made.ref, raw, file }, headroom: 0.02 };
      assert.deepEqual(cpu.limit, limit);
      const weight = made.version === 1 ? 'cpu.shares' : 'cpu.weight';
      assert.deepEqual('value' in cpu.weight && [cpu.weight.file, cpu.weight.value], [weight, Number(made.read(weight))]);
    });

    test('of CPU time are never above the CPUs that there are, and what binds is named', {
      skip: withoutControllers('cpu', 'cpuset'),
    }, async (t) => {
      using cpu = makeCgroup('cpu', NAME);
      const effective = async ({ ref }: MadeCgroup) => {
        const { cpu: section } = await inspect(ref);
        assert.ok('limit' in section && 'own' in section.limit);
        return section.limit.effective;
      };
      const online = Number(execFileSync('getconf', ['_NPROCESSORS_ONLN'], { encoding: 'utf8' }));
      const raw = readFileSync(ONLINE, 'utf8').trim();
      const host = { value: online, raw, file: ONLINE };
      assert.deepEqual(await effective(cpu), host, 'without a quota');
      limitCpu(cpu, 100_000 * (online + 2));
      assert.deepEqual(await effective(cpu), host, 'with a quota of more');

      using v1 = cpu.version === 1 ? makeCgroup('cpuset', NAME) : undefined;
      const cpuset = v1 ?? cpu;
      // In v1 a cpuset has nothing until it is given it, and the one below what the one above has.
      cpuset.write('cpuset.mems', '0');
      cpuset.write('cpuset.cpus', '0');
      const file = cpu.version === 1 ? 'cpuset.effective_cpus' : 'cpuset.cpus.effective';
      const narrow = { value: 1, raw: '0', file, by: cpuset.ref };
      assert.deepEqual(await effective(cpu), narrow, 'of an empty cgroup that of the same name');
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      if (v1 !== undefined) {
        // Where its processes are counts, whatever the cgroups are called.
        const elsewhere = v1.child('elsewhere');
        for (const name of ['cpuset.mems', 'cpuset.cpus']) elsewhere.write(name, '0');
        for (const made of [cpu, elsewhere]) made.write('cgroup.procs', String(sleeper.pid));
        assert.deepEqual(await effective(cpu), narrow, 'the one above narrows it');
      } else {
        const child = cpu.child('child', ['cpu', 'cpuset']);
        assert.deepEqual(await effective(child), narrow, 'the one above narrows it');
      }
      limitCpu(cpu, 2000);
      assert.equal((await effective(cpu))?.value, 0.02, 'a quota of less');
      assert.match((await effective(cpu))?.file ?? '', /^cpu\./);
    });

    test('that an ancestor has bind below it, and what siblings use counts', {
      skip: withoutControllers('pids'),
    }, async (t) => {
      using top = makeCgroup('pids', NAME);
      const one = top.child('one', ['pids']);
      const other = top.child('other');
      top.write('pids.max', '10');
      one.write('pids.max', '100');
      const sleepers = [await startSleeper([]), await startSleeper([]), await startSleeper([])];
      for (const { stop } of sleepers) t.after(stop);
      one.write('cgroup.procs', String(sleepers[0]?.pid));
      other.write('cgroup.procs', String(sleepers[1]?.pid));
      other.write('cgroup.procs', String(sleepers[2]?.pid));
      const { pids } = await inspect(one.ref);
      assert.ok('limit' in pids);
      assert.equal(pids.tasks, 1);
      assert.deepEqual(pids.limit, {
        own: 100,
        raw: '100',
        file: 'pids.max',
        effective: { value: 10, by: top.ref, raw: '10', file: 'pids.max' },
        headroom: 7,
      });
      assert.deepEqual((await row(top)).figures, { tasks: 3, tasksLimit: 10, ...onV2((await row(top)).figures) });
    });

    test('that are none are null, however the version writes it', { skip: withoutControllers('memory', 'pids') }, async () => {
      using memory = makeCgroup('memory', `${NAME}-memory`);
      const inspected = await inspect(memory.ref);
      assert.ok('limit' in inspected.memory && 'own' in inspected.memory.limit);
      const { own, effective, headroom, raw } = inspected.memory.limit;
      assert.deepEqual([own, effective, headroom], [null, null, null]);
      assert.equal(raw, memory.read(memory.version === 1 ? 'memory.limit_in_bytes' : 'memory.max').trim());
      assert.equal((await row(memory)).figures.memoryLimitBytes, undefined);
    });

    test('close to being reached are marked', { skip: withoutControllers('pids') }, async (t) => {
      using made = makeCgroup('pids', NAME);
      made.write('pids.max', '1');
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      made.write('cgroup.procs', String(sleeper.pid));
      assert.ok((await row(made)).badges.includes('nearLimit'));
    });
  });

  test('what a version or a cgroup has not is told apart from nothing', { skip: withoutControllers('pids') }, async () => {
    using made = makeCgroup('pids', NAME);
    const inspected = await inspect(made.ref);
    assert.equal(inspected.directory, made.directory);
    assert.equal(inspected.version, made.version);
    assert.ok(inspected.files.some(({ name, writable }) => name === 'pids.max' && writable === isHelperRoot));
    assert.ok(inspected.files.some(({ name, writable }) => name === 'pids.current' && !writable));
    const names = inspected.files.map(({ name }) => name);
    assert.deepEqual(names, names.toSorted());
    if (made.version === 1) {
      assert.deepEqual(inspected.memory, { lacking: 'controller' });
      assert.deepEqual([inspected.events, inspected.notifyOnRelease], [{ lacking: 'version' }, false]);
      assert.deepEqual(inspected.descendants, { lacking: 'version' });
    } else {
      assert.deepEqual(inspected.events, { populated: 0, frozen: 0 });
      assert.deepEqual(inspected.descendants, { live: 0, dying: 0, dyingOf: {} });
      assert.deepEqual(inspected.notifyOnRelease, { lacking: 'version' });
      assert.ok('bpf' in inspected.devices);
    }
  });

  test('CPU time of programs and of the kernel is never more than all of it', {
    skip: withoutControllers(mountWith('cpuacct') === undefined ? 'cpu' : 'cpuacct'),
  }, async (t) => {
    using made = makeCgroup(mountWith('cpuacct') === undefined ? 'cpu' : 'cpuacct', NAME);
    const burner = await startSpecimen(['sh', '-c', 'echo there; while :; do read line < /proc/self/stat; done']);
    t.after(burner.stop);
    made.write('cgroup.procs', String(burner.pid));
    let seen = 0;
    for (let at = 0; at < 10; at += 1) {
      const { cpu } = await inspect(made.ref);
      assert.ok('usageMicros' in cpu);
      const { usageMicros, userMicros, systemMicros } = cpu;
      assert.ok(typeof usageMicros === 'number' && typeof userMicros === 'number' && typeof systemMicros === 'number');
      assert.ok(userMicros + systemMicros <= usageMicros, `${userMicros} + ${systemMicros} of ${usageMicros} µs`);
      seen = usageMicros;
    }
    assert.ok(seen > 0);
  });

  test('limits, use and reservations of huge pages are those of the raw files', {
    skip: withoutControllers('hugetlb'),
  }, async (t) => {
    using top = makeCgroup('hugetlb', NAME);
    const child = top.child('child', ['hugetlb']);
    const size = readdirSync(child.directory)
      .map((name) => /^hugetlb\.([0-9]+[KMG]B)\./.exec(name)?.[1])
      .find((found) => found !== undefined);
    if (size === undefined) return t.skip('this kernel has no huge pages');
    const pageBytes = Number.parseInt(size, 10) * { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[size.at(-2) as 'K' | 'M' | 'G'];
    const [most, used] = top.version === 1 ? ['limit_in_bytes', 'usage_in_bytes'] : ['max', 'current'];
    top.write(`hugetlb.${size}.rsvd.${most}`, String(2 * pageBytes));
    child.write(`hugetlb.${size}.${most}`, String(4 * pageBytes));
    const { hugetlb } = await inspect(child.ref);
    assert.ok(Array.isArray(hugetlb));
    const found = hugetlb.find(({ pageSize }) => pageSize === size);
    assert.ok(found && 'own' in found.limit && 'own' in found.reservationLimit);
    assert.equal(found.usageBytes, Number(child.read(`hugetlb.${size}.${used}`)));
    assert.equal(found.reservedBytes, Number(child.read(`hugetlb.${size}.rsvd.${used}`)));
    assert.deepEqual([found.limit.own, found.limit.effective?.by], [4 * pageBytes, child.ref]);
    assert.deepEqual(
      [found.reservationLimit.own, found.reservationLimit.effective?.value, found.reservationLimit.effective?.by],
      [null, 2 * pageBytes, top.ref],
    );
    // Of each other size nothing limits anything, however the version writes that.
    for (const other of hugetlb) {
      if (other === found) continue;
      assert.ok('own' in other.limit && 'own' in other.reservationLimit);
      assert.deepEqual([other.limit.effective, other.reservationLimit.effective], [null, null], other.pageSize);
    }
  });

  test('a partition of CPUs is told with its kind and, when it is not in effect, with why; in v1 there is none', {
    skip: withoutControllers('cpuset') || unlessLinux('6.1'),
  }, async () => {
    using made = makeCgroup('cpuset', NAME);
    const partitionOf = async ({ ref }: MadeCgroup) => {
      const { cpuset } = await inspect(ref);
      assert.ok('cpus' in cpuset);
      return cpuset.cpuPartition;
    };
    if (made.version === 1) {
      assert.deepEqual(await partitionOf(made), { lacking: 'version' });
      return;
    }
    assert.deepEqual(await partitionOf(made), { kind: 'member' });
    assert.equal((await row(made)).partition, undefined);
    const child = made.child('child', ['cpuset']);
    child.write('cpuset.cpus', '0');
    child.write('cpuset.cpus.partition', 'isolated');
    const [, why] = /^isolated invalid \((.+)\)$/m.exec(child.read('cpuset.cpus.partition')) ?? [];
    assert.ok(why, 'below a cgroup that is no partition it is none');
    const invalid = { kind: 'isolated', invalid: why };
    assert.deepEqual(await partitionOf(child), invalid);
    const listed = await row(child);
    assert.deepEqual([listed.partition, listed.badges.includes('invalidPartition')], [invalid, true]);
    // Whether a valid one can be had is the kernel's to say, by what other cgroups of this host have.
    made.write('cpuset.cpus', '0');
    made.write('cpuset.cpus.partition', 'root');
    const text = made.read('cpuset.cpus.partition').trim();
    assert.deepEqual(
      await partitionOf(made),
      text === 'root' ? { kind: 'root' } : { kind: 'root', invalid: /\((.+)\)/.exec(text)?.[1] },
    );
  });

  test('cgroups that were removed and are still charged to are counted, in v2', {
    skip: withoutControllers('memory') || (mountWith('memory')?.type !== 'cgroup2' && 'memory is not in v2 here'),
  }, async (t) => {
    using made = makeCgroup('memory', NAME);
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-dying-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const child = made.child('child', ['memory']);
    made.child('lasting');
    // What it wrote stays in memory, charged to it.
    const write = `echo $$ > "${child.directory}/cgroup.procs"; exec dd if=/dev/zero "of=${folder}/file" bs=1M count=4 status=none`;
    execFileSync('sh', ['-c', write]);
    child[Symbol.dispose]();
    const key = (name: string) => Number(new RegExp(`^${name} ([0-9]+)$`, 'm').exec(made.read('cgroup.stat'))?.[1]);
    assert.equal(key('nr_dying_descendants'), 1);
    const { descendants } = await inspect(made.ref);
    assert.ok('live' in descendants);
    assert.deepEqual([descendants.live, descendants.dying], [key('nr_descendants'), 1]);
    const root = (await list('unified')).cgroups.find(({ path }) => path === '/');
    assert.ok((root?.dyingDescendants ?? 0) >= 1);
  });

  test('threaded cgroups have threads as members, and their domain and what cannot be used are named', {
    skip: !isRoot && 'only root can make cgroups',
  }, async (t) => {
    const mount = unifiedMount();
    if (mount === undefined) return t.skip('no v2 hierarchy is mounted');
    const folder = `${mount.mountPoint}/${NAME}-threads`;
    const names = ['', '/threaded', '/invalid'];
    for (const name of names) mkdirSync(folder + name);
    const process = await startSpecimen(['node', '-e', 'setInterval(() => undefined, 1e9); console.log("there")']);
    t.after(async () => {
      await process.stop();
      for (const name of names.toReversed()) rmdirSync(folder + name);
    });
    writeFileSync(`${folder}/threaded/cgroup.type`, 'threaded');
    writeFileSync(`${folder}/cgroup.procs`, String(process.pid));
    const tid = readdirSync(`/proc/${process.pid}/task`)
      .map(Number)
      .find((id) => id !== process.pid);
    writeFileSync(`${folder}/threaded/cgroup.threads`, String(tid));
    const rows = (await list('unified')).cgroups.filter(({ path }) => path.startsWith(`/${NAME}-threads`));
    const types = new Map(rows.map(({ path, type, memberCount }) => [path.slice(NAME.length + 9), [type, memberCount]]));
    assert.deepEqual(Object.fromEntries(types), {
      '': ['domain threaded', 1],
      '/threaded': ['threaded', 1],
      '/invalid': ['domain invalid', 0],
    });
    for (const one of rows) {
      const inspected = await inspect(one);
      assert.equal(inspected.type, one.type);
      if (one.type !== 'threaded') continue;
      assert.ok(Array.isArray(inspected.members));
      assert.deepEqual(
        inspected.members.map((member) => [member.pid, member.tid]),
        [[process.pid, tid]],
      );
    }
  });

  test('figures of memory are those of the raw files', { skip: withoutControllers('memory') }, async (t) => {
    using made = makeCgroup('memory', NAME);
    const sleeper = await startSleeper([]);
    t.after(sleeper.stop);
    made.write('cgroup.procs', String(sleeper.pid));
    made.write(made.version === 1 ? 'memory.limit_in_bytes' : 'memory.max', String(64 * MIB));
    const inspected = await inspect(made.ref);
    assert.ok('usageBytes' in inspected.memory && 'own' in inspected.memory.limit);
    const usage = Number(made.read(made.version === 1 ? 'memory.usage_in_bytes' : 'memory.current'));
    assert.equal(inspected.memory.usageBytes, usage);
    assert.equal(inspected.memory.limit.own, 64 * MIB);
    assert.equal((inspected.memory.limit.headroom ?? 0) + usage, 64 * MIB);
    const anon = new RegExp(made.version === 1 ? '^total_rss ([0-9]+)$' : '^anon ([0-9]+)$', 'm').exec(
      made.read('memory.stat'),
    )?.[1];
    assert.equal(inspected.memory.anonBytes, Number(anon));
    const { figures } = await row(made);
    assert.deepEqual([figures.memoryBytes, figures.memoryLimitBytes, figures.oomKills], [usage, 64 * MIB, 0]);
  });

  test('an OOM kill is counted and marked', { skip: withoutControllers('memory') }, async () => {
    using made = makeCgroup('memory', NAME);
    limitMemory(made);
    const shell = `echo $$ > "${made.directory}/cgroup.procs"; exec tail /dev/zero`;
    assert.throws(() => execFileSync('sh', ['-c', shell], { stdio: 'ignore' }), { signal: 'SIGKILL' });
    const { figures, badges } = await untilAnswer(
      'the OOM kill',
      () => row(made),
      (one) => (one.figures.oomKills ?? 0) > 0,
    );
    const file = made.version === 1 ? 'memory.oom_control' : 'memory.events';
    assert.equal(figures.oomKills, Number(/^oom_kill ([0-9]+)$/m.exec(made.read(file))?.[1]));
    assert.ok(badges.includes('oomKilled'));
    const { memory } = await inspect(made.ref);
    assert.ok('events' in memory && 'oomKills' in memory.events && memory.events.oomKills === figures.oomKills);
  });

  test('a kill for the limit of a parent is marked where the killed process was', {
    skip: withoutControllers('memory'),
  }, async () => {
    using parent = makeCgroup('memory', NAME);
    limitMemory(parent);
    using child = parent.child('child', ['memory']);
    const shell = `echo $$ > "${child.directory}/cgroup.procs"; exec tail /dev/zero`;
    assert.throws(() => execFileSync('sh', ['-c', shell], { stdio: 'ignore' }), { signal: 'SIGKILL' });
    const { badges } = await untilAnswer(
      'the OOM kill',
      () => row(child),
      (one) => (one.figures.oomKills ?? 0) > 0,
    );
    assert.ok(badges.includes('oomKilled'));
  });

  test('page cache that can be taken back does not make a limit close', { skip: withoutControllers('memory') }, async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-cache-'));
    t.after(() => rmSync(folder, { recursive: true }));
    if (statfsSync(folder).type === TMPFS_MAGIC) return t.skip('the temporary folder is in memory');
    using made = makeCgroup('memory', NAME);
    limitMemory(made);
    const write = `echo $$ > "${made.directory}/cgroup.procs"; exec dd if=/dev/zero "of=${folder}/file" bs=1M count=32 conv=fsync status=none`;
    // How much the kernel takes back in between is its own affair: at most one page at a time, or a good part of it.
    const { figures, badges } = await untilAnswer(
      'cache that fills the limit',
      async () => {
        execFileSync('sh', ['-c', write]);
        return await row(made);
      },
      (one) => (one.figures.memoryBytes ?? 0) > 14.4 * MIB,
    );
    assert.ok(
      (figures.workingSetBytes ?? Number.POSITIVE_INFINITY) < 8 * MIB,
      `${figures.workingSetBytes} bytes without cache`,
    );
    assert.ok(!badges.includes('nearLimit'));
  });

  test('a cgroup that was made anew under the same name is another one', { skip: withoutControllers('pids') }, async () => {
    const first = makeCgroup('pids', NAME);
    first[Symbol.dispose]();
    using second = makeCgroup('pids', NAME);
    assert.notEqual(first.ref.ino, second.ref.ino);
    await refusalOf(inspect(first.ref), 'gone');
    assert.equal((await inspect(second.ref)).ino, second.ref.ino);
    second[Symbol.dispose]();
    await refusalOf(inspect(second.ref), 'gone');
  });
});

/** To 16 MiB, swap included. */
function limitMemory(made: MadeCgroup): void {
  made.write(made.version === 1 ? 'memory.limit_in_bytes' : 'memory.max', String(16 * MIB));
  if (made.version === 2) made.write('memory.swap.max', '0');
  // A kernel without swap accounting has no such file.
  else if (existsSync(`${made.directory}/${WITH_SWAP}`)) made.write(WITH_SWAP, String(16 * MIB));
}

/** v2 accounts for CPU time in every cgroup, and for memory where the controller is handed down. */
function onV2(figures: Cgroup['figures']): Cgroup['figures'] {
  const { tasks: _, tasksLimit: __, ...others } = figures;
  return others;
}
