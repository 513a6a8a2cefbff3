/** The cgroups of sandboxes: limits that hold, ends that are told, and nothing that stays. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import {
  type Sandbox,
  SandboxesCreate,
  SandboxesExplain,
  SandboxesRemove,
  SandboxesRun,
  type SandboxResources,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import type { English } from '../fixtures/english.ts';
import { isHelperRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';

const IS_UNIFIED = fs.existsSync('/sys/fs/cgroup/cgroup.controllers');
/** A disk, whose rates can be limited. */
const DEVICE = fs
  .readdirSync('/sys/block')
  .filter((name) => /^(vd|sd|xvd|nvme|mmcblk)/.test(name))
  .map((name) => ({ name, number: fs.readFileSync(`/sys/block/${name}/dev`, 'utf8').trim() }))[0];
const NEEDS_DEVICE = DEVICE === undefined && 'this machine has no disk';
const RESOURCES: SandboxResources = {
  cpu: { quota: 2000, period: 100_000, shares: 512 },
  memory: { limit: '32M' },
  pids: { limit: 20 },
};

describe('limits of a sandbox', { skip: !isHelperRoot && 'the helper is not root' }, () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  async function create(resources: SandboxResources, more: SandboxSpec = {}): Promise<English<Sandbox>> {
    const process = { args: ['sleep', '1000'], terminal: false };
    return (await helper.request(SandboxesCreate, { spec: { resources, process, ...more } })).sandbox;
  }

  function fileOf(sandbox: English<Sandbox>, controller: string, file: string): string {
    const cgroup = sandbox.cgroups.find(({ hierarchy }) => IS_UNIFIED || hierarchy.split(',').includes(controller));
    const mount = IS_UNIFIED ? '/sys/fs/cgroup' : `/sys/fs/cgroup/${controller}`;
    return fs.readFileSync(path.join(mount, cgroup?.path ?? 'none', file), 'utf8').trim();
  }

  test('are set in the kernel’s files, and its processes are there', async () => {
    const sandbox = await create(RESOURCES);
    const cpu = IS_UNIFIED
      ? fileOf(sandbox, 'cpu', 'cpu.max')
      : `${fileOf(sandbox, 'cpu', 'cpu.cfs_quota_us')} ${fileOf(sandbox, 'cpu', 'cpu.cfs_period_us')}`;
    assert.equal(cpu, '2000 100000');
    assert.equal(fileOf(sandbox, 'memory', IS_UNIFIED ? 'memory.max' : 'memory.limit_in_bytes'), '33554432');
    assert.equal(fileOf(sandbox, 'pids', 'pids.max'), '20');
    const members = fileOf(sandbox, 'pids', 'cgroup.procs').split('\n');
    assert.equal(members.length, 2);
    assert.ok(members.includes(String(sandbox.process?.pid)));
    const text = fs.readFileSync(`/proc/${sandbox.process?.pid}/cgroup`, 'utf8');
    for (const cgroup of sandbox.cgroups) assert.ok(text.includes(`:${cgroup.path}\n`), text);
    await helper.request(SandboxesRemove, { sandbox: sandbox.id });
    assert.deepEqual(leftOf(sandbox), []);
  });

  test('of rates of a block device are set for that device, by its number or its path', { skip: NEEDS_DEVICE }, async () => {
    const given = { readBps: '1M', writeBps: 2_000_000, readIOPS: 300, writeIOPS: 400 };
    for (const device of [DEVICE!.number, `/dev/${DEVICE!.name}`]) {
      const sandbox = await create({ blockIO: [{ device, ...given }] });
      if (IS_UNIFIED) {
        assert.equal(fileOf(sandbox, 'io', 'io.max'), `${DEVICE!.number} rbps=1048576 wbps=2000000 riops=300 wiops=400`);
      } else {
        const rate = (file: string) => fileOf(sandbox, 'blkio', `blkio.throttle.${file}_device`);
        const rates = ['read_bps', 'write_bps', 'read_iops', 'write_iops'].map(rate);
        assert.deepEqual(
          rates,
          [1_048_576, 2_000_000, 300, 400].map((value) => `${DEVICE!.number} ${value}`),
        );
      }
      await helper.request(SandboxesRemove, { sandbox: sandbox.id });
      assert.deepEqual(leftOf(sandbox), []);
    }
    const fileRate = create({ blockIO: [{ device: '/etc/passwd', readBps: '1M' }] });
    await assert.rejects(fileRate, /not a block device/);
  });

  test('inside, its cgroup is the root of all', async () => {
    const { stdout } = await helper.request(SandboxesRun, {
      spec: { resources: RESOURCES, process: { args: ['cat', '/proc/self/cgroup'] } },
    });
    for (const line of stdout.trim().split('\n')) assert.match(line, /:\/$/);
  });

  const range = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  for (const [ids, more] of [
    ['its own ids', {}],
    ['a range of ids', { idMappings: { uidMappings: range, gidMappings: range } }],
  ] as [string, SandboxSpec][]) {
    test(`hold for what is started in it later, too, with ${ids}`, async () => {
      const sandbox = await create({ pids: { limit: 5 } }, more);
      const script = 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait';
      const { stderr } = await helper.request(ProgramsRun, { sandbox: sandbox.id, command: ['sh', '-c', script] });
      assert.match(stderr, /fork/);
      assert.ok(fileOf(sandbox, 'pids', 'cgroup.procs').split('\n').includes(String(sandbox.process?.pid)));
      await helper.request(SandboxesRemove, { sandbox: sandbox.id });
      assert.deepEqual(leftOf(sandbox), []);
    });
  }

  test('that the memory was not enough is told as the reason of the end', async () => {
    const args = ['sh', '-c', 'head -c 200M /dev/zero | tail'];
    const { exit } = await helper.request(SandboxesRun, {
      spec: { resources: { memory: { limit: '16M' } }, process: { args } },
    });
    assert.equal(exit.reason, 'oom');
    assert.match(exit.message, /16M/);
  });

  test('are steps of the explanation like all else', async () => {
    const { steps } = await helper.request(SandboxesExplain, { spec: { resources: RESOURCES } });
    assert.ok(steps.some(({ call }) => call.startsWith('mkdirat(') && call.includes('isoscope-')));
    assert.ok(steps.some(({ purpose }) => purpose.startsWith('set pids.max to 20')));
  });

  test('nothing of them stays when a later step fails, or the helper is killed', async () => {
    const wrong = { resources: RESOURCES, root: { type: 'tmpfs' }, process: { args: ['ls'] } } satisfies SandboxSpec;
    const before = cgroups();
    await assert.rejects(helper.request(SandboxesRun, { spec: wrong }), /not found/);
    assert.deepEqual(cgroups(), before);
    const victim = await startHelper();
    const { sandbox } = await victim.request(SandboxesCreate, {
      spec: { resources: RESOURCES, process: { args: ['sleep', '1000'], terminal: false } },
    });
    assert.ok(leftOf(sandbox).length > 0);
    victim.process.kill('SIGKILL');
    for (const end = Date.now() + 20_000; leftOf(sandbox).length > 0; ) {
      assert.ok(Date.now() < end, `still there: ${leftOf(sandbox).join(' ')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  test('what cannot be set is refused with what is wrong', async () => {
    const refuses = (resources: SandboxResources, words: RegExp) =>
      assert.rejects(helper.request(SandboxesRun, { spec: { resources, process: { args: ['true'] } } }), words);
    await refuses({ blockIO: [{ device: '/dev/null', readBps: '1M' }] }, /not a block device/);
    await refuses({ memory: { swap: '1M' } }, /swap/);
    await refuses({ cpu: { cpus: '4000' } }, /cpuset\.cpus/);
  });
});

function cgroups(): string[] {
  const mounts = fs.readFileSync('/proc/self/mountinfo', 'utf8').matchAll(/^\S+ \S+ \S+ \/ (\S+) .* - cgroup2? /gm);
  return [...mounts].flatMap(([, mount = '']) => fs.readdirSync(mount).filter((name) => /^isoscope-[0-9a-f]{16}$/.test(name)));
}

function leftOf(sandbox: English<Sandbox>): string[] {
  return cgroups().filter((name) => sandbox.cgroups.some((cgroup) => cgroup.path.endsWith(name)));
}
