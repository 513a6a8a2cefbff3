/** `cgroups/list`, `inspect` and `subscribe` against the raw files, the kernel's own counts and real containers; v1, v2 and hybrid. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import {
  type Cgroup,
  type CgroupRef,
  type CgroupSample,
  CgroupsInspect,
  type CgroupsInspectResult,
  CgroupsList,
  CgroupsSampled,
  type CgroupsSampledParams,
  CgroupsSubscribe,
} from '../../helper/protocol/cgroups.ts';
import { HostChanged, HostWatch, ProcessesList } from '../../helper/protocol.ts';
import { type MadeCgroup, makeCgroup, mountWith } from '../fixtures/cgroup.ts';
import { type Docker, startDocker } from '../fixtures/docker.ts';
import { isHelperRoot, isRoot, patient, unlessRootHas } from '../fixtures/environment.ts';
import { holdReads } from '../fixtures/heldRead.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refOfProcess, startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const NAME = `isoscope-test-${process.pid}`;
/** For what must come, on a machine that may be busy. */
const PATIENCE_MILLIS = patient(20_000);
const NEEDS_ROOT = !isRoot && 'only root can make cgroups';
const MIB = 2 ** 20;

function without(...controllers: string[]): string | false {
  if (!isRoot) return NEEDS_ROOT;
  const missing = controllers.filter((controller) => mountWith(controller) === undefined);
  return missing.length > 0 && `no hierarchy with ${missing.join(' and ')} is mounted`;
}

describe('cgroups', () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  const list = async (hierarchy?: string) => await helper.request(CgroupsList, hierarchy === undefined ? {} : { hierarchy });
  const inspect = ({ hierarchy, path, ino }: CgroupRef) => helper.request(CgroupsInspect, { cgroup: { hierarchy, path, ino } });

  async function row({ ref }: MadeCgroup): Promise<Cgroup> {
    const { cgroups } = await list(ref.hierarchy);
    const found = cgroups.find(({ path, ino }) => path === ref.path && ino === ref.ino);
    assert.ok(found, `${ref.path} is not listed`);
    return found;
  }

  /** Asks until it is so. */
  async function until<T>(what: string, ask: () => Promise<T>, isIt: (value: T) => boolean): Promise<T> {
    const deadline = Date.now() + PATIENCE_MILLIS;
    for (;;) {
      const value = await ask();
      if (isIt(value)) return value;
      assert.ok(Date.now() < deadline, `${what} did not come; there was ${JSON.stringify(value)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Samples of these cgroups as they come. */
  async function subscribe(t: TestContext, cgroups: readonly MadeCgroup[]) {
    const subscription = t.name;
    const taken: CgroupsSampledParams[] = [];
    const listener = helper.connection.onNotification(CgroupsSampled, (params) => {
      if (params.subscription === subscription) taken.push(params);
    });
    t.after(async () => {
      listener.dispose();
      await helper.request(CgroupsSubscribe, { cgroups: [], subscription });
    });
    await helper.request(CgroupsSubscribe, { cgroups: cgroups.map(({ ref }) => ref), subscription, intervalMillis: 250 });
    const last = () => taken.at(-1);
    const sampleLike = (what: string, isIt: (sample: CgroupSample | null) => boolean) =>
      until(
        what,
        async () => last()?.samples[0] ?? null,
        (sample) => taken.length > 0 && isIt(sample),
      );
    return { taken, sampleLike };
  }

  describe('the list', () => {
    test('has every hierarchy of /proc/self/cgroup, and of each what is mounted', async () => {
      const { hierarchies, mode, unreadable, truncated } = await list();
      const expected = parseCgroups(readFileSync('/proc/self/cgroup', 'utf8')).map(({ hierarchy }) => hierarchy);
      assert.deepEqual(hierarchies.map(({ hierarchy }) => hierarchy).sort(), expected.sort());
      const versions = new Set(hierarchies.filter(({ mountPoint }) => mountPoint !== undefined).map(({ version }) => version));
      assert.equal(mode, versions.size === 2 ? 'hybrid' : versions.has(1) ? 'v1' : 'v2');
      assert.equal(truncated, false);
      const unmounted = hierarchies.filter(({ mountPoint }) => mountPoint === undefined).map(({ hierarchy }) => hierarchy);
      assert.deepEqual(unreadable.map(({ hierarchy }) => hierarchy).sort(), unmounted.sort());
    });

    test('has the parent of every cgroup before it', async () => {
      const { cgroups } = await list();
      const seen = new Set<string>();
      for (const { hierarchy, path, ino, parent } of cgroups) {
        assert.ok(parent === undefined ? path === '/' : seen.has(`${hierarchy} ${parent}`), `${hierarchy} ${path}`);
        seen.add(`${hierarchy} ${ino}`);
      }
    });

    test('has the cgroups that find shows, whatever they are called', { skip: without('pids') }, async () => {
      using top = makeCgroup('pids', NAME);
      const names = ['plain', 'with space', 'back\\slash\\x2d', 'ümläut', '-1', '#', 'x'.repeat(255)];
      for (const name of names) top.child(name);
      top.child(Buffer.from([0x61, 0xff, 0xfe, 0x62]));
      const { cgroups } = await list(top.ref.hierarchy);
      const below = cgroups
        .filter(({ parent }) => parent === top.ref.ino)
        .map(({ path }) => path.slice(top.ref.path.length + 1));
      assert.deepEqual(below.sort(), [...names, 'a\udcff\udcfeb'].sort());
      const listed = cgroups.filter(({ path }) => path.startsWith(top.ref.path)).map(({ ino }) => ino);
      const found = execFileSync('find', [top.directory, '-type', 'd', '-printf', '%i\\n'], { encoding: 'utf8' });
      assert.deepEqual(listed.sort(), found.trim().split('\n').map(Number).sort());
    });

    test('can be asked for one hierarchy, and without figures', async () => {
      const all = await list();
      const [first] = all.hierarchies.filter(({ mountPoint }) => mountPoint !== undefined);
      assert.ok(first);
      const { cgroups } = await helper.request(CgroupsList, { hierarchy: first.hierarchy, figures: false });
      assert.ok(cgroups.length > 0);
      for (const { hierarchy, figures } of cgroups) assert.deepEqual([hierarchy, figures], [first.hierarchy, {}]);
      await assert.rejects(list('no such hierarchy'), { data: { reason: 'notFound', hint: 'Refresh the view.' } });
    });

    test('counts members, tells populated from empty, and whom it is delegated to', { skip: without('pids') }, async (t) => {
      using top = makeCgroup('pids', NAME);
      const inner = top.child('inner');
      assert.deepEqual([(await row(top)).populated, (await row(top)).badges], [false, ['empty']]);
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      inner.write('cgroup.procs', String(sleeper.pid));
      chownSync(top.directory, 1234, 1234);
      const [outerRow, innerRow] = [await row(top), await row(inner)];
      assert.deepEqual([outerRow.memberCount, outerRow.populated, outerRow.delegatedUid], [0, true, 1234]);
      assert.deepEqual([innerRow.memberCount, innerRow.populated, innerRow.delegatedUid], [1, true, undefined]);
      assert.deepEqual(outerRow.badges, ['delegated']);
      const { members } = await inspect(inner.ref);
      assert.ok(Array.isArray(members));
      assert.deepEqual(members, [{ ...refOfProcess(sleeper.pid), name: 'busybox' }]);
    });
  });

  describe('limits', () => {
    test('of CPU time are shares of a CPU, with the raw values', { skip: without('cpu') }, async () => {
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

    test('that an ancestor has bind below it, and what siblings use counts', { skip: without('pids') }, async (t) => {
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

    test('that are none are null, however the version writes it', { skip: without('memory', 'pids') }, async () => {
      using memory = makeCgroup('memory', `${NAME}-memory`);
      const inspected = await inspect(memory.ref);
      assert.ok('limit' in inspected.memory && 'own' in inspected.memory.limit);
      const { own, effective, headroom, raw } = inspected.memory.limit;
      assert.deepEqual([own, effective, headroom], [null, null, null]);
      assert.equal(raw, memory.read(memory.version === 1 ? 'memory.limit_in_bytes' : 'memory.max').trim());
      assert.equal((await row(memory)).figures.memoryLimitBytes, undefined);
    });

    test('close to being reached are marked', { skip: without('pids') }, async (t) => {
      using made = makeCgroup('pids', NAME);
      made.write('pids.max', '1');
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      made.write('cgroup.procs', String(sleeper.pid));
      assert.ok((await row(made)).badges.includes('nearLimit'));
    });
  });

  test('what a version or a cgroup has not is told apart from nothing', { skip: without('pids') }, async () => {
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
    } else {
      assert.deepEqual(inspected.events, { populated: 0, frozen: 0 });
      assert.deepEqual(inspected.notifyOnRelease, { lacking: 'version' });
      assert.ok('bpf' in inspected.devices);
    }
  });

  test('threaded cgroups have threads as members, and their domain and what cannot be used are named', {
    skip: NEEDS_ROOT,
  }, async (t) => {
    const mount = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).find(({ type }) => type === 'cgroup2');
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

  test('figures of memory are those of the raw files', { skip: without('memory') }, async (t) => {
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

  test('an OOM kill is counted and marked', { skip: without('memory') }, async () => {
    using made = makeCgroup('memory', NAME);
    made.write(made.version === 1 ? 'memory.limit_in_bytes' : 'memory.max', String(16 * MIB));
    if (made.version === 2) made.write('memory.swap.max', '0');
    else tryTo(() => made.write('memory.memsw.limit_in_bytes', String(16 * MIB)));
    const shell = `echo $$ > "${made.directory}/cgroup.procs"; exec tail /dev/zero`;
    assert.throws(() => execFileSync('sh', ['-c', shell], { stdio: 'ignore' }), { signal: 'SIGKILL' });
    const { figures, badges } = await until(
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

  describe('samples', () => {
    test('measure a burner that may use 2 % of a CPU at 2 %, and its throttling', { skip: without('cpu') }, async (t) => {
      using cpu = makeCgroup('cpu', NAME);
      using cpuacct = cpu.version === 1 && !cpu.ref.hierarchy.includes('cpuacct') ? makeCgroup('cpuacct', NAME) : undefined;
      limitCpu(cpu, 2000);
      const burner = await startSpecimen(['sh', '-c', 'echo there; while :; do :; done']);
      t.after(burner.stop);
      for (const made of [cpu, cpuacct]) made?.write('cgroup.procs', String(burner.pid));
      const { taken } = await subscribe(t, [cpu, cpuacct ?? cpu]);
      const periods = (at: number) => taken.at(at)?.samples[0]?.periods ?? 0;
      // Forty periods make a quota that is overdrawn for one of them count for little.
      await until(
        'forty periods',
        async () => periods(-1) - periods(0),
        (passed) => passed >= 40,
      );
      const [first, last] = [taken[0], taken.at(-1)];
      assert.ok(first && last);
      const used = (last.samples[1]?.cpuUsageMicros ?? 0) - (first.samples[1]?.cpuUsageMicros ?? 0);
      const share = used / 1000 / (last.monotonicMillis - first.monotonicMillis);
      assert.ok(share > 0.01 && share < 0.03, `${share} of a CPU`);
      const throttled = (last.samples[0]?.throttledPeriods ?? 0) - (first.samples[0]?.throttledPeriods ?? 0);
      assert.ok(throttled > 20, `${throttled} periods throttled`);
      assert.ok((last.samples[0]?.throttledMicros ?? 0) > (first.samples[0]?.throttledMicros ?? 0));
      assert.equal(last.samples[0]?.cpuLimitCores, 0.02);
      const shown = await row(cpu);
      assert.ok(shown.badges.includes('throttled'));
    });

    test('count what is read from each block device, in bytes and in operations', {
      skip: without(mountWith('blkio') === undefined ? 'io' : 'blkio'),
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
      const { sampleLike } = await subscribe(t, [made]);
      const read = `echo $$ > "${made.directory}/cgroup.procs"; dd "if=${file}" of=/dev/null iflag=direct bs=4096 count=16 status=none`;
      execFileSync('sh', ['-c', read]);
      const sample = await sampleLike('what was read', (one) => (one?.readOperations ?? 0) >= 16);
      const { device, name, readBytes, readOperations } = sample?.devices?.find((one) => one.name === disk) ?? {};
      assert.equal(device, number);
      assert.deepEqual({ name, readBytes, readOperations }, { name: disk, readBytes: 65_536, readOperations: 16 });
      assert.equal(sample?.readBytes, 65_536);
    });

    test('stand still while a cgroup is frozen, and go on when it is thawed', {
      skip: without('freezer', 'cpu'),
    }, async (t) => {
      using freezer = makeCgroup('freezer', NAME);
      using counted = freezer.version === 1 ? makeCgroup('cpuacct', NAME) : undefined;
      const burner = await startSpecimen(['sh', '-c', 'echo there; while :; do :; done']);
      t.after(burner.stop);
      for (const made of [freezer, counted]) made?.write('cgroup.procs', String(burner.pid));
      const freeze = (frozen: boolean) =>
        freezer.version === 1
          ? freezer.write('freezer.state', frozen ? 'FROZEN' : 'THAWED')
          : freezer.write('cgroup.freeze', frozen ? '1' : '0');
      const { taken, sampleLike } = await subscribe(t, [counted ?? freezer]);
      const usage = () => taken.at(-1)?.samples[0]?.cpuUsageMicros ?? 0;
      const running = usage();
      await sampleLike('usage', (sample) => (sample?.cpuUsageMicros ?? 0) > running);
      freeze(true);
      await until(
        'the frozen badge',
        () => row(freezer),
        ({ badges }) => badges.includes('frozen'),
      );
      const from = taken.length;
      await until(
        'samples of the frozen cgroup',
        async () => taken.length,
        (count) => count >= from + 4,
      );
      const standing = new Set(taken.slice(from).map(({ samples }) => samples[0]?.cpuUsageMicros));
      assert.equal(standing.size, 1);
      const { freezer: section } = await inspect(freezer.ref);
      assert.ok('frozen' in section && section.frozen && section.self);
      const frozenAt = usage();
      freeze(false);
      await sampleLike('usage after the thaw', (sample) => (sample?.cpuUsageMicros ?? 0) > frozenAt);
      assert.ok(!(await row(freezer)).badges.includes('frozen'));
    });

    test('of a cgroup that is gone are null, and the others go on', { skip: without('pids') }, async (t) => {
      using lasting = makeCgroup('pids', `${NAME}-lasting`);
      const passing = makeCgroup('pids', `${NAME}-passing`);
      const { taken } = await subscribe(t, [passing, lasting]);
      await until(
        'samples',
        async () => taken.at(-1)?.samples,
        (samples) => samples?.[0] !== null && samples?.[1] !== null && samples !== undefined,
      );
      passing[Symbol.dispose]();
      const samples = await until(
        'the end',
        async () => taken.at(-1)?.samples,
        (all) => all?.[0] === null,
      );
      assert.equal(samples?.[1]?.tasks, 0);
    });

    test('of a cgroup whose file the kernel does not give say so, the others go on, and it comes back', {
      skip: !isHelperRoot ? 'only root may take the descriptor' : without('pids'),
    }, async (t) => {
      using held = makeCgroup('pids', `${NAME}-held`);
      using other = makeCgroup('pids', `${NAME}-other`);
      const { taken, sampleLike } = await subscribe(t, [held, other]);
      await sampleLike('tasks', (sample) => sample?.tasks === 0);
      const release = await holdReads(helper.process.pid!, `${held.directory}/pids.current`);
      try {
        const sample = await sampleLike('that it is held back', (one) => one?.heldBack !== undefined);
        assert.deepEqual(sample, { heldBack: 'pids.current' });
        const count = taken.length;
        await until(
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

    test('end with an empty subscription', { skip: without('pids') }, async (t) => {
      using made = makeCgroup('pids', NAME);
      const { taken } = await subscribe(t, [made]);
      await until(
        'a sample',
        async () => taken.length,
        (count) => count > 0,
      );
      await helper.request(CgroupsSubscribe, { cgroups: [], subscription: t.name });
      const count = taken.length;
      const { taken: others } = await subscribeAs('another', [made]);
      await until(
        'samples of another subscription',
        async () => others.length,
        (more) => more >= 3,
      );
      await helper.request(CgroupsSubscribe, { cgroups: [], subscription: 'another' });
      assert.equal(taken.length, count);
    });
  });

  async function subscribeAs(subscription: string, cgroups: readonly MadeCgroup[]) {
    const taken: CgroupsSampledParams[] = [];
    helper.connection.onNotification(CgroupsSampled, (params) => {
      if (params.subscription === subscription) taken.push(params);
    });
    await helper.request(CgroupsSubscribe, { cgroups: cgroups.map(({ ref }) => ref), subscription, intervalMillis: 250 });
    return { taken };
  }

  test('a cgroup that was made anew under the same name is another one', { skip: without('pids') }, async () => {
    const first = makeCgroup('pids', NAME);
    first[Symbol.dispose]();
    using second = makeCgroup('pids', NAME);
    assert.notEqual(first.ref.ino, second.ref.ino);
    await assert.rejects(inspect(first.ref), isGone);
    assert.equal((await inspect(second.ref)).ino, second.ref.ino);
    second[Symbol.dispose]();
    await assert.rejects(inspect(second.ref), isGone);
  });

  describe('while they are watched', () => {
    before(() => helper.request(HostWatch, { parts: ['cgroups'] }));
    after(() => helper.request(HostWatch, { parts: [] }));

    /** What happens in between raises a notification; the list then shows it. */
    async function told<T>(what: string, happen: () => void, ask: () => Promise<T>, isIt: (value: T) => boolean): Promise<T> {
      let count = 0;
      const listener = helper.connection.onNotification(HostChanged, ({ parts }) => {
        if (parts.includes('cgroups')) count += 1;
      });
      try {
        happen();
        await until(
          `host/changed for ${what}`,
          async () => count,
          (notified) => notified > 0,
        );
        return await until(what, ask, isIt);
      } finally {
        listener.dispose();
      }
    }

    test('a new one and the end of one are told, also deep below', { skip: without('pids') }, async () => {
      await list();
      const made: MadeCgroup[] = [];
      const isListed = async () => {
        const inos = new Set((await list()).cgroups.map(({ ino, hierarchy }) => `${hierarchy} ${ino}`));
        return made.filter(({ ref }) => inos.has(`${ref.hierarchy} ${ref.ino}`)).length;
      };
      const create = (make: () => MadeCgroup) =>
        told(
          'a new cgroup',
          () => made.push(make()),
          isListed,
          (count) => count === made.length,
        );
      await create(() => makeCgroup('pids', NAME));
      await create(() => made[0]!.child('inner'));
      await create(() => made[1]!.child('innermost'));
      await told(
        'the end of three',
        () => made[0]?.[Symbol.dispose](),
        isListed,
        (count) => count === 0,
      );
    });

    test('a limit that someone writes is told, and so is a process that moves in and ends', {
      skip: without('pids'),
    }, async (t) => {
      using made = makeCgroup('pids', NAME);
      await until(
        'the cgroup',
        () => list(),
        ({ cgroups }) => cgroups.some(({ path }) => path === made.ref.path),
      );
      const ask = () => row(made);
      await told(
        'the limit',
        () => made.write('pids.max', '77'),
        ask,
        ({ figures }) => figures.tasksLimit === 77,
      );
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      const move = () => made.write('cgroup.procs', String(sleeper.pid));
      await told('the process', move, ask, ({ memberCount, populated }) => memberCount === 1 && populated === true);
      await sleeper.stop();
      await until(
        'the end of the process',
        ask,
        ({ memberCount, populated, figures }) => memberCount === 0 && populated === false && figures.tasks === 0,
      );
    });

    test('the end of a process is counted where it was moved to, though no event told whence', {
      skip: without('pids'),
    }, async (t) => {
      using made = makeCgroup('pids', `${NAME}-moved`);
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      // It knows the process from where it was before.
      await using other = await startHelper();
      await other.request(HostWatch, { parts: ['processes', 'cgroups'] });
      await other.request(ProcessesList, {});
      const count = async () => {
        const { cgroups } = await other.request(CgroupsList, { hierarchy: made.ref.hierarchy });
        return cgroups.find(({ path }) => path === made.ref.path)?.memberCount;
      };
      assert.equal(await count(), 0);
      made.write('cgroup.procs', String(sleeper.pid));
      assert.equal(await count(), 1);
      await sleeper.stop();
      const knows = async () => (await other.request(ProcessesList, {})).processes.some(({ pid }) => pid === sleeper.pid);
      await until('the end of the process', knows, (isKnown) => !isKnown);
      assert.equal(await count(), 0);
    });

    test('its processes are counted right as they fork, end and are moved', { skip: without('pids') }, async (t) => {
      using one = makeCgroup('pids', `${NAME}-one`);
      using other = makeCgroup('pids', `${NAME}-other`);
      const counted = async () => {
        const { cgroups } = await list(one.ref.hierarchy);
        return [one, other].map(({ ref }) => cgroups.find(({ path }) => path === ref.path)?.memberCount);
      };
      const listed = () => [one, other].map((made) => made.read('cgroup.procs').split('\n').filter(Boolean).length);
      assert.deepEqual(await counted(), [0, 0]);
      const shell = await startSpecimen(['busybox', 'sh', '-c', 'echo there; while read line; do sleep 1000 & done']);
      t.after(shell.stop);
      one.write('cgroup.procs', String(shell.pid));
      assert.deepEqual(await counted(), [1, 0]);
      assert.deepEqual(await counted(), [1, 0]);
      shell.child.stdin?.write('\n\n');
      await until('both that were forked', counted, ([count]) => count === 3);
      assert.deepEqual(listed(), [3, 0]);
      process.kill(Number(one.read('cgroup.procs').trim().split('\n').at(-1)), 'SIGKILL');
      await until('the end of one', counted, ([count]) => count === 2);
      other.write('cgroup.procs', String(shell.pid));
      assert.deepEqual(await counted(), [1, 1]);
      assert.deepEqual(listed(), [1, 1]);
      one.kill();
      await until('the end of all', counted, ([count]) => count === 0);
    });

    test('a thread of a process of another cgroup counts as long as it lives', { skip: without('pids') }, async (t) => {
      using made = makeCgroup('pids', NAME);
      if (made.version === 2) return t.skip('v2 has threads in threaded cgroups only');
      const threads = await startSpecimen(['node', '-e', 'setInterval(() => undefined, 1e9); console.log("there")']);
      t.after(threads.stop);
      const tid = readdirSync(`/proc/${threads.pid}/task`).find((id) => Number(id) !== threads.pid);
      assert.equal((await row(made)).memberCount, 0);
      made.write('tasks', String(tid));
      assert.equal((await row(made)).memberCount, 1);
      await threads.stop();
      await until(
        'the end of the thread',
        () => row(made),
        ({ memberCount, populated }) => memberCount === 0 && populated === false,
      );
    });

    test('a file of a cgroup stays open only while it has processes and is watched', { skip: without('pids') }, async (t) => {
      using made = makeCgroup('pids', NAME);
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      const held = async () => {
        await list(made.ref.hierarchy);
        return openFilesOf(helper.process.pid!).filter((file) => file.startsWith(`${made.directory}/`));
      };
      made.write('cgroup.procs', String(sleeper.pid));
      await until('an open file', held, (files) => files.length > 0);
      await sleeper.stop();
      await until('no open file', held, (files) => files.length === 0);
      const another = await startSleeper([]);
      t.after(another.stop);
      made.write('cgroup.procs', String(another.pid));
      await until('an open file', held, (files) => files.length > 0);
      await helper.request(HostWatch, { parts: [] });
      assert.deepEqual(await held(), []);
      await helper.request(HostWatch, { parts: ['cgroups'] });
    });

    test('what happened while they were not watched is there when they are again', { skip: without('pids') }, async () => {
      using made = makeCgroup('pids', NAME);
      made.write('pids.max', '77');
      using old = made.child('old', ['pids']);
      const before = await row(made);
      assert.equal(before.figures.tasksLimit, 77);
      await helper.request(HostWatch, { parts: [] });
      await list();
      made.write('pids.max', '78');
      using other = makeCgroup('pids', `${NAME}-other`);
      old[Symbol.dispose]();
      using child = made.child('new', ['pids']);
      await helper.request(HostWatch, { parts: ['cgroups'] });
      assert.equal((await row(made)).figures.tasksLimit, 78);
      assert.equal((await row(other)).parent, before.parent);
      assert.equal((await row(child)).parent, made.ref.ino);
    });

    test('a list holds what was written just before it', { skip: without('pids') }, async () => {
      using made = makeCgroup('pids', NAME);
      for (let limit = 50; limit < 80; limit += 1) {
        made.write('pids.max', String(limit));
        assert.equal((await row(made)).figures.tasksLimit, limit);
      }
    });

    test('one that is made through a mount in another cgroup namespace is told too', { skip: without('pids') }, async () => {
      const mount = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).find(({ type }) => type === 'cgroup2');
      if (mount === undefined) return;
      const directory = `${mount.mountPoint}/${NAME}`;
      mkdirSync(`${directory}/quiet`, { recursive: true });
      try {
        const known = ({ cgroups }: { cgroups: Cgroup[] }) => cgroups.some(({ path }) => path === `/${NAME}/quiet`);
        await until('the cgroup', () => list('unified'), known);
        const inside = `mount -t cgroup2 none /mnt && mkdir /mnt/quiet/inner`;
        const enter = `echo $$ > "${directory}/cgroup.procs"; exec unshare --cgroup --mount sh -c "$1"`;
        const happen = () => void execFileSync('sh', ['-c', enter, 'sh', inside]);
        const isThere = ({ cgroups }: { cgroups: Cgroup[] }) => cgroups.some(({ path }) => path === `/${NAME}/quiet/inner`);
        await told('the inner cgroup', happen, () => list('unified'), isThere);
      } finally {
        for (const path of [`${directory}/quiet/inner`, `${directory}/quiet`, directory]) tryTo(() => rmdirSync(path));
      }
    });

    test('a frozen one is told', { skip: without('freezer') }, async () => {
      using made = makeCgroup('freezer', NAME);
      const inner = made.child('inner');
      await until(
        'the cgroup',
        () => list(),
        ({ cgroups }) => cgroups.some(({ path }) => path === inner.ref.path),
      );
      const freeze = () => (made.version === 1 ? made.write('freezer.state', 'FROZEN') : made.write('cgroup.freeze', '1'));
      // v1 freezes only what has a process that can be; without any it is frozen at once.
      await told(
        'the frozen child',
        freeze,
        () => row(inner),
        ({ badges }) => badges.includes('frozen'),
      );
    });
  });

  test('new ones are told to a user who may watch only a few directories', { skip: without('pids') }, async () => {
    const few = 'echo 3 > /proc/sys/user/max_inotify_watches && exec "$@"';
    await using limited = await startHelper({ through: ['unshare', '--user', '--map-root-user', 'sh', '-c', few, 'sh'] });
    await limited.request(HostWatch, { parts: ['cgroups'] });
    await limited.request(CgroupsList, {});
    const changed = limited.changed(['cgroups'], PATIENCE_MILLIS);
    using top = makeCgroup('pids', NAME);
    const inner = top.child('inner');
    await changed;
    const { cgroups } = await limited.request(CgroupsList, {});
    assert.ok(cgroups.some(({ ino, hierarchy }) => ino === inner.ref.ino && hierarchy === inner.ref.hierarchy));
  });

  test('nothing is told while they are not watched', { skip: without('pids') }, async () => {
    await helper.request(HostWatch, { parts: ['processes'] });
    let told = 0;
    const listener = helper.connection.onNotification(HostChanged, ({ parts }) => {
      if (parts.includes('cgroups')) told += 1;
    });
    await list();
    using made = makeCgroup('pids', NAME);
    assert.equal((await row(made)).path, made.ref.path);
    // A notification of another part comes after any that the cgroup could have raised.
    const changed = helper.changed(['processes'], PATIENCE_MILLIS);
    const sleeper = await startSleeper([]);
    await changed;
    await sleeper.stop();
    listener.dispose();
    await helper.request(HostWatch, { parts: [] });
    assert.equal(told, 0);
  });

  test('a hierarchy whose files do not answer is busy, and holds up nothing but its own rows', {
    skip: !isHelperRoot && 'only root may do or see it',
  }, async (t) => {
    const mount = mountWith('pids');
    if (mount === undefined) return t.skip('no hierarchy with pids is mounted');
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-fifo-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const fifo = path.join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const cover = `mount --bind "${fifo}" "${mount.mountPoint}/cgroup.procs"; exec "$@"`;
    await using held = await startHelper({
      through: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', cover, 'sh'],
    });
    const listing = held.request(CgroupsList, {});
    assert.ok((await held.request(ProcessesList, {})).processes.length > 0);
    const { unreadable, cgroups } = await listing;
    const name = mount.type === 'cgroup2' ? 'unified' : 'pids';
    assert.deepEqual(unreadable, [{ hierarchy: name, why: { unknown: 'busy' } }]);
    assert.ok(mount.type === 'cgroup2' || cgroups.length > 0);
    for (let again = 0; again < 3; again += 1)
      assert.deepEqual((await held.request(CgroupsList, {})).unreadable, unreadable, 'the others are still read');
    execFileSync('nsenter', [
      `--mount=/proc/${held.process.pid}/ns/mnt`,
      'umount',
      '--lazy',
      `${mount.mountPoint}/cgroup.procs`,
    ]);
    writeFileSync(fifo, '\n');
    const again = await until(
      'the hierarchy',
      () => held.request(CgroupsList, {}),
      (answer) => answer.unreadable.length === 0,
    );
    assert.ok(again.cgroups.some(({ hierarchy }) => hierarchy === name));
  });

  test('a hierarchy that a cgroup namespace hides is unreadable, not empty', {
    skip: !isHelperRoot && 'only root may do or see it',
  }, async () => {
    using made = makeCgroup('pids', NAME);
    const enter = `echo $$ > "${made.directory}/cgroup.procs"; exec "$@"`;
    await using hidden = await startHelper({
      through: ['sh', '-c', enter, 'sh', 'unshare', '--cgroup', '--mount', '--propagation', 'private'],
    });
    const { unreadable, cgroups } = await hidden.request(CgroupsList, {});
    const why = unreadable.find(({ hierarchy }) => hierarchy === made.ref.hierarchy)?.why;
    assert.deepEqual(why, { unknown: 'unsupported' });
    assert.ok(!cgroups.some(({ hierarchy }) => hierarchy === made.ref.hierarchy));
  });

  describe('of Docker', { skip: unlessRootHas('docker', 'dockerd') }, () => {
    let engine: Docker;
    before(async () => {
      engine = await startDocker();
    });
    after(() => engine?.[Symbol.asyncDispose]());

    test('bear the name of the container, with its limits and what docker stats measures', async () => {
      using made = engine.run(NAME, ['sleep', '1000'], ['--cpu-quota=2000', '--memory=64m', '--pids-limit=20']);
      const ownOf = (cgroups: Cgroup[]) => cgroups.filter(({ path }) => path.includes(made.id));
      const mergedOf = (own: Cgroup[]) => Object.assign({}, ...own.map(({ figures }) => figures)) as Cgroup['figures'];
      // The engine's own program, which has threads, executes the container's a moment after the container is said to run.
      const { cgroups } = await until(
        'the container with its own program',
        () => list(),
        (answer) => mergedOf(ownOf(answer.cgroups)).tasks === 1,
      );
      const own = ownOf(cgroups);
      const merged = mergedOf(own);
      assert.deepEqual([merged.cpuLimitCores, merged.memoryLimitBytes, merged.tasksLimit], [0.02, 64 * MIB, 20]);
      for (const { container, title } of own)
        assert.deepEqual([container, title], [`docker:${made.id}`, isHelperRoot ? NAME : title]);
      const memory = own.find(({ figures }) => figures.memoryBytes !== undefined);
      assert.ok(memory);
      const stats = execFileSync('docker', ['stats', '--no-stream', '--format', '{{.MemUsage}}|{{.PIDs}}', NAME], {
        encoding: 'utf8',
      });
      const { memory: section } = await inspect(memory);
      assert.ok('workingSetBytes' in section && typeof section.workingSetBytes === 'number');
      assert.match(stats, /\/ 64MiB\|1$/m);
      const shown = Number(/^([0-9.]+)/.exec(stats)?.[1]) * (stats.includes('KiB /') ? 1024 : MIB);
      assert.ok(Math.abs(shown - section.workingSetBytes) < MIB / 4, `docker: ${stats}, here: ${section.workingSetBytes}`);
      assert.ok(!own.some(({ badges }) => badges.includes('escapeRisk') || badges.includes('escapeUnknown')));
    });

    test('with CAP_SYS_ADMIN are neither safe nor a danger for whom may not read their mounts', {
      skip: isHelperRoot && 'root may read them',
    }, async (t) => {
      const v1 = mountWith('pids');
      if (v1?.type !== 'cgroup') return t.skip('this host has no v1 hierarchy');
      using made = engine.run(NAME, ['sleep', '1000'], ['--cap-add=SYS_ADMIN', `--volume=${v1.mountPoint}:/hierarchy`]);
      const own = await until(
        'the mark',
        async () => (await list()).cgroups.filter(({ path, hierarchy }) => path.includes(made.id) && hierarchy !== 'unified'),
        (cgroups) => cgroups.length > 0 && cgroups.every(({ badges }) => badges.includes('escapeUnknown')),
      );
      assert.ok(!own.some(({ badges }) => badges.includes('escapeRisk')));
      const { risks } = await inspect(own[0]!);
      const [unknown] = risks.filter(({ kind }) => kind === 'writableByContainer');
      assert.equal(unknown?.severity, 'unknown');
      assert.match(unknown.evidence, new RegExp(`the container .* is not known: .* ${made.pid}( |,).*may not be read`));
      assert.match(unknown.fix, /as root/);
    });

    test('with CAP_SYS_ADMIN and a writable v1 hierarchy are a danger, with the evidence', {
      skip: !isHelperRoot && 'only root may do or see it',
    }, async (t) => {
      const v1 = mountWith('pids');
      if (v1?.type !== 'cgroup') return t.skip('this host has no v1 hierarchy');
      using made = engine.run(NAME, ['sleep', '1000'], ['--cap-add=SYS_ADMIN', `--volume=${v1.mountPoint}:/hierarchy`]);
      const { cgroups } = await until(
        'the container',
        () => list(),
        (answer) => answer.cgroups.some((one) => one.path.includes(made.id)),
      );
      const own = cgroups.filter(({ path, hierarchy }) => path.includes(made.id) && hierarchy !== 'unified');
      for (const { badges } of own) assert.ok(badges.includes('escapeRisk'));
      const { risks } = await inspect(own[0]!);
      const danger = risks.find(({ kind }) => kind === 'writableByContainer');
      assert.equal(danger?.severity, 'danger');
      assert.match(danger?.evidence ?? '', new RegExp(`${NAME}.*/hierarchy \\(pids\\).*${made.pid}.*CAP_SYS_ADMIN`));
    });

    test('with a process that was given more privilege than its first are a danger by that one', {
      skip: !isHelperRoot && 'only root may do or see it',
    }, async (t) => {
      const v1 = mountWith('pids');
      if (v1?.type !== 'cgroup') return t.skip('this host has no v1 hierarchy');
      using made = engine.run(
        NAME,
        ['sleep', '1000'],
        ['--cap-add=SYS_ADMIN', '--user=1000', `--volume=${v1.mountPoint}:/hierarchy`],
      );
      const { cgroups } = await until(
        'the container',
        () => list(),
        (answer) => answer.cgroups.some((one) => one.path.includes(made.id)),
      );
      const own = cgroups.find(({ path, hierarchy }) => path.includes(made.id) && hierarchy !== 'unified');
      const dangers = async () => (await inspect(own!)).risks.filter(({ severity }) => severity === 'danger');
      assert.deepEqual(await dangers(), []);
      const isMarked = async () => (await list()).cgroups.find(({ ino }) => ino === own!.ino)?.badges.includes('escapeRisk');
      assert.equal(await isMarked(), false);
      execFileSync('docker', ['exec', '--detach', '--user=0', NAME, 'sleep', '999']);
      const [danger] = await until('the danger', dangers, (found) => found.length > 0);
      const [, pid] = /its process, (\d+), holds CAP_SYS_ADMIN/.exec(danger?.evidence ?? '') ?? [];
      assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /^sleep\x00999/);
      await until('the mark in the list', isMarked, (marked) => marked === true);
    });
  });
});

function openFilesOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${descriptor}`)];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}

function limitCpu(made: MadeCgroup, quotaMicros: number): void {
  if (made.version === 1) made.write('cpu.cfs_quota_us', String(quotaMicros));
  else made.write('cpu.max', `${quotaMicros} 100000`);
}

/** v2 accounts for CPU time in every cgroup, and for memory where the controller is handed down. */
function onV2(figures: Cgroup['figures']): Cgroup['figures'] {
  const { tasks: _, tasksLimit: __, ...others } = figures;
  return others;
}

function isGone(error: { data?: { reason?: string } }): boolean {
  return error.data?.reason === 'gone';
}

function tryTo(action: () => void): void {
  try {
    action();
  } catch {
    // A kernel without swap accounting has no such file.
  }
}
