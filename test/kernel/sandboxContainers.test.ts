/** Sandboxes among the containers: by name, with the process that the list of sandboxes tells, to every helper. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { KEEPER, parseSandboxTitle } from '../../helper/proc/sandboxTitle.ts';
import { type Container, ContainersList } from '../../helper/protocol/containers.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { TerminalsOpen } from '../../helper/protocol/programs.ts';
import {
  type Sandbox,
  SandboxesCreate,
  SandboxesList,
  SandboxesRemove,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import type { English } from '../fixtures/english.ts';
import { clientUid, isHelperRoot, isRoot, unlessHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { attachScreen } from '../fixtures/screen.ts';
import { until } from '../fixtures/until.ts';

const NAME = `named-${process.pid}`;
const SHELL: SandboxSpec = {
  name: NAME,
  root: { type: 'programs', programs: ['sh', 'sleep'] },
  process: { args: ['sleep', '600'] },
};

describe('a sandbox among the containers', () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  async function create(t: { after(end: () => unknown): void }, more: SandboxSpec = {}): Promise<English<Sandbox>> {
    const { sandbox } = await helper.request(SandboxesCreate, { spec: { ...SHELL, ...more } });
    t.after(() => helper.request(SandboxesRemove, { sandbox: sandbox.id }));
    return sandbox;
  }

  const containers = async (by = helper) => (await by.request(ContainersList, {})).containers;
  const containerOf = async ({ id }: English<Sandbox>, by = helper): Promise<English<Container>> => {
    const found = (await containers(by)).filter((container) => container.engine === 'isoscope' && container.id === id);
    assert.equal(found.length, 1);
    return found[0]!;
  };
  const unnamedOnes = async () => (await containers()).filter(({ engine }) => engine === 'unnamed').map(({ name }) => name);

  test('has its name and its first process, and what runs in it belongs to it', async (t) => {
    const before = await unnamedOnes();
    const sandbox = await create(t);
    const container = await containerOf(sandbox);
    assert.deepEqual([container.name, container.state, container.isolated], [NAME, 'running', true]);
    assert.deepEqual(container.leader, sandbox.process);
    assert.equal(container.namespaces.mnt, sandbox.namespaces.mnt?.ino);
    assert.equal(container.rootlessUid, isHelperRoot ? undefined : helper.host.uid);
    const { processes } = await helper.request(ProcessesList, {});
    const inside = processes.filter((process) => process.container === container.key);
    assert.ok(inside.some(({ name }) => name === 'sleep'));
    assert.deepEqual(await unnamedOnes(), before, 'and no part of it is an unnamed container beside it');
  });

  test('is joined by what a terminal in it runs', async (t) => {
    const sandbox = await create(t);
    const terminal = await helper.request(TerminalsOpen, { sandbox: sandbox.id, command: ['sh'] });
    const screen = await attachScreen(terminal, { uid: clientUid });
    t.after(() => screen[Symbol.asyncDispose]());
    await screen.shows(/[#$] $/);
    const { key } = await containerOf(sandbox);
    const { processes } = await helper.request(ProcessesList, {});
    const names = processes.filter((process) => process.container === key).map(({ name }) => name);
    assert.ok(names.includes('sh') && names.includes('sleep'), names.join(' '));
  });

  test('has the same name with a user namespace of its own', async (t) => {
    const before = await unnamedOnes();
    const sandbox = await create(t, { namespaces: { user: 'new' } });
    const container = await containerOf(sandbox);
    assert.deepEqual([container.name, container.leader], [NAME, sandbox.process]);
    assert.deepEqual(await unnamedOnes(), before);
  });

  test('has its own cgroups when it has limits, and the same name', {
    skip: !isHelperRoot && 'no cgroup is delegated to the user',
  }, async (t) => {
    const sandbox = await create(t, { namespaces: { user: 'new' }, resources: { pids: { limit: 32 } } });
    const container = await containerOf(sandbox);
    assert.deepEqual([container.name, container.leader], [NAME, sandbox.process]);
    assert.deepEqual(container.cgroups, sandbox.cgroups);
    const { processes } = await helper.request(ProcessesList, {});
    const waiting = processes.filter(({ arguments: words }) => parseSandboxTitle(words)?.id === sandbox.id);
    assert.deepEqual([...new Set(waiting.map((process) => process.container))], [container.key]);
    const keeper = processes.find(
      ({ arguments: words }) => Array.isArray(words) && words[0] === KEEPER && words[2] === sandbox.id,
    );
    const own = processes.find(({ pid }) => pid === helper.process.pid);
    assert.deepEqual([keeper?.container, keeper?.uid], [own?.container, 0], 'what cleans up in the end stays outside of it');
  });

  test('is known by name to another helper, and to the next one', async (t) => {
    const sandbox = await create(t, { persistent: true });
    await using other = await startHelper();
    assert.deepEqual((await containerOf(sandbox, other)).leader, sandbox.process);
    const listed = (await other.request(SandboxesList, {})).sandboxes.find(({ id }) => id === sandbox.id);
    assert.deepEqual(listed?.process, sandbox.process);
    await helper.stop();
    helper = await startHelper();
    const container = await containerOf(sandbox);
    assert.deepEqual([container.name, container.leader], [NAME, sandbox.process]);
  });

  test('is none by what a process or a cgroup is called: only what was made as one is', {
    skip: unlessHas('unshare'),
  }, async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-impostor-'));
    t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
    fs.chmodSync(folder, 0o755);
    const sandbox = await create(t);
    const others = [sandbox.id, 'fedcba9876543210'];
    const pids: number[] = [];
    for (const id of others) {
      // A shell runs a script of that name, so that these are its arguments; in it is what has namespaces of its own.
      fs.writeFileSync(path.join(folder, NAME), 'unshare -Urmpfiu --kill-child sleep 600 & echo $!; wait');
      const child = spawn('/bin/sh', [NAME, id], {
        argv0: 'isoscope-sandbox',
        cwd: folder,
        stdio: ['ignore', 'pipe', 'inherit'],
        ...(isRoot ? { uid: 65_534, gid: 65_534 } : {}),
      });
      t.after(() => child.kill('SIGKILL'));
      const [text] = (await once(child.stdout!, 'data')) as [Buffer];
      const unshare = Number(String(text).trim());
      t.after(() => process.kill(unshare, 'SIGKILL'));
      await until(() => childrenOf(unshare).length > 0, 'it has begun');
      pids.push(...childrenOf(unshare));
      if (isRoot) t.after(claimByCgroup(id, childrenOf(unshare)[0]!));
    }
    const all = await containers();
    assert.deepEqual(
      all.filter(({ engine, id }) => engine === 'isoscope' && others.includes(id)).map(({ id, leader }) => [id, leader.pid]),
      [[sandbox.id, sandbox.process!.pid]],
    );
    // Another user's namespaces only root can read.
    if (!isHelperRoot) return;
    const { processes } = await helper.request(ProcessesList, {});
    for (const pid of pids) {
      const { container } = processes.find((process) => process.pid === pid)!;
      assert.equal(all.find(({ key }) => key === container)?.engine, 'unnamed', 'its processes are seen nevertheless');
    }
  });
});

function childrenOf(pid: number): number[] {
  const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** As who has a cgroup of their own may do, in one hierarchy. */
function claimByCgroup(id: string, pid: number): () => void {
  const line = fs
    .readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((one) => /pids| - cgroup2 /.test(one));
  const above = path.join(line!.split(' ')[4]!, `impostor-${process.pid}-${pid}`);
  const directory = path.join(above, `isoscope-${id}`);
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, 'cgroup.procs'), String(pid));
  return async () => {
    const processes = () => fs.readFileSync(path.join(directory, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
    // The one above it may have ended already, and this one with it.
    for (const one of processes()) stopIfThere(Number(one));
    await until(
      () => processes().length === 0,
      () => `its processes ${processes().join(', ')} have ended`,
    );
    fs.rmdirSync(directory);
    fs.rmdirSync(above);
  };
}

function stopIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
