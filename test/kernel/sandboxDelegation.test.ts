/** Limits of sandboxes of an ordinary user, in cgroups that are delegated to the user. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import {
  type IdMappings,
  type Sandbox,
  type SandboxExit,
  SandboxesCreate,
  SandboxesEnded,
  SandboxesList,
  SandboxesRemove,
  SandboxesRestart,
  SandboxesRun,
  SandboxesStop,
  type SandboxIdMapping,
  type SandboxResources,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { mountWith } from '../fixtures/cgroup.ts';
import { type Delegation, delegate } from '../fixtures/delegation.ts';
import type { English } from '../fixtures/english.ts';
import { isHelperRoot, isRoot, testUid } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { until } from '../fixtures/until.ts';

const SKIP = !(isRoot && !isHelperRoot) && 'root delegates cgroups to the ordinary user of ISOSCOPE_TEST_UID';
/** A disk, whose rates can be limited. */
const DEVICE = fs
  .readdirSync('/sys/block')
  .filter((name) => /^(vd|sd|xvd|nvme|mmcblk)/.test(name))
  .map((name) => fs.readFileSync(`/sys/block/${name}/dev`, 'utf8').trim())[0];
const USED = ['cpu', 'cpuset', 'memory', 'pids', ...(DEVICE === undefined ? [] : ['io'])];
const RESOURCES: SandboxResources = {
  cpu: { quota: 50_000, period: 100_000, shares: 512, cpus: '0' },
  memory: { limit: '64M' },
  pids: { limit: 20 },
  ...(DEVICE === undefined ? {} : { blockIO: [{ device: DEVICE, readBps: '8M', writeIOPS: 400 }] }),
};

/** The range that subuid(5) or subgid(5) gives the user, alone: without the user's own id. */
function rangeOf(file: string): SandboxIdMapping[] {
  const user = execFileSync('id', ['-un', String(testUid)], { encoding: 'utf8' }).trim();
  const line = fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${user}:`));
  const [, first, count] = (line ?? '').split(':').map(Number);
  assert.ok(first !== undefined && count !== undefined, `${file} gives ${user} a range`);
  return [{ containerID: 0, hostID: first, size: count }];
}

const KINDS_OF_IDS: [title: string, idMappings: () => IdMappings][] = [
  ['the user’s own id', () => 'root'],
  ['the user’s own id and its range', () => 'subids'],
  ['a range of ids alone', () => ({ uidMappings: rangeOf('/etc/subuid'), gidMappings: rangeOf('/etc/subgid') })],
];

describe('limits of a sandbox in cgroups that are delegated to its user', { skip: SKIP }, () => {
  let delegation: Delegation;
  let helper: RunningHelper;
  before(async () => {
    delegation = delegate(String(process.pid));
    helper = await delegation.startHelper();
  });
  after(async () => {
    await helper?.stop();
    delegation?.[Symbol.dispose]();
  });

  /** From outside: the files of its cgroups. */
  function read(sandbox: English<Sandbox>, controller: string, v1: string, v2: string): string {
    const { directory, version } = place(sandbox, controller);
    return fs.readFileSync(path.join(directory, version === 1 ? v1 : v2), 'utf8').trim();
  }

  function place(sandbox: English<Sandbox>, controller: string): { directory: string; version: 1 | 2 } {
    const mount = mountWith(controller === 'io' ? 'blkio' : controller) ?? mountWith(controller)!;
    const version = mount.type === 'cgroup2' ? 2 : 1;
    const name = controller === 'io' && version === 1 ? 'blkio' : controller;
    const cgroup = sandbox.cgroups.find(({ hierarchy }) => hierarchy.split(',').includes(version === 2 ? 'unified' : name));
    assert.ok(cgroup, `it has a cgroup with ${controller}`);
    return { directory: path.join(mount.mountPoint, cgroup.path), version };
  }

  const leftOf = (sandbox: English<Sandbox>) =>
    ['cpu', 'memory', 'pids', 'io']
      .map((controller) => place(sandbox, controller).directory)
      .filter((one) => fs.existsSync(one));

  async function create(spec: SandboxSpec, from = helper): Promise<English<Sandbox>> {
    const process = { args: ['sleep', '1000'], terminal: false, ...spec.process };
    return (await from.request(SandboxesCreate, { spec: { resources: RESOURCES, ...spec, process } })).sandbox;
  }

  function assertLimits(sandbox: English<Sandbox>): void {
    for (const controller of USED)
      assert.equal(path.dirname(place(sandbox, controller).directory), delegation.directoryOf(controller));
    const { version } = place(sandbox, 'cpu');
    if (version === 1) {
      assert.equal(read(sandbox, 'cpu', 'cpu.cfs_quota_us', ''), '50000');
      assert.equal(read(sandbox, 'cpu', 'cpu.shares', ''), '512');
    } else {
      assert.equal(read(sandbox, 'cpu', '', 'cpu.max'), '50000 100000');
      assert.equal(read(sandbox, 'cpu', '', 'cpu.weight'), '20');
    }
    assert.equal(read(sandbox, 'cpuset', 'cpuset.cpus', 'cpuset.cpus'), '0');
    assert.equal(read(sandbox, 'memory', 'memory.limit_in_bytes', 'memory.max'), '67108864');
    assert.equal(read(sandbox, 'pids', 'pids.max', 'pids.max'), '20');
    if (DEVICE === undefined) return;
    const rates =
      place(sandbox, 'io').version === 2
        ? `${DEVICE} rbps=8388608 wbps=max riops=max wiops=400`
        : [`${DEVICE} 8388608`, `${DEVICE} 400`].join('\n');
    const files = ['blkio.throttle.read_bps_device', 'blkio.throttle.write_iops_device'];
    assert.equal([...new Set(files.map((file) => read(sandbox, 'io', file, 'io.max')))].join('\n'), rates);
  }

  for (const [ids, idMappings] of KINDS_OF_IDS) {
    for (const init of [true, false]) {
      const title = `with ${ids}, ${init ? 'with' : 'without'} an init`;
      const spec = (): SandboxSpec => ({ idMappings: idMappings(), process: { init } });

      test(`are what the kernel’s files say, and go with it, ${title}`, async () => {
        const sandbox = await create(spec());
        assertLimits(sandbox);
        const members = read(sandbox, 'pids', 'cgroup.procs', 'cgroup.procs').split('\n');
        assert.ok(members.includes(String(sandbox.process?.pid)));
        assert.equal(members.length, init ? 2 : 1);
        for (const pid of members) assert.equal(new Set(idsOf(pid)).size, 1, 'it has no other id to go back to');
        await helper.request(SandboxesStop, { sandbox: sandbox.id });
        assert.deepEqual(leftOf(sandbox), []);
      });

      test(`hold, ${title}`, async () => {
        const script = 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait';
        const tight = { ...spec(), resources: { pids: { limit: 5 } } };
        const forked = await helper.request(SandboxesRun, {
          spec: { ...tight, process: { init, args: ['sh', '-c', script] } },
        });
        assert.match(forked.stderr, /fork/);
        const args = ['sh', '-c', 'head -c 200M /dev/zero | tail'];
        const { exit } = await helper.request(SandboxesRun, {
          spec: { ...spec(), resources: { memory: { limit: '16M' } }, process: { init, args } },
        });
        assert.equal(exit.reason, 'oom', exit.message);
        const sandbox = await create({ ...spec(), resources: { pids: { limit: 5 } } });
        const entered = await helper.request(ProgramsRun, { sandbox: sandbox.id, command: ['sh', '-c', script] });
        assert.match(entered.stderr, /fork/);
        await helper.request(SandboxesRemove, { sandbox: sandbox.id });
      });

      test(`leave no cgroup after a restart, an end by itself, and the death of the helper, ${title}`, async () => {
        const first = await create(spec());
        const { sandbox } = await helper.request(SandboxesRestart, { sandbox: first.id });
        assertLimits(sandbox);
        const ended = new Promise<SandboxExit>((resolve) => {
          const listener = helper.connection.onNotification(SandboxesEnded, ({ id, exit }) => {
            if (id !== sandbox.id) return;
            listener.dispose();
            resolve(exit);
          });
        });
        process.kill(sandbox.process!.pid, 'SIGKILL');
        assert.equal((await ended).signal, 'SIGKILL');
        assert.deepEqual(leftOf(sandbox), []);

        const victim = await delegation.startHelper({ in: 'victim' });
        const orphan = await create(spec(), victim);
        assertLimits(orphan);
        victim.process.kill('SIGKILL');
        await until(
          () => leftOf(orphan).length === 0,
          () => `gone: ${leftOf(orphan).join()}`,
        );
      });
    }
  }
});

/** Real, effective, saved, and that of the file system. */
function idsOf(pid: string): string[] {
  const [, ...ids] = /^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return ids;
}

const SLEEPING: SandboxSpec = { resources: { pids: { limit: 12 } }, process: { args: ['sleep', '1000'], terminal: false } };
const UNIFIED = mountWith('pids')?.type === 'cgroup2';

function unifiedPathOf(pid: number | undefined): string | undefined {
  const cgroups = parseCgroups(fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  return cgroups.find(({ hierarchy }) => hierarchy === 'unified')?.path;
}

describe('a helper that was started in a cgroup delegated to its user', { skip: SKIP }, () => {
  let delegation: Delegation;
  before(() => {
    delegation = delegate(String(process.pid));
  });
  after(() => delegation?.[Symbol.dispose]());

  test('leaves it for one below when it is alone, so that it can set limits', async () => {
    for (let times = 0; times < 2; times += 1) {
      await using helper = await delegation.startHelper({ in: times === 0 ? '.' : 'isoscope-helper' });
      assert.equal(unifiedPathOf(helper.process.pid), `/${delegation.name}/isoscope-helper`);
      const { sandbox } = await helper.request(SandboxesCreate, { spec: SLEEPING });
      assert.equal(path.posix.dirname(sandbox.cgroups[0]!.path), `/${delegation.name}`);
    }
  });

  test('stays in one that the user made below it, and makes others beside that', async () => {
    await using helper = await delegation.startHelper({ in: 'chosen' });
    assert.equal(unifiedPathOf(helper.process.pid), `/${delegation.name}/chosen`);
    const { sandbox } = await helper.request(SandboxesCreate, { spec: SLEEPING });
    assert.equal(path.posix.dirname(sandbox.cgroups[0]!.path), `/${delegation.name}`);
  });

  test('finds a persistent sandbox in the cgroups that another helper made', async () => {
    let made: English<Sandbox>;
    {
      await using helper = await delegation.startHelper({ in: 'chosen' });
      made = (await helper.request(SandboxesCreate, { spec: { ...SLEEPING, persistent: true } })).sandbox;
    }
    // It may make none itself.
    await using helper = await startHelper();
    const { sandboxes } = await helper.request(SandboxesList, {});
    assert.deepEqual(sandboxes.find(({ id }) => id === made.id)?.cgroups, made.cgroups);
    await helper.request(SandboxesRemove, { sandbox: made.id });
    assert.ok(!fs.existsSync(path.join(delegation.directoryOf('pids'), `isoscope-${made.id}`)));
  });

  test('moves nobody else: where others are it stays, and says so when limits are asked for', async () => {
    using other = delegate(`${process.pid}-other`);
    const companion = spawn('sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] });
    try {
      other.move(companion.pid!);
      await using helper = await other.startHelper();
      for (const pid of [companion.pid, helper.process.pid]) assert.equal(unifiedPathOf(pid), `/${other.name}`);
      const made = helper.request(SandboxesCreate, { spec: SLEEPING });
      if (UNIFIED) {
        const { message, data } = await refusalOf(made, 'busy');
        assert.match(message, new RegExp(`Processes are in the cgroup .*/${other.name},`));
        assert.match(data?.hint ?? '', /DelegateSubgroup=/);
      } else {
        await made;
      }
      assert.equal(unifiedPathOf(companion.pid), `/${other.name}`);
    } finally {
      companion.kill('SIGKILL');
    }
  });
});

/** Ways in which a helper comes to be in a cgroup that it may set no limits in, and the programs that start it so. */
const UNDELEGATED: [title: string, through: (uid: string) => string[]][] = [
  [
    'a session',
    (uid) => [
      ...['systemd-run', '--scope', '--quiet', `--slice=user-${uid}.slice`],
      ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'],
    ],
  ],
  [
    'a unit of the user’s systemd',
    (uid) => [
      ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', 'env', `XDG_RUNTIME_DIR=/run/user/${uid}`],
      ...['systemd-run', '--user', '--scope', '--quiet', 'sh', '-c', 'sleep 1000 & "$@"; kill $!', 'sh'],
    ],
  ],
];

describe('a helper of a user who has a systemd', {
  skip:
    SKIP || (!(UNIFIED && fs.existsSync(`/run/user/${testUid}/bus`)) && 'the user has no systemd that hands down controllers'),
}, () => {
  for (const [title, through] of UNDELEGATED) {
    test(`gets a scope of its own for limits, from ${title}, and moves nobody else there`, async () => {
      await using helper = await startHelper({ uid: 0, gid: 0, through: through(String(testUid)) });
      const before = unifiedPathOf(helper.process.pid)!;
      const process = { ...SLEEPING.process };
      const { sandbox } = await helper.request(SandboxesCreate, { spec: { process } });
      const others = [sandbox.process!.pid, helper.process.pid!].filter((pid) => pid !== helper.host.pid);
      assert.equal(unifiedPathOf(helper.host.pid), before);

      const [, range] = KINDS_OF_IDS.at(-1)!;
      const spec: SandboxSpec = { ...SLEEPING, idMappings: range() };
      const made = [spec, SLEEPING].map((one) => helper.request(SandboxesCreate, { spec: one }));
      const sandboxes = (await Promise.all(made)).map(({ sandbox }) => sandbox);
      const leaf = unifiedPathOf(helper.host.pid)!;
      assert.match(leaf, /\/user@\d+\.service\/.*\/isoscope-[0-9a-f]{8}\.scope\/isoscope-helper$/);
      for (const { cgroups } of sandboxes) {
        assert.equal(path.posix.dirname(cgroups[0]!.path), path.posix.dirname(leaf));
        assert.equal(fs.readFileSync(path.join('/sys/fs/cgroup', cgroups[0]!.path, 'pids.max'), 'utf8'), '12\n');
      }
      for (const pid of others) assert.equal(unifiedPathOf(pid), before);

      // Which user@.service is not given, unless somebody configured it.
      const { message, data } = await refusalOf(
        helper.request(SandboxesCreate, { spec: { ...SLEEPING, resources: { cpu: { cpus: '0' } } } }),
        'unsupported',
      );
      assert.match(message, /cpuset is not delegated to you/);
      assert.match(data?.hint ?? '', /Delegate=/);
      globalThis.process.kill(helper.host.pid, 'SIGKILL');
      await until(() => !fs.existsSync(path.join('/sys/fs/cgroup', leaf, '..')), 'the scope is gone');
    });
  }

  test('enters a persistent sandbox that another helper limited, from another session', async () => {
    const [, through] = UNDELEGATED[0]!;
    const start = () => startHelper({ uid: 0, gid: 0, through: through(String(testUid)) });
    let made: English<Sandbox>;
    {
      await using first = await start();
      const spec = { resources: { pids: { limit: 5 } }, persistent: true };
      made = (await first.request(SandboxesCreate, { spec })).sandbox;
    }
    await using second = await start();
    const command = ['sh', '-c', 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait'];
    const { stderr } = await second.request(ProgramsRun, { sandbox: made.id, command });
    assert.match(stderr, /fork/);
    await second.request(SandboxesRemove, { sandbox: made.id });
    const [cgroup] = made.cgroups;
    await until(() => !fs.existsSync(path.join('/sys/fs/cgroup', cgroup!.path, '..')), 'the scope is gone');
  });
});

describe('limits of a sandbox of an ordinary user to whom no cgroup is delegated', {
  skip: isHelperRoot && 'the helper is root',
}, () => {
  test('are refused with what to do', { skip: !isRoot && 'the cgroup of this session may be delegated' }, async () => {
    // Where no systemd can be asked.
    await using helper = await startHelper({ environment: { ...process.env, XDG_RUNTIME_DIR: '/nonexistent' } });
    const spec: SandboxSpec = { resources: { pids: { limit: 5 } }, process: { args: ['true'] } };
    const { message, data } = await refusalOf(helper.request(SandboxesRun, { spec }), 'permission');
    assert.match(message, /delegated/);
    assert.match(data?.hint ?? '', UNIFIED ? /systemd-run --user --scope -p Delegate=yes/ : /root may give you a cgroup/);
  });
});
