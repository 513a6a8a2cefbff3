/** Sandboxes of several helpers of one user, as those of two windows are, or of a window that was loaded again: each lists all that run. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HostChanged, HostWatch } from '../../helper/protocol/host.ts';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import {
  type Sandbox,
  SandboxesCreate,
  SandboxesList,
  SandboxesRestart,
  SandboxesStop,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import type { English } from '../fixtures/english.ts';
import { isHelperRoot, testUid } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { until } from '../fixtures/until.ts';

const NOTES = path.join(
  isHelperRoot ? '/run' : os.tmpdir(),
  `isoscope-sandboxes-${isHelperRoot ? 0 : (testUid ?? process.getuid!())}`,
);

describe('sandboxes of another helper', () => {
  const name = `shared-${process.pid}`;
  let maker: RunningHelper;
  let other: RunningHelper;
  beforeEach(async () => {
    [maker, other] = await Promise.all([startHelper(), startHelper()]);
  });
  afterEach(async () => {
    await Promise.all([maker.stop(), other.stop()]);
  });

  const SLEEP: SandboxSpec = { process: { args: ['sleep', '1000'], terminal: false } };
  const create = async (more: SandboxSpec = {}): Promise<English<Sandbox>> =>
    (await maker.request(SandboxesCreate, { spec: { name, ...SLEEP, ...more } })).sandbox;
  const listed = async (helper: RunningHelper) =>
    (await helper.request(SandboxesList, {})).sandboxes.find((sandbox) => sandbox.name === name);
  const isAlive = ({ process: leader }: English<Sandbox>) => fs.existsSync(`/proc/${leader?.pid}/ns`);

  test('are listed while they run, and entered', async () => {
    const made = await create();
    const found = await listed(other);
    const { id, state, persistent, process: leader, namespaces } = made;
    assert.deepEqual(
      { id, state, persistent, process: leader, namespaces },
      {
        id: found?.id,
        state: found?.state,
        persistent: found?.persistent,
        process: found?.process,
        namespaces: found?.namespaces,
      },
    );
    const { stdout } = await other.request(ProgramsRun, { sandbox: name, command: ['hostname'] });
    assert.equal(stdout, `${name}\n`);
    await maker.request(SandboxesStop, { sandbox: name });
    await until(async () => (await listed(other)) === undefined, 'it is listed no more');
  });

  const WAYS: [how: string, more: SandboxSpec][] = [
    ['with a pid namespace of its own', {}],
    [
      'with the pids of the host',
      { namespaces: { pid: 'host' }, process: { args: ['sh', '-c', 'sleep 1000 & wait'], terminal: false } },
    ],
  ];
  for (const [how, more] of WAYS) {
    test(`${how} are stopped, all that runs in them, and are gone for both`, async () => {
      const made = await create(more);
      const children = fs
        .readFileSync(`/proc/${made.process?.pid}/task/${made.process?.pid}/children`, 'utf8')
        .trim()
        .split(' ');
      await other.request(SandboxesStop, { sandbox: name });
      assert.ok(!isAlive(made));
      for (const pid of children.filter(Boolean)) await until(() => !fs.existsSync(`/proc/${pid}/ns/mnt`), `${pid} ended`);
      assert.equal(await listed(other), undefined);
      await until(async () => (await listed(maker)) === undefined, 'its maker knows');
    });
  }

  test('are started again by whoever is asked to, and then are theirs', async () => {
    const made = await create();
    const { sandbox: again } = await other.request(SandboxesRestart, { sandbox: name });
    assert.equal(again.name, name);
    assert.ok(!isAlive(made));
    await until(async () => (await listed(maker))?.process?.pid === again.process?.pid, 'its first maker lists the new one');
    assert.ok(isAlive(again));
  });

  test('of one that was killed end with it, and leave no note', async () => {
    const made = await create();
    assert.ok(await listed(other));
    maker.process.kill('SIGKILL');
    await until(() => !isAlive(made), 'it ended');
    await until(async () => (await listed(other)) === undefined, 'it is listed no more');
  });

  test('are listed however long their specification is, and leave no note', async () => {
    const names = Array.from({ length: 1024 }, () => 'getpid');
    const syscalls = Array.from({ length: 200 }, () => ({ names, action: 'SCMP_ACT_ALLOW' as const }));
    const made = await create({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls } });
    assert.equal((await listed(other))?.id, made.id);
    await maker.request(SandboxesStop, { sandbox: name });
    assert.ok(!fs.existsSync(path.join(NOTES, `${made.id}.json`)));
    await until(async () => (await listed(other)) === undefined, 'it is listed no more');
  });

  test('are told of as they come and go', async () => {
    let told = 0;
    other.connection.onNotification(HostChanged, ({ parts }) => {
      if (parts.includes('sandboxes')) told += 1;
    });
    await other.request(HostWatch, { parts: ['sandboxes', 'processes'] });
    await create();
    await until(() => told > 0, 'that one was made');
    assert.ok(await listed(other));
    told = 0;
    await maker.request(SandboxesStop, { sandbox: name });
    await until(() => told > 0, 'that it ended');
    await until(async () => (await listed(other)) === undefined, 'it is listed no more');
  });
});
