/** Changing cgroups, and reading and writing their files, held against the kernel's own files. */
import assert from 'node:assert/strict';
import { chownSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  type CgroupChange,
  CgroupsChange,
  type CgroupsChangeResult,
  CgroupsExplain,
  CgroupsFreeze,
  CgroupsKill,
  CgroupsReadFile,
  CgroupsWriteFile,
} from '../../helper/protocol/cgroups.ts';
import type { ErrorData, Reason } from '../../helper/protocol/errors.ts';
import { type MadeCgroup, makeCgroup, mountWith, setFrozen, withoutControllers } from '../fixtures/cgroup.ts';
import { mountDeafFileSystem } from '../fixtures/deafFileSystem.ts';
import type { English } from '../fixtures/english.ts';
import { isHelperRoot, isRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { until } from '../fixtures/until.ts';
import { refOfProcess, type Specimen, startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const NAME = `isoscope-test-changes-${process.pid}`;
const NOBODY = 65534;
const PAGE = 4096;
const MEBI = 1024 * 1024;

/** Joins the cgroup and then takes 40 MiB, which cannot be reclaimed as long as there is no swap. */
const HOLD_MEMORY = `
require('node:fs').writeFileSync(process.argv[1] + '/cgroup.procs', String(process.pid));
global.held = Buffer.alloc(40 * 1024 * 1024, 1);
process.stdout.write('there');
process.stdin.resume();
`;

const skip = !isHelperRoot && 'only root may change cgroups';
const without = (controller: string) => skip || withoutControllers(controller);

/** A cgroup with the controller that lasts as long as the test. */
function cgroupFor(t: TestContext, controller: string): MadeCgroup {
  const cgroup = makeCgroup(controller, NAME);
  t.after(() => {
    // What is frozen does not end.
    if (controller === 'freezer') setFrozen(cgroup, false);
    cgroup[Symbol.dispose]();
  });
  return cgroup;
}

async function sleeperIn(t: TestContext, cgroup: MadeCgroup): Promise<Specimen> {
  const sleeper = await startSleeper([]);
  t.after(sleeper.stop);
  cgroup.write('cgroup.procs', String(sleeper.pid));
  return sleeper;
}

function change({ request }: RunningHelper, { ref }: MadeCgroup, one: CgroupChange, acknowledged: string[] = []) {
  return request(CgroupsChange, { cgroup: ref, change: one, acknowledged });
}

async function undo(helper: RunningHelper, result: CgroupsChangeResult): Promise<void> {
  for (const one of result.undo) await helper.request(CgroupsChange, one);
}

/** What a refusal looks like to a client; `says` is looked for in the message and the hint. */
function refusal(reason: Reason, says: RegExp, errno?: string) {
  return (error: unknown) => {
    const { data, message } = error as { data: English<ErrorData>; message: string };
    assert.equal(data?.reason, reason, message);
    assert.match(`${message} ${data.hint ?? ''}`, says);
    if (errno !== undefined) assert.equal(data.errno, errno, message);
    return true;
  };
}

const isFrozen = (cgroup: MadeCgroup) =>
  cgroup.version === 2 ? /^frozen 1$/m.test(cgroup.read('cgroup.events')) : cgroup.read('freezer.state') === 'FROZEN\n';
const pidsOf = (cgroup: MadeCgroup) => cgroup.read('cgroup.procs').split('\n').filter(Boolean).map(Number);
const hasEnded = (pid: number) => !existsSync(`/proc/${pid}`) || / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

describe('limits', { skip }, () => {
  test('of CPU are set in one vocabulary over both versions, and put back exactly', { skip: without('cpu') }, async (t) => {
    const cgroup = cgroupFor(t, 'cpu');
    await using helper = await startHelper();
    const stands = () =>
      cgroup.version === 2
        ? cgroup.read('cpu.max').trim()
        : `${cgroup.read('cpu.cfs_quota_us').trim()} ${cgroup.read('cpu.cfs_period_us').trim()}`;
    const unlimited = stands();
    const twoPercent = await change(helper, cgroup, { kind: 'cpuLimit', quotaMicros: 2000 });
    assert.equal(stands(), '2000 100000');
    const half = await change(helper, cgroup, { kind: 'cpuLimit', quotaMicros: 25_000, periodMicros: 50_000 });
    assert.equal(stands(), '25000 50000');
    await undo(helper, half);
    assert.equal(stands(), '2000 100000');
    await undo(helper, twoPercent);
    assert.equal(stands(), unlimited);
    await change(helper, cgroup, { kind: 'cpuLimit', quotaMicros: 2000 });
    await change(helper, cgroup, { kind: 'cpuLimit', quotaMicros: null });
    assert.equal(stands(), unlimited);
  });

  test('of CPU that cannot be are refused with the range before anything is written', { skip: without('cpu') }, async (t) => {
    const cgroup = cgroupFor(t, 'cpu');
    await using helper = await startHelper();
    const file = cgroup.version === 2 ? 'cpu.max' : 'cpu.cfs_period_us';
    const before = cgroup.read(file);
    for (const one of [
      { quotaMicros: 999 },
      { quotaMicros: 2000, periodMicros: 999 },
      { quotaMicros: null, periodMicros: 2e6 },
    ]) {
      await assert.rejects(change(helper, cgroup, { kind: 'cpuLimit', ...one }), refusal('invalid', /1000/));
    }
    assert.equal(cgroup.read(file), before);
  });

  test('of CPU in v1 leave nothing half done when the kernel refuses the second file', {
    skip: without('cpu') || (mountWith('cpu')?.type === 'cgroup2' && 'v2 has one file'),
  }, async (t) => {
    const cgroup = cgroupFor(t, 'cpu');
    cgroup.write('cpu.cfs_quota_us', '10000');
    const child = cgroup.child('child');
    await using helper = await startHelper();
    // 20 % is more than the 10 % of the parent.
    const refused = change(helper, child, { kind: 'cpuLimit', quotaMicros: 100_000, periodMicros: 500_000 });
    await assert.rejects(refused, refusal('invalid', /at most the parent/, 'EINVAL'));
    assert.equal(child.read('cpu.cfs_period_us'), '100000\n');
    assert.equal(child.read('cpu.cfs_quota_us'), '-1\n');
  });

  test('of CPU weight are set and put back', { skip: without('cpu') }, async (t) => {
    const cgroup = cgroupFor(t, 'cpu');
    await using helper = await startHelper();
    const file = cgroup.version === 2 ? 'cpu.weight' : 'cpu.shares';
    const before = cgroup.read(file);
    const result = await change(helper, cgroup, { kind: 'cpuWeight', weight: 512 }, ['belowUsage']);
    assert.equal(cgroup.read(file), '512\n');
    await undo(helper, result);
    assert.equal(cgroup.read(file), before);
    await assert.rejects(change(helper, cgroup, { kind: 'cpuWeight', weight: 0 }), refusal('invalid', /Give a number from/));
  });

  test('of memory and swap are set in an order that the kernel takes, and put back', { skip: without('memory') }, async (t) => {
    const cgroup = cgroupFor(t, 'memory');
    await using helper = await startHelper();
    const [memory, swap] =
      cgroup.version === 2 ? ['memory.max', 'memory.swap.max'] : ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'];
    const hasSwap = existsSync(path.join(cgroup.directory, swap));
    const stands = () => [cgroup.read(memory).trim(), hasSwap ? cgroup.read(swap).trim() : ''];
    const unlimited = stands();
    const done = [await change(helper, cgroup, { kind: 'memoryLimit', limitBytes: 64 * MEBI })];
    if (hasSwap) done.unshift(await change(helper, cgroup, { kind: 'swapLimit', limitBytes: 96 * MEBI }));
    assert.deepEqual(stands(), [String(64 * MEBI), hasSwap ? String(96 * MEBI) : '']);
    // Above what v1 lets memory and swap have together.
    const raised = await change(helper, cgroup, { kind: 'memoryLimit', limitBytes: 256 * MEBI });
    assert.equal(stands()[0], String(256 * MEBI));
    if (cgroup.version === 1 && hasSwap) assert.equal(stands()[1], String(288 * MEBI));
    await undo(helper, raised);
    assert.deepEqual(stands(), [String(64 * MEBI), hasSwap ? String(96 * MEBI) : '']);
    for (const one of done) await undo(helper, one);
    assert.deepEqual(stands(), unlimited);
  });

  test('of memory below what is used are set only once that is acknowledged', { skip: without('memory') }, async (t) => {
    const cgroup = cgroupFor(t, 'memory');
    const holder = await startSpecimen([process.execPath, '-e', HOLD_MEMORY, cgroup.directory]);
    t.after(holder.stop);
    const [limit, usage] =
      cgroup.version === 2 ? ['memory.max', 'memory.current'] : ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
    const before = cgroup.read(limit);
    assert.ok(Number(cgroup.read(usage)) > 32 * MEBI);
    await using helper = await startHelper();
    const below: CgroupChange = { kind: 'memoryLimit', limitBytes: 4 * MEBI };
    const { warnings } = await helper.request(CgroupsExplain, { cgroup: cgroup.ref, change: below });
    assert.deepEqual(
      warnings.map(({ id, severity }) => `${severity} ${id}`),
      [cgroup.version === 2 ? 'danger belowUsage' : 'caution belowUsage'],
    );
    await assert.rejects(change(helper, cgroup, below), refusal('busy', /belowUsage/));
    assert.equal(cgroup.read(limit), before);
    assert.ok(!hasEnded(holder.pid));
    const done = change(helper, cgroup, below, ['belowUsage']);
    if (cgroup.version === 2) {
      await done;
      await until(() => hasEnded(holder.pid), 'the kernel killed it');
    } else {
      await assert.rejects(done, refusal('busy', /cannot reclaim enough/, 'EBUSY'));
      assert.ok(!hasEnded(holder.pid));
    }
  });

  test('of tasks below what is used are set only once that is acknowledged', { skip: without('pids') }, async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await sleeperIn(t, cgroup);
    await using helper = await startHelper();
    const { warnings, steps } = await helper.request(CgroupsExplain, {
      cgroup: cgroup.ref,
      change: { kind: 'tasksLimit', limit: 0 },
    });
    assert.deepEqual(steps, [{ do: 'write', file: `${cgroup.directory}/pids.max`, text: '0', before: 'max' }]);
    assert.deepEqual(
      warnings.map(({ id }) => id),
      ['belowUsage'],
    );
    await assert.rejects(change(helper, cgroup, { kind: 'tasksLimit', limit: 0 }), refusal('busy', /belowUsage: 1 are in use/));
    assert.equal(cgroup.read('pids.max'), 'max\n');
    const result = await change(helper, cgroup, { kind: 'tasksLimit', limit: 0 }, ['belowUsage']);
    assert.equal(cgroup.read('pids.max'), '0\n');
    await undo(helper, result);
    assert.equal(cgroup.read('pids.max'), 'max\n');
  });

  const disk = existsSync('/sys/block') ? readdirSync('/sys/block')[0] : undefined;
  const ioController = mountWith('blkio') === undefined ? 'io' : 'blkio';
  test('of a disk are set and put back for that disk alone', {
    skip: without(ioController) || (disk === undefined && 'this machine has no disk'),
  }, async (t) => {
    const cgroup = cgroupFor(t, ioController);
    await using helper = await startHelper();
    const device = readFileSync(`/sys/block/${disk}/dev`, 'utf8').trim();
    const files = cgroup.version === 2 ? ['io.max'] : ['read_bps', 'write_iops'].map((one) => `blkio.throttle.${one}_device`);
    const stands = () => files.map((file) => cgroup.read(file)).join('');
    const limits = { readBytes: 1_048_576, writeOperations: 50 };
    const first = await change(helper, cgroup, { kind: 'ioLimit', device, ...limits });
    const expected =
      cgroup.version === 2 ? `${device} rbps=1048576 wbps=max riops=max wiops=50\n` : `${device} 1048576\n${device} 50\n`;
    assert.equal(stands(), expected);
    const second = await change(helper, cgroup, { kind: 'ioLimit', device, readBytes: null, writeOperations: 7 }, [
      'belowUsage',
    ]);
    assert.doesNotMatch(stands(), /1048576/);
    await undo(helper, second);
    assert.equal(stands(), expected);
    await undo(helper, first);
    assert.equal(stands(), '');
    await assert.rejects(
      change(helper, cgroup, { kind: 'ioLimit', device: '4095:1', readBytes: 1 }),
      refusal('notFound', /4095:1/),
    );
    await assert.rejects(change(helper, cgroup, { kind: 'ioLimit', device, readBytes: 0 }), refusal('invalid', /readBytes/));
    if (cgroup.version === 1) {
      const cut = change(helper, cgroup, { kind: 'ioLimit', device, readOperations: 2 ** 32 + 7 });
      await assert.rejects(cut, refusal('invalid', /4294967303 operations/));
    }
  });

  test('that a version lacks are refused as that', { skip: without('memory') }, async (t) => {
    const cgroup = cgroupFor(t, 'memory');
    await using helper = await startHelper();
    const high = change(helper, cgroup, { kind: 'memoryHigh', limitBytes: 64 * MEBI });
    if (cgroup.version === 1) await assert.rejects(high, refusal('unsupported', /v1/));
    else {
      await undo(helper, await high);
      assert.equal(cgroup.read('memory.high'), 'max\n');
    }
  });

  test('of a controller that the cgroup does not have say where it is', { skip: without('pids') }, async (t) => {
    const outer = cgroupFor(t, 'pids');
    // In v2 a controller comes to a child only when its parent hands it down.
    const cgroup = outer.version === 2 ? outer.child('child') : outer;
    await using helper = await startHelper();
    const says =
      outer.version === 2 ? /Enable the controller for the children of its parent/ : /Choose the cgroup in the hierarchy/;
    const refused = change(helper, cgroup, { kind: 'memoryLimit', limitBytes: PAGE });
    await assert.rejects(refused, refusal('notFound', says, 'ENOENT'));
  });
});

describe('freezing', { skip: without('freezer') }, () => {
  test('stops a counter, and thawing continues it', async (t) => {
    const cgroup = cgroupFor(t, 'freezer');
    const counter = await startSpecimen(['busybox', 'sh', '-c', 'echo there; while :; do :; done']);
    t.after(counter.stop);
    cgroup.write('cgroup.procs', String(counter.pid));
    const count = () => readFileSync(`/proc/${counter.pid}/schedstat`, 'utf8').split(' ')[0];
    await using helper = await startHelper();
    const result = await helper.request(CgroupsFreeze, { cgroup: cgroup.ref, frozen: true });
    await until(() => isFrozen(cgroup), 'it is frozen');
    const stopped = count();
    for (let at = 0; at < 50; at += 1) await helper.request(CgroupsReadFile, { cgroup: cgroup.ref, file: 'cgroup.procs' });
    assert.equal(count(), stopped);
    await undo(helper, result);
    assert.ok(!isFrozen(cgroup));
    await until(() => count() !== stopped, 'it counts on');
  });

  test('of a child below a frozen cgroup is undone to the child’s own state', async (t) => {
    const cgroup = cgroupFor(t, 'freezer');
    const child = cgroup.child('child');
    setFrozen(cgroup, true);
    await using helper = await startHelper();
    const result = await helper.request(CgroupsFreeze, { cgroup: child.ref, frozen: true });
    // Thawing it has no effect as long as the one above is frozen, which is said first.
    await assert.rejects(undo(helper, result), refusal('busy', /frozenAbove/));
    for (const one of result.undo) await helper.request(CgroupsChange, { ...one, acknowledged: ['frozenAbove'] });
    setFrozen(cgroup, false);
    assert.ok(!isFrozen(child));
  });

  test('of the helper’s own cgroup, of one above it and of the root is not done unawares', async (t) => {
    const cgroup = cgroupFor(t, 'freezer');
    const child = cgroup.child('child');
    const join = `echo $$ > ${child.directory}/cgroup.procs && exec "$@"`;
    await using helper = await startHelper({ through: ['sh', '-c', join, 'sh'] });
    const warned = async (one: MadeCgroup) =>
      (await helper.request(CgroupsExplain, { cgroup: one.ref, change: { kind: 'freeze', frozen: true } })).warnings;
    assert.deepEqual(
      (await warned(child)).map(({ id, severity }) => `${severity} ${id}`),
      ['danger ownCgroup'],
    );
    assert.deepEqual(
      (await warned(cgroup)).map(({ id, severity }) => `${severity} ${id}`),
      ['danger ancestorOfHelper'],
    );
    for (const one of [cgroup, child]) {
      const file = one.version === 2 ? 'cgroup.freeze' : 'freezer.state';
      const text = one.version === 2 ? '1' : 'FROZEN';
      await assert.rejects(change(helper, one, { kind: 'freeze', frozen: true }), refusal('busy', /The helper of Isoscope/));
      const raw = helper.request(CgroupsWriteFile, { cgroup: one.ref, file, text });
      await assert.rejects(raw, refusal('busy', /The helper of Isoscope/));
      await assert.rejects(helper.request(CgroupsKill, { cgroup: one.ref }), refusal('busy', /The helper of Isoscope/));
      assert.ok(!isFrozen(one));
    }
    const root = rootOf(cgroup);
    await assert.rejects(helper.request(CgroupsFreeze, { cgroup: root, frozen: true }), refusal('invalid', /root/));
    await assert.rejects(helper.request(CgroupsKill, { cgroup: root }), refusal('invalid', /whole machine/));
  });
});

function rootOf({ ref, directory }: MadeCgroup) {
  const mountPoint = directory.slice(0, -ref.path.length);
  return { hierarchy: ref.hierarchy, path: '/', ino: statSync(mountPoint).ino };
}

describe('killing', { skip: without('freezer') }, () => {
  test('ends every process of a cgroup and below it, frozen or not', async (t) => {
    const cgroup = cgroupFor(t, 'freezer');
    const below = cgroup.child('child');
    const sleepers = [await sleeperIn(t, cgroup), await sleeperIn(t, below)];
    // The one below by itself too: thawing what is above does not thaw it.
    for (const one of [below, cgroup]) setFrozen(one, true);
    const outside = await startSleeper([]);
    t.after(outside.stop);
    await using helper = await startHelper();
    const { steps } = await helper.request(CgroupsExplain, { cgroup: cgroup.ref, change: { kind: 'kill' } });
    assert.ok(steps.some((step) => step.do === 'signal' && step.signal === 'SIGKILL' && step.processes === 2));
    const { killed, undo: nothing } = await helper.request(CgroupsKill, { cgroup: cgroup.ref });
    assert.equal(killed, 2);
    assert.deepEqual(nothing, []);
    for (const { pid } of sleepers) assert.ok(hasEnded(pid));
    assert.ok(!hasEnded(outside.pid));
  });

  test('of processes that the user may not kill says so, at once, and kills the others', {
    skip: skip || (mountWith('pids')?.type !== 'cgroup' && 'v2 has cgroup.kill, which the owner of the cgroup may write'),
  }, async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    const theirs = await sleeperIn(t, cgroup);
    const own = await startSleeper([], { uid: NOBODY });
    t.after(own.stop);
    cgroup.write('cgroup.procs', String(own.pid));
    await using helper = await startHelper({ uid: NOBODY });
    const killing = helper.request(CgroupsKill, { cgroup: cgroup.ref });
    await assert.rejects(killing, refusal('permission', new RegExp(`may not kill ${theirs.pid} \\(.*1 others? w`)));
    await until(() => hasEnded(own.pid), 'the user’s own ended');
    assert.ok(!hasEnded(theirs.pid));
  });

  test('outruns processes that start others all the time', async (t) => {
    const cgroup = cgroupFor(t, 'freezer');
    await using helper = await startHelper();
    // Each ends as soon as it has started the next: as many as before, under new pids.
    const relay = `echo $$ > ${cgroup.directory}/cgroup.procs; echo there; r() { r & exit; }; r & r & r & r & wait`;
    const runner = await startSpecimen(['busybox', 'sh', '-c', relay]);
    t.after(runner.stop);
    await until(() => pidsOf(cgroup).length > 0, 'they run');
    const { killed } = await helper.request(CgroupsKill, { cgroup: cgroup.ref });
    assert.ok(killed !== undefined && killed > 0);
    assert.deepEqual(pidsOf(cgroup), []);
  });

  test('of a process that waits for a device, and freezing it, ends in time and says what is left', {
    skip: skip || (!existsSync('/dev/fuse') && 'this machine has no FUSE'),
  }, async (t) => {
    const cgroup = cgroupFor(t, 'freezer');
    const deaf = mountDeafFileSystem();
    let deafened = true;
    const release = () => {
      if (deafened) deaf[Symbol.dispose]();
      deafened = false;
    };
    t.after(release);
    const waiter = await startSpecimen([
      'busybox',
      'sh',
      '-c',
      'echo there; read go; exec busybox stat "$1"/file',
      'sh',
      deaf.mountPoint,
    ]);
    t.after(waiter.stop);
    cgroup.write('cgroup.procs', String(waiter.pid));
    waiter.child.stdin?.write('go\n');
    deaf.hear();
    await using helper = await startHelper();
    const frozen = await helper.request(CgroupsFreeze, { cgroup: cgroup.ref, frozen: true });
    await undo(helper, frozen);
    const killing = helper.request(CgroupsKill, { cgroup: cgroup.ref });
    await assert.rejects(killing, refusal('busy', new RegExp(`SIGKILL was sent.*: ${waiter.pid} \\(busybox, D\\)`)));
    assert.ok(!isFrozen(cgroup));
    release();
    await until(() => hasEnded(waiter.pid), 'it ended');
    assert.equal((await helper.request(CgroupsKill, { cgroup: cgroup.ref })).killed, 0);
  });

  test('in v2 is one write to cgroup.kill', {
    skip: skip || (unifiedController() === undefined && 'no v2 hierarchy with a controller is mounted'),
  }, async (t) => {
    const cgroup = cgroupFor(t, unifiedController() ?? '');
    const child = cgroup.child('child');
    const sleeper = await sleeperIn(t, child);
    await using helper = await startHelper();
    const { steps } = await helper.request(CgroupsExplain, { cgroup: cgroup.ref, change: { kind: 'kill' } });
    assert.equal(steps[0]?.do === 'write' && steps[0].file, `${cgroup.directory}/cgroup.kill`);
    assert.equal((await helper.request(CgroupsKill, { cgroup: cgroup.ref })).killed, 1);
    assert.ok(hasEnded(sleeper.pid));
  });
});

/** A controller of the v2 hierarchy: on a hybrid host whichever v1 left to it. */
function unifiedController(): string | undefined {
  return ['memory', 'hugetlb', 'pids'].find((one) => mountWith(one)?.type === 'cgroup2');
}

describe('the tree', { skip: without('pids') }, () => {
  test('gets children of any name that Linux allows, and loses them by undo', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await using helper = await startHelper();
    for (const name of ['two words', '\\x2d\\', 'é😀', 'x'.repeat(255), '-rf', 'a\udcff', '\t"$(id)"']) {
      const result = await change(helper, cgroup, { kind: 'create', name });
      const { created } = result;
      assert.ok(created !== undefined && created.path === `${cgroup.ref.path}/${name}`);
      const { text } = await helper
        .request(CgroupsReadFile, { cgroup: created, file: 'pids.max' })
        .catch(() => ({ text: 'max\n' }));
      assert.equal(text, 'max\n');
      assert.equal(childrenOf(cgroup), 1);
      await undo(helper, result);
      assert.equal(childrenOf(cgroup), 0);
    }
  });

  test('gets no child of a name that is none, or is taken', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await using helper = await startHelper();
    for (const name of ['', '.', '..', 'a/b', '../b', 'line\nbreak', 'x'.repeat(256), '\ud800', 'nul\0']) {
      await assert.rejects(change(helper, cgroup, { kind: 'create', name }), refusal('invalid', /./), JSON.stringify(name));
    }
    await change(helper, cgroup, { kind: 'create', name: 'twice' });
    await assert.rejects(
      change(helper, cgroup, { kind: 'create', name: 'twice' }),
      refusal('kernel', /another name/, 'EEXIST'),
    );
    assert.equal(childrenOf(cgroup), 1);
  });

  test('keeps a cgroup that is in use, and says by what', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    const child = cgroup.child('child');
    const sleeper = await sleeperIn(t, child);
    await using helper = await startHelper();
    await assert.rejects(change(helper, cgroup, { kind: 'remove' }), refusal('busy', /below 1, child cgroups 1/));
    await assert.rejects(change(helper, child, { kind: 'remove' }), refusal('busy', /below 1, child cgroups 0/));
    await sleeper.stop();
    await change(helper, child, { kind: 'remove' });
    assert.ok(!existsSync(child.directory));
  });

  test('never takes a later cgroup of the same name for one that is gone', async (t) => {
    const before = makeCgroup('pids', NAME);
    before[Symbol.dispose]();
    const after = cgroupFor(t, 'pids');
    assert.equal(after.ref.path, before.ref.path);
    await using helper = await startHelper();
    const refused = [
      change(helper, before, { kind: 'remove' }),
      change(helper, before, { kind: 'tasksLimit', limit: 1 }),
      helper.request(CgroupsReadFile, { cgroup: before.ref, file: 'cgroup.procs' }),
      helper.request(CgroupsKill, { cgroup: before.ref }),
      change(helper, { ...after, ref: { ...after.ref, path: `${after.ref.path}/../${NAME}` } }, { kind: 'remove' }),
    ];
    for (const one of refused) await assert.rejects(one, refusal('gone', /is gone/));
    assert.ok(existsSync(after.directory));
  });
});

const childrenOf = ({ directory }: MadeCgroup) =>
  readdirSync(directory, { withFileTypes: true, encoding: 'buffer' }).filter((entry) => entry.isDirectory()).length;

describe('moving a process', { skip: without('pids') }, () => {
  test('is done and undone by its identity', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    const [from, to] = [cgroup.child('from'), cgroup.child('to')];
    const sleeper = await sleeperIn(t, from);
    await using helper = await startHelper();
    const result = await change(helper, to, { kind: 'move', process: refOfProcess(sleeper.pid) });
    assert.deepEqual(pidsOf(to), [sleeper.pid]);
    await undo(helper, result);
    assert.deepEqual(pidsOf(from), [sleeper.pid]);
    const { startTime } = refOfProcess(sleeper.pid);
    const other = change(helper, to, { kind: 'move', process: { pid: sleeper.pid, startTime: startTime + 1 } });
    await assert.rejects(other, refusal('gone', /has ended/));
    assert.deepEqual(pidsOf(to), []);
  });

  test('that others depend on is warned about', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await using helper = await startHelper();
    const warned = async (pid: number) =>
      (await helper.request(CgroupsExplain, { cgroup: cgroup.ref, change: { kind: 'move', process: refOfProcess(pid) } }))
        .warnings;
    assert.deepEqual(
      (await warned(1)).map(({ id }) => id),
      ['init'],
    );
    assert.deepEqual(
      (await warned(process.pid)).map(({ id }) => id),
      ['vscode'],
    );
    const raw = helper.request(CgroupsWriteFile, { cgroup: cgroup.ref, file: 'cgroup.procs', text: '0' });
    await assert.rejects(raw, refusal('busy', /ownCgroup/));
    assert.deepEqual(pidsOf(cgroup), []);
  });
});

describe('controllers for children', { skip }, () => {
  test('are enabled and disabled in v2, and the no-internal-process rule is explained when it bites', {
    skip: mountWith('memory')?.type !== 'cgroup2' && 'memory is not in v2 here',
  }, async (t) => {
    const cgroup = cgroupFor(t, 'memory');
    await using helper = await startHelper();
    const enabling: CgroupChange = { kind: 'controller', controller: 'memory', enabled: true };
    const result = await change(helper, cgroup, enabling);
    assert.equal(cgroup.read('cgroup.subtree_control'), 'memory\n');
    const sleeper = await startSleeper([]);
    t.after(sleeper.stop);
    const moving = change(helper, cgroup, { kind: 'move', process: refOfProcess(sleeper.pid) });
    await assert.rejects(moving, refusal('busy', /no-internal-process rule.*hands down memory/, 'EBUSY'));
    await undo(helper, result);
    assert.equal(cgroup.read('cgroup.subtree_control').trim(), '');
    await change(helper, cgroup, { kind: 'move', process: refOfProcess(sleeper.pid) });
    await assert.rejects(change(helper, cgroup, enabling), refusal('busy', /no-internal-process rule.*has processes/, 'EBUSY'));
  });

  test('that are switched off take the limits of the cgroups below, which is warned of; switching on takes nothing', {
    skip: unifiedController() === undefined && 'no v2 hierarchy with a controller is mounted',
  }, async (t) => {
    const controller = unifiedController() ?? '';
    const cgroup = cgroupFor(t, controller);
    await using helper = await startHelper();
    const warned = async (enabled: boolean) => {
      const explained = await helper.request(CgroupsExplain, {
        cgroup: cgroup.ref,
        change: { kind: 'controller', controller, enabled },
      });
      return explained.warnings.map(({ id }) => id);
    };
    assert.deepEqual([await warned(true), await warned(false)], [[], []]);
    cgroup.child('child');
    assert.deepEqual([await warned(true), await warned(false)], [[], ['limitsLost']]);
  });

  test('that the parent does not offer are refused with those that it does', {
    skip: unifiedController() === undefined && 'no v2 hierarchy with a controller is mounted',
  }, async (t) => {
    const cgroup = cgroupFor(t, unifiedController() ?? '');
    await using helper = await startHelper();
    const refused = change(helper, cgroup, { kind: 'controller', controller: 'nonesuch', enabled: true });
    await assert.rejects(refused, refusal('invalid', /its parent offers it/, 'EINVAL'));
  });

  test('do not exist in v1', { skip: mountWith('pids')?.type !== 'cgroup' && 'pids is not in v1 here' }, async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await using helper = await startHelper();
    const refused = change(helper, cgroup, { kind: 'controller', controller: 'pids', enabled: true });
    await assert.rejects(refused, refusal('unsupported', /v1/));
  });
});

describe('files', { skip: without('pids') }, () => {
  test('are read and written as they are, and say whether they can be written', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await using helper = await startHelper();
    const at = (file: string) => ({ cgroup: cgroup.ref, file });
    assert.deepEqual(await helper.request(CgroupsReadFile, at('pids.max')), { text: 'max\n', writable: true });
    assert.deepEqual(await helper.request(CgroupsReadFile, at('pids.current')), { text: '0\n', writable: false });
    assert.deepEqual(await helper.request(CgroupsWriteFile, { ...at('pids.max'), text: ' 12\n' }), { text: '12\n' });
    assert.equal(cgroup.read('pids.max'), '12\n');
  });

  test('that the kernel refuses to write come back with the errno and the accepted format', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await using helper = await startHelper();
    const write = (file: string, text: string) => helper.request(CgroupsWriteFile, { cgroup: cgroup.ref, file, text });
    await assert.rejects(write('pids.max', 'twelve'), refusal('invalid', /pids\.max accepts a number of tasks/, 'EINVAL'));
    await assert.rejects(write('pids.max', ''), refusal('invalid', /pids\.max accepts a number of tasks/, 'EINVAL'));
    await assert.rejects(write('pids.max', '1'.repeat(60_000)), refusal('kernel', /too long/, 'E2BIG'));
    await assert.rejects(write('pids.current', '1'), refusal('invalid', /does not accept/, 'EINVAL'));
    await assert.rejects(write('cgroup.procs', '4194304'), refusal('gone', /has ended/, 'ESRCH'));
    assert.equal(cgroup.read('pids.max'), 'max\n');
  });

  test('of v1’s CPU limit tell a text that is no number from a share that is refused', {
    skip: mountWith('cpu')?.type !== 'cgroup' && 'cpu is not in v1 here',
  }, async (t) => {
    const cgroup = cgroupFor(t, 'cpu');
    const child = cgroup.child('child');
    cgroup.write('cpu.cfs_quota_us', '2000');
    await using helper = await startHelper();
    const write = (text: string) => helper.request(CgroupsWriteFile, { cgroup: child.ref, file: 'cpu.cfs_quota_us', text });
    await assert.rejects(
      write('twelve'),
      refusal('invalid', /does not accept this value.*microseconds of each period/, 'EINVAL'),
    );
    await assert.rejects(write('3000'), refusal('invalid', /at most the parent’s/, 'EINVAL'));
  });

  test('are named by one component of the cgroup itself', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    cgroup.child('child');
    await using helper = await startHelper();
    for (const file of ['../cgroup.procs', 'child/pids.max', '/etc/passwd', '.', '..', 'child', 'nul\0', ''])
      await assert.rejects(helper.request(CgroupsReadFile, { cgroup: cgroup.ref, file }), refusal('invalid', /./), file);
    await assert.rejects(
      helper.request(CgroupsReadFile, { cgroup: cgroup.ref, file: 'pids.none' }),
      refusal('notFound', /no pids\.none/),
    );
  });

  test('that start a program on the host are not written unawares', {
    skip: mountWith('pids')?.type !== 'cgroup' && 'v2 has no release_agent',
  }, async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    const root = rootOf(cgroup);
    await using helper = await startHelper();
    const { warnings } = await helper.request(CgroupsExplain, {
      cgroup: root,
      change: { kind: 'write', file: 'release_agent', text: '/bin/true' },
    });
    assert.deepEqual(
      warnings.map(({ id, severity }) => `${severity} ${id}`),
      ['danger releaseAgent'],
    );
    const refused = helper.request(CgroupsWriteFile, { cgroup: root, file: 'release_agent', text: '/bin/true' });
    await assert.rejects(refused, refusal('busy', /as root on the host/));
  });
});

describe('a cgroup file system', { skip: without('pids') }, () => {
  const remounted = (how: string) => ['unshare', '--mount', 'sh', '-c', `${how} && exec "$@"`, 'sh'];

  test('that is read-only is read, and refused to be written as that', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    const mountPoint = cgroup.directory.slice(0, -cgroup.ref.path.length);
    await using helper = await startHelper({ through: remounted(`mount -o remount,bind,ro ${mountPoint}`) });
    const at = { cgroup: cgroup.ref, file: 'pids.max' };
    assert.deepEqual(await helper.request(CgroupsReadFile, at), { text: 'max\n', writable: false });
    const says = refusal('kernel', /mounted read-only/, 'EROFS');
    for (const one of [
      { kind: 'tasksLimit', limit: 5 },
      { kind: 'create', name: 'child' },
      { kind: 'remove' },
      { kind: 'write', file: 'pids.max', text: '5' },
    ] as CgroupChange[]) {
      await assert.rejects(helper.request(CgroupsExplain, { cgroup: cgroup.ref, change: one }), says, one.kind);
      await assert.rejects(change(helper, cgroup, one), says, one.kind);
    }
    assert.equal(cgroup.read('pids.max'), 'max\n');
  });

  test('of v2 that is mounted over a cgroup is not taken for it', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await using helper = await startHelper({ through: remounted(`mount -t cgroup2 none ${cgroup.directory}`) });
    const says = refusal('unsupported', /mounted over the cgroup/);
    await assert.rejects(helper.request(CgroupsReadFile, { cgroup: cgroup.ref, file: 'cgroup.procs' }), says);
    await assert.rejects(helper.request(CgroupsKill, { cgroup: cgroup.ref }), says);
    assert.ok(existsSync(cgroup.directory));
  });
});

describe('an ordinary user', { skip: !isRoot && 'only root can make a cgroup' }, () => {
  test('reads what all may read, and is told who may write', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    await using helper = await startHelper({ uid: NOBODY });
    const at = { cgroup: cgroup.ref, file: 'pids.max' };
    assert.deepEqual(await helper.request(CgroupsReadFile, at), { text: 'max\n', writable: false });
    const sleeper = await startSleeper([], { uid: NOBODY });
    t.after(sleeper.stop);
    for (const one of [
      { kind: 'tasksLimit', limit: 5 },
      { kind: 'create', name: 'child' },
      { kind: 'remove' },
      { kind: 'move', process: refOfProcess(sleeper.pid) },
    ] as CgroupChange[]) {
      await assert.rejects(change(helper, cgroup, one), refusal('permission', /as root/, 'EACCES'), one.kind);
    }
    assert.equal(cgroup.read('pids.max'), 'max\n');
    assert.equal(childrenOf(cgroup), 0);
  });

  test('changes what was delegated to it', async (t) => {
    const cgroup = cgroupFor(t, 'pids');
    for (const file of ['', 'pids.max', 'cgroup.procs']) chownSync(path.join(cgroup.directory, file), NOBODY, NOBODY);
    await using helper = await startHelper({ uid: NOBODY });
    const result = await change(helper, cgroup, { kind: 'tasksLimit', limit: 5 });
    assert.equal(cgroup.read('pids.max'), '5\n');
    await undo(helper, result);
    const created = await change(helper, cgroup, { kind: 'create', name: 'child' });
    assert.equal(statSync(path.join(cgroup.directory, 'child')).uid, NOBODY);
    await undo(helper, created);
  });
});

test('two changes of one cgroup at once follow each other, so that undo in reverse restores what stood before', {
  skip: without('pids'),
}, async (t) => {
  const cgroup = cgroupFor(t, 'pids');
  await using helper = await startHelper();
  const limits = [10, 20, 30, 40];
  const results = await Promise.all(limits.map((limit) => change(helper, cgroup, { kind: 'tasksLimit', limit })));
  assert.equal(cgroup.read('pids.max'), '40\n');
  for (const [at, result] of [...results.entries()].reverse()) {
    await undo(helper, result);
    assert.equal(cgroup.read('pids.max'), at === 0 ? 'max\n' : `${limits[at - 1]}\n`);
  }
});
