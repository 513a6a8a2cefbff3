/** `containers/list` against real engines: what the engine says of its container is what the helper found without asking it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type Container, ContainersList } from '../../helper/protocol/containers.ts';
import { NamespacesList } from '../../helper/protocol/namespaces.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import { mountWith, removeEverywhere } from '../fixtures/cgroup.ts';
import { type Docker, docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import type { English } from '../fixtures/english.ts';
import { inGuest, isHelperRoot, isRoot, patient, testUid, unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { untilAnswer } from '../fixtures/until.ts';
import { boundNetNamespace, namespaceOfPid, refOfProcess, startSleeper, startSpecimen, youngest } from '../fixtures/zoo.ts';

const NAME = `isoscope-zoo-${process.pid}`;
const BWRAP = ['bwrap', '--unshare-pid', '--unshare-ipc', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev'];
const SETTLE_MILLIS = patient(15_000);
/** Of whom nothing runs. */
const STRANGER = 64_999;
const ROOTLESS = { user: 'person', uid: 1000 };
const ownUid = isHelperRoot ? undefined : testUid;

describe('containers/list', () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  const list = async () => (await helper.request(ContainersList, {})).containers;

  /** Asks until there is a container like that. */
  async function until(what: string, isIt: (container: English<Container>) => boolean): Promise<English<Container>> {
    const deadline = Date.now() + SETTLE_MILLIS;
    for (;;) {
      const containers = await list();
      const container = containers.find(isIt);
      if (container !== undefined) return container;
      const seen = containers.map(({ engine, name, state }) => `${engine} ${name} ${state}`).join(', ');
      assert.ok(Date.now() < deadline, `no ${what} is listed, only: ${seen}`);
    }
  }

  async function untilGone(key: string): Promise<void> {
    const deadline = Date.now() + SETTLE_MILLIS;
    while ((await list()).some((container) => container.key === key))
      assert.ok(Date.now() < deadline, `${key} is still listed`);
  }

  describe('Docker', { skip: unlessRootHas('docker', 'dockerd') }, () => {
    let engine: Docker;
    before(async () => {
      engine = await startDocker();
    });
    after(() => engine?.[Symbol.asyncDispose]());

    test('a container has the id, the state and the first process that docker inspect shows', async () => {
      using made = engine.run(NAME);
      const container = await until('Docker container', ({ id }) => id === made.id);
      const { engine: by, state, leader, processCount, isolated, rootlessUid } = container;
      assert.deepEqual(
        { by, state, leader, processCount, rootlessUid },
        { by: 'docker', state: 'running', leader: refOfProcess(made.pid), processCount: 1, rootlessUid: undefined },
      );
      if (!isHelperRoot) return;
      assert.ok(isolated);
      assert.deepEqual([container.name, container.image], [NAME, IMAGE]);
      assert.equal(container.namespaces.net, namespaceOfPid('net', made.pid).ino);
    });

    test('a process that docker exec started belongs to the container', async (t) => {
      using made = engine.run(NAME);
      const visitor = await startSpecimen(['docker', 'exec', '--interactive', NAME, 'sh', '-c', 'echo there; read end']);
      t.after(visitor.stop);
      const { key, leader } = await until('container of two', ({ id, processCount }) => id === made.id && processCount === 2);
      assert.equal(leader.pid, made.pid);
      const { processes } = await helper.request(ProcessesList, {});
      assert.equal(processes.filter(({ container }) => container === key).length, 2);
    });

    test('a paused container is shown as paused, and as running when it goes on', async () => {
      using made = engine.run(NAME);
      docker('pause', NAME);
      try {
        await until('paused container', ({ id, state }) => id === made.id && state === 'paused');
      } finally {
        docker('unpause', NAME);
      }
      await until('running container', ({ id, state }) => id === made.id && state === 'running');
    });

    test('what comes into a container from outside belongs to it and is marked, also in one of its namespaces only', {
      skip: unlessHelperIsRoot,
    }, async (t) => {
      using made = engine.run(NAME);
      const { key } = await until('Docker container', ({ id }) => id === made.id);
      const before = new Set((await list()).map((container) => container.key));
      for (const kinds of ['--all', '--net']) {
        const visitor = await startSleeper(['nsenter', '--target', String(made.pid), kinds]);
        t.after(visitor.stop);
      }
      const program = { process: refOfProcess(made.pid), kinds: ['net' as const], command: ['sleep', '1000'] };
      const ours = helper.request(ProgramsRun, program);
      const marks = async () => {
        const { processes } = await helper.request(ProcessesList, {});
        return processes.filter(({ container, entered }) => container === key && entered !== undefined);
      };
      const entered = await untilAnswer('not all that entered are marked', marks, (found) => found.length === 3);
      const own = entered.find((process) => process.entered === 'isoscope');
      assert.ok(own !== undefined, `by whom is told: ${JSON.stringify(entered)}`);
      process.kill(own.pid, 'SIGKILL');
      await ours;
      const added = (await list()).filter((container) => !before.has(container.key) && container.leader.pid === own.pid);
      assert.deepEqual(added, [], 'none of them is a container');
    });

    test('a network that two containers share is of the one that made it', { skip: unlessHelperIsRoot }, async () => {
      using maker = engine.run(`z-${NAME}`);
      using sharer = engine.run(`a-${NAME}`, undefined, ['--network', `container:${maker.name}`]);
      const { key } = await until('container', ({ id }) => id === maker.id);
      await until('container that shares', ({ id }) => id === sharer.id);
      const { namespaces } = await helper.request(NamespacesList, { kinds: ['net'] });
      const { ino } = namespaceOfPid('net', sharer.pid);
      assert.equal(namespaces.find((namespace) => namespace.ino === ino)?.container, key);
    });

    test('a container of Docker in a cgroup of another name is one of Docker', {
      skip: mountWith('pids')?.type !== 'cgroup' && 'cgroup v2',
    }, async (t) => {
      const parent = `parent-${NAME}`;
      // Docker leaves it.
      t.after(() => removeEverywhere(parent));
      using made = engine.run(NAME, undefined, ['--cgroup-parent', `/${parent}`]);
      const container = await until('container', ({ id }) => id === made.id);
      assert.equal(container.engine, 'docker');
    });

    test('a removed container is listed no more', async () => {
      const made = engine.run(NAME);
      const { key } = await until('Docker container', ({ id }) => id === made.id);
      made[Symbol.dispose]();
      await untilGone(key);
    });

    test("an ordinary user sees another's container by its shortened id", {
      skip: isHelperRoot && 'root can read names',
    }, async () => {
      using made = engine.run(NAME);
      const container = await until('Docker container', ({ id }) => id === made.id);
      assert.deepEqual([container.name, container.image], [made.id.slice(0, 12), undefined]);
      assert.equal(container.namespaces.net, null, 'unknown, not the same as the host');
    });
  });

  test('a program of Isoscope in a network that nobody else is in is no container', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const bound = await boundNetNamespace(false);
    t.after(bound.release);
    const ours = helper.request(ProgramsRun, { namespaces: [bound.namespace], command: ['sleep', '1000'] });
    const own = async () => {
      const { processes } = await helper.request(ProcessesList, {});
      return processes.find((process) => process.namespaces.net === bound.namespace.ino);
    };
    const found = await untilAnswer('the program is not listed', own, (process) => process !== undefined);
    process.kill(found!.pid, 'SIGKILL');
    await ours;
    assert.deepEqual([found?.entered, found?.container], ['isoscope', undefined]);
  });

  test('what bubblewrap confines in a container is a container in that one', {
    skip: unlessRootHas('bwrap') || unlessHelperIsRoot,
  }, async (t) => {
    const outside = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const outer = await startSleeper([...outside, ...BWRAP]);
    t.after(outer.stop);
    const { processes } = await helper.request(ProcessesList, {});
    const keyOf = (pid: number) => processes.find((process) => process.pid === pid)?.container;
    const inner = (await list()).find(({ key }) => key === keyOf(youngest(outer.pid)));
    assert.equal(inner?.outer, keyOf(outer.pid));
    assert.notEqual(inner?.key, inner?.outer);
  });

  test('what another user’s runtime notes of a process is no name for it', {
    skip: !isRoot && 'only root can note it',
  }, async (t) => {
    const specimen = await startSleeper(['unshare', '--mount', '--uts', '--ipc']);
    t.after(specimen.stop);
    const folder = `/run/user/${STRANGER}`;
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(path.join(folder, 'crun/mine'), { recursive: true });
    writeFileSync(path.join(folder, 'crun/mine/status'), JSON.stringify({ pid: specimen.pid }));
    const container = (await list()).find(({ leader }) => leader.pid === specimen.pid);
    if (isHelperRoot) assert.equal(container?.name, 'busybox');
    else assert.notEqual(container?.name, 'mine');
  });

  test('what bubblewrap isolates is an unnamed container', { skip: unlessRootHas('bwrap') }, async (t) => {
    const options = ['--unshare-all', '--die-with-parent', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev'];
    const specimen = await startSleeper(['bwrap', ...options], { uid: ownUid });
    t.after(specimen.stop);
    const inside = youngest(specimen.pid);
    const { processes } = await helper.request(ProcessesList, {});
    const key = processes.find(({ pid }) => pid === inside)?.container;
    const container = (await list()).find((candidate) => candidate.key === key);
    assert.deepEqual([container?.engine, container?.isolated, container?.state], ['unnamed', true, 'running']);
    await specimen.stop();
    await untilGone(container?.key ?? '');
  });

  test('a machine of systemd-nspawn has its name', {
    skip:
      unlessRootHas('systemd-nspawn') || (!isHelperRoot && 'without a cgroup of its own only root can tell it from the host'),
  }, async (t) => {
    const root = rootFolder(t);
    const command = ['--quiet', '--register=no', '--keep-unit', '--machine', NAME, '--directory', root];
    const specimen = await orSkip(t, () =>
      startSpecimen(['systemd-nspawn', ...command, '/bin/sh', '-c', 'echo there; read end']),
    );
    if (specimen === undefined) return;
    const container = await until('machine', ({ engine, id }) => engine === 'systemd-nspawn' && id === NAME);
    assert.deepEqual([container.name, container.state, container.leader.pid], [NAME, 'running', youngest(specimen.pid)]);
  });

  test('a container of LXC has its name and the first process that lxc-info shows', {
    skip: unlessRootHas('lxc-start'),
  }, async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-lxc-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const root = rootFolder(t);
    const config = path.join(folder, 'config');
    writeFileSync(
      config,
      `lxc.uts.name = zoo\nlxc.rootfs.path = dir:${root}\nlxc.net.0.type = empty\nlxc.apparmor.profile = unconfined\n`,
    );
    const where = ['--name', NAME, '--lxcpath', folder];
    t.after(() => void spawnSync('lxc-stop', [...where, '--kill']));
    const log = ['--logfile', path.join(folder, 'log')];
    const start = spawnSync('lxc-start', [...where, ...log, '--rcfile', config, '--daemon', '--', '/bin/sleep', '1000'], {
      encoding: 'utf8',
    });
    if (start.status !== 0) return t.skip(`lxc-start: ${start.stderr.trim()}`);
    const pid = Number(execFileSync('lxc-info', [...where, '--pid', '--no-humanize'], { encoding: 'utf8' }));
    const container = await until('LXC container', ({ engine, id }) => engine === 'lxc' && id === NAME);
    assert.deepEqual([container.name, container.state, container.leader], [NAME, 'running', refOfProcess(pid)]);
  });

  for (const rootless of [false, true]) {
    test(`a ${rootless ? 'rootless ' : ''}container of podman is listed with its owner`, {
      skip: podmanIsMissing(),
    }, async (t) => {
      const podman = podmanOf(rootless);
      importRoot(t, podman);
      t.after(() => podman('rm', '--force', '--time', '0', '--ignore', NAME));
      const id = podman('run', '--detach', '--network', 'none', '--name', NAME, 'zoo', '/bin/sleep', '1000').split('\n').at(-1);
      const pid = Number(podman('inspect', '--format', '{{.State.Pid}}', NAME));
      const container = await until('podman container', (candidate) => candidate.id === id);
      assert.deepEqual(
        [container.engine, container.state, container.leader, container.rootlessUid],
        ['podman', 'running', refOfProcess(pid), rootless ? ROOTLESS.uid : undefined],
      );
      // crun's own, below the scope of systemd, is where its limits are.
      const [, own] = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? [];
      assert.deepEqual(container.cgroups, [{ hierarchy: 'unified', path: own }]);
      if (!isHelperRoot) return;
      const command = ['sh', '-c', 'grep ^0: /proc/self/cgroup; cat /etc/os-release'];
      const { stdout, stderr } = await helper.request(ProgramsRun, { process: container.leader, command });
      assert.equal(stdout, '0::/\nID=zoo\n', stderr);
    });
  }

  test('rootless containers of podman without cgroups of their own are each listed, by name, and entered each by itself', {
    skip: podmanIsMissing(),
  }, async (t) => {
    const podman = podmanOf(true);
    importRoot(t, podman);
    const names = [`${NAME}-one`, `${NAME}-two`];
    t.after(() => podman('rm', '--force', '--time', '0', '--ignore', ...names));
    for (const name of names) {
      const options = ['--detach', '--network', 'none', '--cgroups=disabled', '--name', name, '--hostname', name];
      const id = podman('run', ...options, 'zoo', '/bin/sleep', '1000')
        .split('\n')
        .at(-1)!;
      const pid = Number(podman('inspect', '--format', '{{.State.Pid}}', name));
      const container = await until(`container ${name}`, ({ leader }) => leader.pid === pid);
      if (isHelperRoot || testUid === ROOTLESS.uid) {
        assert.deepEqual([container.engine, container.id, container.name], ['podman', id, name]);
        assert.equal(container.rootlessUid, ROOTLESS.uid);
      }
      if (!isHelperRoot) continue;
      const { stdout, stderr } = await helper.request(ProgramsRun, {
        process: container.leader,
        command: ['sh', '-c', 'cat /etc/os-release /etc/hostname'],
      });
      assert.equal(stdout.trim(), `ID=zoo\n${name}`, stderr);
    }
  });
});

type Podman = (...args: string[]) => string;

function podmanOf(rootless: boolean): Podman {
  const as = rootless ? ['runuser', '-u', ROOTLESS.user, '--', 'env', `XDG_RUNTIME_DIR=/run/user/${ROOTLESS.uid}`] : ['env'];
  const [program = '', ...rest] = [...as, `HOME=${rootless ? `/home/${ROOTLESS.user}` : '/root'}`, 'podman'];
  return (...args) => {
    const output = execFileSync(program, [...rest, ...args], { encoding: 'utf8', cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    return output.trim();
  };
}

/** The image `zoo`. */
function importRoot(t: TestContext, podman: Podman): void {
  const root = rootFolder(t);
  const archive = path.join(root, '..', 'image.tar');
  execFileSync('tar', ['-C', root, '-cf', archive, '.']);
  podman('import', archive, 'zoo');
}

function podmanIsMissing(): string | false {
  return inGuest ? unlessRootHas('podman') : 'podman is tested in the guest, where cgroups are version 2';
}

/** A root directory with busybox and its applets that the tests use, which any user may read. */
function rootFolder(t: TestContext): string {
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'isoscope-root-')));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const root = path.join(folder, 'root');
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'usr']) mkdirSync(path.join(root, name), { recursive: true });
  cpSync('/bin/busybox', path.join(root, 'bin/busybox'), { dereference: true });
  for (const applet of ['sh', 'sleep', 'cat', 'grep']) symlinkSync('busybox', path.join(root, 'bin', applet));
  writeFileSync(path.join(root, 'etc/os-release'), 'ID=zoo\n');
  return root;
}

/** What `start` gives; when the engine refuses this machine, skips the test with the engine's own reason. */
async function orSkip<T extends { stop(): Promise<void> }>(t: TestContext, start: () => Promise<T>): Promise<T | undefined> {
  try {
    const started = await start();
    t.after(started.stop);
    return started;
  } catch (error) {
    t.skip(String(error));
    return undefined;
  }
}
