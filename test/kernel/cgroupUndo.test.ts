/** What puts files of cgroups back, over every file that this kernel lets a person write: whatever was written, all of them read as before. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { acceptedFormat } from '../../helper/host/cgroups/formats.ts';
import { type CgroupChange, CgroupsChange, type CgroupsChangeResult, CgroupsExplain } from '../../helper/protocol/cgroups.ts';
import { type MadeCgroup, makeCgroup, mountWith, setFrozen, unifiedMount, withoutControllers } from '../fixtures/cgroup.ts';
import { isHelperRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';

const NAME = `isoscope-test-undo-${process.pid}`;
const MAX_BURST = 'cpu.max.burst';
const skip = !isHelperRoot && 'only root may change cgroups';
const without = (controller: string) => skip || withoutControllers(controller);

const CONTROLLERS = ['cpu', 'cpuacct', 'cpuset', 'memory', 'blkio', 'io', 'pids', 'devices', 'freezer', 'hugetlb', 'net_cls'];
const disk = existsSync('/sys/block') ? readdirSync('/sys/block')[0] : undefined;
const device = disk === undefined ? undefined : readFileSync(`/sys/block/${disk}/dev`, 'utf8').trim();

/** Another value than that of a new cgroup. Of a file that is not here its own reading is put back. */
const OTHER_VALUES: Record<string, string> = {
  'cgroup.freeze': '1',
  'cgroup.pressure': '0',
  'cgroup.max.depth': '5',
  'cgroup.max.descendants': '6',
  'cgroup.subtree_control': '+pids',
  'cgroup.clone_children': '1',
  notify_on_release: '1',
  'cpu.max': '5000 100000',
  'cpu.weight': '77',
  'cpu.weight.nice': '7',
  'cpu.idle': '1',
  'cpu.shares': '333',
  'cpu.cfs_quota_us': '5000',
  'cpu.cfs_period_us': '50000',
  'memory.max': '64M',
  'memory.high': '0x4000000',
  'memory.low': '1M',
  'memory.min': '1M',
  'memory.swap.max': '0',
  'memory.swap.high': '1M',
  'memory.oom.group': '1',
  'memory.limit_in_bytes': '64M',
  'memory.soft_limit_in_bytes': '32M',
  'memory.swappiness': '10',
  'memory.oom_control': '1',
  'pids.max': '7',
  'cpuset.cpus': '0',
  'cpuset.mems': '0',
  'cpuset.cpus.partition': 'root',
  'cpuset.sched_load_balance': '0',
  'freezer.state': 'FROZEN',
  'hugetlb.2MB.max': '4M',
  'hugetlb.2MB.rsvd.max': '4M',
  'io.weight': '50',
  'io.max': `${device} rbps=1048576`,
  'blkio.throttle.read_bps_device': `${device} 1048576`,
  'blkio.throttle.write_iops_device': `${device} 50`,
};

/** What is written to these is an order, or resets what they count. */
const ORDERS =
  /^(?:cgroup\.(?:procs|threads|kill|type|event_control)|tasks|memory\.(?:reclaim|force_empty|peak|swap\.peak)|devices\.(?:allow|deny)|cpuacct\.usage|blkio\.reset_stats)$|\.(?:pressure|failcnt|max_usage_in_bytes)$/;

/** A cgroup for each hierarchy, with all the controllers that it has. */
function cgroupInEach(t: TestContext): MadeCgroup[] {
  const made = new Map<string, MadeCgroup>();
  for (const controller of CONTROLLERS) {
    const mount = mountWith(controller);
    if (mount !== undefined && !made.has(mount.mountPoint)) made.set(mount.mountPoint, makeCgroup(controller, NAME));
  }
  t.after(() => {
    for (const cgroup of made.values()) cgroup[Symbol.dispose]();
  });
  return [...made.values()];
}

function writableFiles({ directory }: MadeCgroup): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && (statSync(path.join(directory, entry.name)).mode & 0o222) !== 0)
    .map(({ name }) => name)
    .sort();
}

/** What all of them hold. Some can only be written. */
function readings(cgroup: MadeCgroup): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const file of writableFiles(cgroup)) {
    if ((statSync(path.join(cgroup.directory, file)).mode & 0o444) === 0 || ORDERS.test(file)) continue;
    // One of huge pages that was never set reads as the largest number, and as "max" once that was written to it.
    texts[file] = cgroup.read(file).replace(/^9223372[0-9]{12}$/m, 'max');
  }
  return texts;
}

/** With whatever there is to know before it. */
async function write(helper: RunningHelper, { ref }: MadeCgroup, file: string, text: string): Promise<CgroupsChangeResult> {
  const change: CgroupChange = { kind: 'write', file, text };
  const { warnings } = await helper.request(CgroupsExplain, { cgroup: ref, change });
  return helper.request(CgroupsChange, { cgroup: ref, change, acknowledged: warnings.map(({ id }) => id) });
}

async function undo(helper: RunningHelper, result: CgroupsChangeResult): Promise<void> {
  for (const one of result.undo) {
    const { warnings } = await helper.request(CgroupsExplain, one);
    await helper.request(CgroupsChange, { ...one, acknowledged: warnings.map(({ id }) => id) });
  }
}

describe('undo of a write', { skip }, () => {
  test('makes every file of every controller read as before, or is not offered', async (t) => {
    await using helper = await startHelper();
    const cgroups = cgroupInEach(t);
    let written = 0;
    for (const cgroup of cgroups) {
      for (const file of writableFiles(cgroup)) {
        if (ORDERS.test(file)) continue;
        const before = readings(cgroup);
        const text = OTHER_VALUES[file] ?? (before[file]?.trim() || '\n');
        let result: CgroupsChangeResult;
        try {
          result = await write(helper, cgroup, file, text);
        } catch {
          // Not because of the helper: the kernel itself takes it no more.
          assert.throws(() => cgroup.write(file, text), `${cgroup.directory}/${file}`);
          continue;
        }
        written += 1;
        if (acceptedFormat(file) === undefined) {
          t.diagnostic(`${file} is not known`);
          assert.deepEqual(result.undo, []);
          continue;
        }
        const has = OTHER_VALUES[file] === undefined || cgroup.read(file) !== before[file];
        assert.ok(has, `${file} holds ${text}`);
        assert.notDeepEqual(result.undo, [], file);
        await undo(helper, result);
        assert.deepEqual(readings(cgroup), before, `${cgroup.directory}/${file}`);
      }
    }
    assert.ok(written > 10, `${written} files were written`);
  });

  test('is not offered of an order or a reset', { skip: without('memory') }, async (t) => {
    using cgroup = makeCgroup('memory', NAME);
    using acct = mountWith('cpuacct')?.type === 'cgroup' ? makeCgroup('cpuacct', NAME) : undefined;
    await using helper = await startHelper();
    const orders: [MadeCgroup, string, string][] = [];
    if (cgroup.version === 1) orders.push([cgroup, 'memory.failcnt', '0'], [cgroup, 'memory.max_usage_in_bytes', '0']);
    else orders.push([cgroup, 'cgroup.kill', '1']);
    if (acct !== undefined) orders.push([acct, 'cpuacct.usage', '0']);
    for (const [one, file, text] of orders) assert.deepEqual((await write(helper, one, file, text)).undo, [], file);
    t.diagnostic(`${orders.length} orders`);
  });

  test('of an invalid partition of CPUs gives the kind back, without the words on why it is invalid', {
    skip: without('cpuset') || (mountWith('cpuset')?.type !== 'cgroup2' && 'cpuset is not in v2 here'),
  }, async () => {
    using outer = makeCgroup('cpuset', NAME);
    const cgroup = outer.child('child', ['cpuset']);
    cgroup.write('cpuset.cpus', '0');
    cgroup.write('cpuset.cpus.partition', 'isolated');
    const before = cgroup.read('cpuset.cpus.partition');
    assert.match(before, /^isolated invalid \(.+\)$/m);
    await using helper = await startHelper();
    const result = await write(helper, cgroup, 'cpuset.cpus.partition', 'member');
    assert.equal(cgroup.read('cpuset.cpus.partition'), 'member\n');
    await undo(helper, result);
    assert.equal(cgroup.read('cpuset.cpus.partition'), before);
  });
});

/** A cgroup of each version that this host can freeze. */
function freezable(): MadeCgroup[] {
  const v1 = mountWith('freezer')?.type === 'cgroup' ? [makeCgroup('freezer', NAME)] : [];
  const controller = ['memory', 'hugetlb', 'pids'].find((one) => mountWith(one)?.type === 'cgroup2');
  return controller === undefined || unifiedMount() === undefined ? v1 : [...v1, makeCgroup(controller, NAME)];
}

test('thawing below a frozen cgroup is warned of, which names that one, in whichever spelling it is written', {
  skip,
}, async (t) => {
  await using helper = await startHelper();
  for (const top of freezable()) {
    t.after(() => {
      setFrozen(top, false);
      top[Symbol.dispose]();
    });
    const child = top.child('child');
    const warned = async (change: CgroupChange) =>
      (await helper.request(CgroupsExplain, { cgroup: child.ref, change })).warnings.filter(({ id }) => id === 'frozenAbove');
    const thaw: CgroupChange = { kind: 'freeze', frozen: false };
    const spellings: CgroupChange[] =
      top.version === 2
        ? [thaw, { kind: 'write', file: 'cgroup.freeze', text: '0' }, { kind: 'write', file: 'cgroup.freeze', text: '0x0\n' }]
        : [thaw, { kind: 'write', file: 'freezer.state', text: 'THAWED' }, { kind: 'kill' }];
    for (const one of spellings) assert.deepEqual(await warned(one), [], `v${top.version}, nothing is frozen`);
    for (const one of [child, top]) setFrozen(one, true);
    for (const one of spellings) {
      const [warning, ...others] = await warned(one);
      assert.deepEqual(others, []);
      assert.match(warning?.message ?? '', new RegExp(`^/${NAME} is frozen`), `v${top.version} ${JSON.stringify(one)}`);
    }
    assert.deepEqual(await warned({ kind: 'freeze', frozen: true }), []);
    const { data = {} } = await refusalOf(helper.request(CgroupsChange, { cgroup: child.ref, change: thaw }), 'busy');
    assert.match(data.hint ?? '', /frozenAbove/);
    await helper.request(CgroupsChange, { cgroup: child.ref, change: thaw, acknowledged: ['frozenAbove'] });
    const state = top.version === 2 ? /^frozen 1$/m : /^FR/;
    assert.match(child.read(top.version === 2 ? 'cgroup.events' : 'freezer.state'), state, 'it is still frozen');
  }
});

test('a quota below the burst is refused before it is written, and names the burst; a raw write likewise', {
  skip: without('cpu'),
}, async (t) => {
  using cgroup = makeCgroup('cpu', NAME);
  const [quota, burst] =
    cgroup.version === 2 ? (['cpu.max', MAX_BURST] as const) : (['cpu.cfs_quota_us', 'cpu.cfs_burst_us'] as const);
  if (!existsSync(path.join(cgroup.directory, burst))) return t.skip('this kernel has no burst');
  cgroup.write(quota, '50000');
  cgroup.write(burst, '20000');
  await using helper = await startHelper();
  const refused = async (change: CgroupChange, says: RegExp) => {
    const { message, data = {} } = await refusalOf(helper.request(CgroupsChange, { cgroup: cgroup.ref, change }), 'invalid');
    assert.match(`${message} ${data.hint}`, says);
  };
  const before = cgroup.read(quota);
  const explained = helper.request(CgroupsExplain, { cgroup: cgroup.ref, change: { kind: 'cpuLimit', quotaMicros: 10_000 } });
  assert.match((await refusalOf(explained, 'invalid')).message, /20000 µs/);
  const says = new RegExp(`burst, which stands at 20000 µs.*${burst}.*at least 20000`);
  await refused({ kind: 'cpuLimit', quotaMicros: 10_000 }, says);
  await refused({ kind: 'cpuLimit', quotaMicros: 10_000, periodMicros: 50_000 }, says);
  await refused({ kind: 'write', file: quota, text: '10000' }, says);
  await refused({ kind: 'write', file: burst, text: '60000' }, /above the quota, which stands at 50000 µs/);
  assert.equal(cgroup.read(quota), before);
  const { undo: back } = await helper.request(CgroupsChange, {
    cgroup: cgroup.ref,
    change: { kind: 'cpuLimit', quotaMicros: 30_000 },
    acknowledged: [],
  });
  assert.equal(back.length, 1);
  assert.notEqual(cgroup.read(quota), before);
});

test('a weight that an idle cgroup does not take says so', { skip: without('cpu') }, async (t) => {
  using cgroup = makeCgroup('cpu', NAME);
  if (!existsSync(path.join(cgroup.directory, 'cpu.idle'))) return t.skip('this kernel has no cpu.idle');
  cgroup.write('cpu.idle', '1');
  await using helper = await startHelper();
  const refused = helper.request(CgroupsChange, { cgroup: cgroup.ref, change: { kind: 'cpuWeight', weight: 500 } });
  assert.match((await refusalOf(refused, 'invalid')).message, /cpu\.idle is 1/);
});
