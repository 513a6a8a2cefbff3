/**
 * Who stands for a container whose cgroup holds its supervisor, too: what is opened in it is inside, never on the host. The shapes of engines
 * that are not installed are made by hand: their cgroups, a supervisor that stays outside, and a program in namespaces of its own.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Container, ContainersList } from '../../helper/protocol/containers.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { type ProgramParams, ProgramsExplain, ProgramsRun, TerminalsOpen } from '../../helper/protocol/programs.ts';
import { makeBusyboxRoot } from '../fixtures/busyboxRoot.ts';
import { type MadeCgroup, withoutControllers } from '../fixtures/cgroup.ts';
import type { English } from '../fixtures/english.ts';
import { isHelperRoot, unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { ISOLATED, joining, nestedCgroups, startKeptMachine, supervisor } from '../fixtures/supervised.ts';
import { untilAnswer } from '../fixtures/until.ts';
import { refOfProcess, startSleeper, startSpecimen, youngest } from '../fixtures/zoo.ts';

const ID = 'c5db98afcc8a0e0f099e5773e4c35ad3b7cb18e474b8c832f86b32de7f0f3e66';
const OTHER = '58ddc2f7d1d8a1f0a8b1a5a1a0a9b8c7d6e5f4030201000f0e0d0c0b0a090807';
const POD = 'pod0a1b2c3d-1111-2222-3333-444455556666';
const NAME = `inside-${process.pid}`;

const BWRAP = ['bwrap', '--unshare-all', '--die-with-parent', '--bind', '/', '/', '--proc', '/proc', '--dev', '/dev'];

/** `by` is the supervisor's name. */
const SHAPES: { what: string; names: string[]; by: string; command?: string[] }[] = [
  { what: 'a container in a pod of podman', names: ['libpod_parent', OTHER, `libpod-${ID}`], by: 'conmon' },
  { what: 'a container of Kubernetes whose shim is in the cgroup', names: ['kubepods', POD, ID], by: 'containerd-shim' },
  { what: 'a machine', names: [`machine-${NAME}.scope`], by: 'systemd-nspawn' },
  { what: 'a container of LXC', names: [`lxc.payload.${NAME}`], by: 'lxc-start' },
  { what: 'flatpak', names: ['app-flatpak-org.example.Inside-4711.scope'], by: 'bwrap', command: BWRAP },
];

describe('what stands for a container is inside it', { skip: withoutControllers('pids') }, () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  async function containerIn({ ref: { hierarchy, path: own } }: MadeCgroup): Promise<English<Container>> {
    const isIt = ({ cgroups }: English<Container>) => cgroups.some((one) => one.hierarchy === hierarchy && one.path === own);
    const ask = async () => (await helper.request(ContainersList, {})).containers;
    return (await untilAnswer(`no container is in ${own}`, ask, (all) => all.some(isIt))).find(isIt)!;
  }

  async function containerOf(pid: number): Promise<string | undefined> {
    const { processes } = await helper.request(ProcessesList, {});
    return processes.find((process) => process.pid === pid)?.container;
  }

  /** Where the programs of the container run, of those that tell: the net namespace, which each of these has to itself. */
  async function assertPrograms(leader: ProgramParams['process'], inside: number): Promise<void> {
    const { stdout, stderr } = await helper.request(ProgramsRun, {
      process: leader!,
      command: ['busybox', 'readlink', '/proc/self/ns/net'],
    });
    assert.equal(stdout.trim(), readlinkSync(`/proc/${inside}/ns/net`), stderr);
  }

  for (const { what, names, by, command = ISOLATED } of SHAPES) {
    test(`${what}: it is the first process inside`, { skip: by === 'bwrap' && unlessRootHas('bwrap') }, async (t) => {
      const cgroup = nestedCgroups(t, names);
      const outside = await startSleeper([...joining(cgroup), ...(by === 'bwrap' ? [] : supervisor(by)), ...command]);
      t.after(outside.stop);
      const inside = youngest(outside.pid);
      const { key, leader, isolated } = await containerIn(cgroup);
      assert.notEqual(leader.pid, outside.pid);
      assert.equal(await containerOf(outside.pid), key, 'what supervises it is of the same container');
      assert.equal(await containerOf(inside), key);
      if (!isHelperRoot) return;
      assert.ok(isolated);
      await assertPrograms(leader, inside);
    });
  }

  test('a machine of systemd-nspawn that was told to keep its unit: it is the machine’s first process', {
    skip: unlessRootHas('systemd-nspawn'),
  }, async (t) => {
    const { cgroup, inside } = await startKeptMachine(t, NAME);
    const container = await containerIn(cgroup);
    assert.deepEqual([container.engine, container.id, container.leader], ['systemd-nspawn', NAME, refOfProcess(inside)]);
    if (isHelperRoot) await assertPrograms(container.leader, inside);
  });

  test('a container in a container is one of its own, below the outer one, with a leader of its own', async (t) => {
    const outer = nestedCgroups(t, [`lxc.payload.outer-${NAME}`]);
    const inner = outer.child('docker').child(ID);
    const command = [...joining(outer), ...ISOLATED, 'sh', '-c', '"$@"; exit', 'sh', ...joining(inner), ...supervisor('shim')];
    const outside = await startSleeper([...command, ...ISOLATED]);
    t.after(outside.stop);
    const [around, within] = [await containerIn(outer), await containerIn(inner)];
    assert.deepEqual([within.outer, within.engine, around.engine, around.outer], [around.key, 'docker', 'lxc', undefined]);
    assert.equal(await containerOf(youngest(outside.pid)), within.key);
    if (!isHelperRoot) return;
    assert.equal(within.leader.pid, youngest(outside.pid));
    assert.notDeepEqual(around.leader, within.leader);
    await assertPrograms(within.leader, within.leader.pid);
    await assertPrograms(around.leader, around.leader.pid);
  });

  test('a container of which only the supervisor is left, or runs on the host, opens nothing on the host', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const cgroup = nestedCgroups(t, ['kubepods', POD, ID]);
    const shim = await startSleeper([...joining(cgroup), ...supervisor('containerd-shim')]);
    t.after(shim.stop);
    const { leader, isolated } = await containerIn(cgroup);
    assert.ok(!isolated);
    for (const request of [
      helper.request(ProgramsRun, { process: leader, command: ['true'] }),
      helper.request(ProgramsExplain, { process: leader }),
      helper.request(TerminalsOpen, { process: leader }),
      helper.request(TerminalsOpen, { process: leader, kinds: ['net'] }),
    ]) {
      assert.match((await refusalOf(request, 'invalid')).message, /nothing to enter/);
    }
  });

  test('a process that only chroot confines is entered by its root', { skip: unlessHelperIsRoot }, async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-root-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const root = makeBusyboxRoot(path.join(folder, 'root'), ['only-here'], undefined);
    const jailed = await startSpecimen(['chroot', root, '/bin/sh', '-c', 'echo there; read end']);
    t.after(jailed.stop);
    const { stdout } = await helper.request(ProgramsRun, { process: refOfProcess(jailed.pid), command: ['ls', '/'] });
    assert.equal(stdout, 'bin\nonly-here\n');
  });
});
