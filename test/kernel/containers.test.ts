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
import { type Container, ContainersList, ProcessesList, ProgramsRun } from '../../helper/protocol.ts';
import { type Docker, docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import { inGuest, isHelperRoot, patient, testUid, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { namespaceOfPid, refOfProcess, startSleeper, startSpecimen, youngest } from '../fixtures/zoo.ts';

const NAME = `isoscope-zoo-${process.pid}`;
const SETTLE_MILLIS = patient(15_000);
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
  async function until(what: string, isIt: (container: Container) => boolean): Promise<Container> {
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
      const podman = (...args: string[]) => {
        const as = rootless
          ? ['runuser', '-u', ROOTLESS.user, '--', 'env', `XDG_RUNTIME_DIR=/run/user/${ROOTLESS.uid}`]
          : ['env'];
        return execFileSync(
          as[0]!,
          [...as.slice(1), `HOME=${rootless ? `/home/${ROOTLESS.user}` : '/root'}`, 'podman', ...args],
          {
            encoding: 'utf8',
            cwd: '/',
            stdio: ['ignore', 'pipe', 'pipe'],
          },
        ).trim();
      };
      const root = rootFolder(t);
      const archive = path.join(root, '..', 'image.tar');
      execFileSync('tar', ['-C', root, '-cf', archive, '.']);
      podman('import', archive, 'zoo');
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
});

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
