/**
 * A terminal in a container is inside it, whatever else is in its cgroup, and has its environment, whatever its first process has made of that: as a
 * person sees it who opens one and asks.
 */
import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type Docker, type DockerContainer, startDocker } from '../fixtures/docker.ts';
import { overwriteEnvironment } from '../fixtures/processTitle.ts';
import { ISOLATED, joining, nestedCgroups, startKeptMachine, supervisor } from '../fixtures/supervised.ts';
import { startSleeper, youngest } from '../fixtures/zoo.ts';
import { openWorkbench } from './harness/open.ts';
import type { Workbench } from './harness/workbench.ts';

const NAME = `inside-${process.pid}`;
const TITLED = `titled-${process.pid}`;
const POD = '58ddc2f7d1d8a1f0a8b1a5a1a0a9b8c7d6e5f4030201000f0e0d0c0b0a090807';
const ID = 'c5db98afcc8a0e0f099e5773e4c35ad3b7cb18e474b8c832f86b32de7f0f3e66';

describe('a terminal in a container', { timeout: 300_000 }, () => {
  let engine: Docker;
  let workbench: Workbench;
  let titled: DockerContainer;

  before(async () => {
    engine = await startDocker();
    titled = engine.run(TITLED, ['sleep', '100000'], ['--env', 'SECRET=a b']);
    workbench = await openWorkbench();
    await workbench.openSidebar('Isoscope');
    await workbench.view('Containers').row(TITLED, [], 90_000);
  });

  after(async () => {
    await workbench?.close();
    titled?.[Symbol.dispose]();
    await engine?.[Symbol.asyncDispose]();
  });

  /** Opens one from the row, and asks where it is. */
  async function assertInside(row: string, inside: number): Promise<void> {
    await workbench.view('Containers').row(row, [], 60_000);
    await workbench.view('Containers').contextMenu(row, 'Open Terminal in Container');
    await workbench.terminalShows(/[#$] ?$/m, 30_000);
    await workbench.terminalType('busybox readlink /proc/self/ns/net\n');
    const [shown] = await workbench.terminalShows(/^net:\[\d+\]/m);
    assert.equal(shown, readlinkSync(`/proc/${inside}/ns/net`));
    assert.notEqual(shown, readlinkSync('/proc/self/ns/net'));
    await workbench.screenshot(`inside-${row.slice(0, 6)}`);
  }

  test('of systemd-nspawn that keeps its unit is in the machine', async (t) => {
    const { inside } = await startKeptMachine(t, NAME);
    await assertInside(NAME, inside);
  });

  test('of a pod of podman, whose monitor is in its cgroup, is in the container', async (t) => {
    const cgroup = nestedCgroups(t, ['libpod_parent', POD, `libpod-${ID}`]);
    const outside = await startSleeper([...joining(cgroup), ...supervisor('conmon'), ...ISOLATED]);
    t.after(outside.stop);
    await assertInside(ID.slice(0, 12), youngest(outside.pid));
  });

  test('whose first process writes its title over its environment has that environment', async () => {
    overwriteEnvironment(titled.pid, () => Buffer.from('ster process /usr/sbin/nginx'));
    await workbench.view('Containers').contextMenu(TITLED, 'Open Terminal in Container');
    await workbench.terminalShows(/#$/m, 30_000);
    await workbench.terminalType('env | grep ^SECRET\n');
    await workbench.terminalShows(/^SECRET=a b/m);
  });
});
