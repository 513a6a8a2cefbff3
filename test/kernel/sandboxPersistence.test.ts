/** Persistent sandboxes: they outlive the helper, are found again, and go when they are told to. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HostChanged, HostWatch } from '../../helper/protocol/host.ts';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import {
  type Sandbox,
  SandboxesCreate,
  SandboxesList,
  SandboxesRemove,
  SandboxesRestart,
  SandboxesRun,
  SandboxesStop,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import type { English } from '../fixtures/english.ts';
import { isHelperRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { until } from '../fixtures/until.ts';

const CHANGE_MILLIS = 20_000;

describe('a persistent sandbox', () => {
  const name = `kept-${process.pid}`;
  let helper: RunningHelper;
  beforeEach(async () => {
    helper = await startHelper();
  });
  afterEach(async () => {
    await helper.request(SandboxesRemove, { sandbox: name }).catch((error) => assert.match(String(error), /no sandbox/));
    await helper.stop();
  });

  const spec: SandboxSpec = { name, persistent: true };
  const create = async (more: SandboxSpec = {}): Promise<English<Sandbox>> =>
    (await helper.request(SandboxesCreate, { spec: { ...spec, ...more } })).sandbox;
  const found = async (): Promise<English<Sandbox> | undefined> =>
    (await helper.request(SandboxesList, {})).sandboxes.find((sandbox) => sandbox.name === name);
  const isAlive = ({ process: leader }: English<Sandbox>) => fs.existsSync(`/proc/${leader?.pid}`);

  async function restartHelper(signal?: NodeJS.Signals): Promise<void> {
    if (signal === undefined) await helper.stop();
    else helper.process.kill(signal);
    helper = await startHelper();
  }

  test('survives the end of the helper, and its being killed, and is found and entered again', async () => {
    const made = await create();
    assert.deepEqual([made.state, made.persistent], ['running', true]);
    for (const signal of [undefined, 'SIGKILL'] as const) {
      await restartHelper(signal);
      assert.ok(isAlive(made));
      const again = await found();
      assert.deepEqual([again?.id, again?.state, again?.process], [made.id, 'running', made.process]);
      assert.deepEqual(again?.namespaces, made.namespaces);
      const { stdout } = await helper.request(ProgramsRun, {
        sandbox: name,
        command: ['sh', '-c', 'hostname; grep -E "Cap(Eff|Bnd)|Seccomp:" /proc/self/status'],
      });
      assert.match(stdout, new RegExp(`^${name}\\nCapEff:\\s+0+\\nCapBnd:\\s+0+\\nSeccomp:\\s+2\\n$`));
    }
    await helper.request(SandboxesRemove, { sandbox: name });
    assert.ok(!isAlive(made));
    assert.equal(await found(), undefined);
    if (isHelperRoot) assert.ok(!fs.existsSync(`/run/isoscope-sandboxes-0/${made.id}.json`));
  });

  test('keeps what was written in it, from helper to helper', async () => {
    await create({ root: { type: 'programs', programs: ['sh', 'cat'] } });
    const write = { sandbox: name, command: ['sh', '-c', 'echo kept >/file'] };
    assert.equal((await helper.request(ProgramsRun, write)).exit.code, 0);
    await restartHelper();
    assert.equal((await helper.request(ProgramsRun, { sandbox: name, command: ['cat', '/file'] })).stdout, 'kept\n');
  });

  test('stays in the list when it has ended, with how, and starts again', async () => {
    const made = await create({ process: { args: ['sh', '-c', 'exit 3'] } });
    await until(async () => (await found())?.state === 'ended', 'it has ended');
    await restartHelper();
    const ended = await found();
    assert.deepEqual([ended?.id, ended?.exit?.code], [made.id, 3]);
    await assert.rejects(helper.request(ProgramsRun, { sandbox: name, command: ['true'] }), /has ended/);
    const restarted = (await helper.request(SandboxesRestart, { sandbox: name })).sandbox;
    assert.equal(restarted.id, made.id);
  });

  test('is stopped and restarted by a helper that did not make it', async () => {
    const made = await create();
    await restartHelper();
    await helper.request(SandboxesStop, { sandbox: name });
    assert.ok(!isAlive(made));
    assert.equal((await found())?.state, 'ended');
    const { sandbox } = await helper.request(SandboxesRestart, { sandbox: name });
    assert.deepEqual([sandbox.id, sandbox.state], [made.id, 'running']);
  });

  test('is seen by another helper when it is made, when it ends, when it starts again and when it is removed', async (t) => {
    const other = await startHelper();
    t.after(() => other.stop());
    await other.request(HostWatch, { parts: ['processes', 'sandboxes'] });
    const seen = async () => (await other.request(SandboxesList, {})).sandboxes.find((sandbox) => sandbox.name === name);
    assert.equal(await seen(), undefined);

    await tells(
      other,
      () => create(),
      async () => (await seen())?.state === 'running',
    );
    const stop = () => helper.request(SandboxesStop, { sandbox: name });
    await tells(other, stop, async () => (await seen())?.exit?.reason === 'stopped');
    const restart = () => helper.request(SandboxesRestart, { sandbox: name });
    await tells(other, restart, async () => (await seen())?.state === 'running');
    assert.deepEqual((await seen())?.process, (await found())?.process);
    const remove = () => helper.request(SandboxesRemove, { sandbox: name });
    await tells(other, remove, async () => (await seen()) === undefined);
    assert.equal(await found(), undefined);

    const again = await create();
    await helper.request(HostWatch, { parts: ['processes', 'sandboxes'] });
    const removeThere = () => other.request(SandboxesRemove, { sandbox: name });
    await tells(helper, removeThere, async () => (await found()) === undefined);
    assert.ok(!isAlive(again));
    assert.equal(await seen(), undefined, 'and the one that made it, which sees it end, does not bring it back');
  });

  test('is seen to end by a helper that did not make it, though the one that did is gone', async () => {
    const made = await create();
    await restartHelper('SIGKILL');
    await helper.request(HostWatch, { parts: ['processes', 'sandboxes'] });
    assert.equal((await found())?.state, 'running');
    await tells(
      helper,
      () => process.kill(made.process!.pid, 'SIGKILL'),
      async () => (await found())?.state === 'ended',
    );
    await helper.request(HostWatch, { parts: [] });
    const { sandbox } = await helper.request(SandboxesRestart, { sandbox: name });
    process.kill(sandbox.process!.pid, 'SIGKILL');
    await until(async () => (await found())?.state === 'ended', 'it has ended');
  });

  test('cannot have what lives in the helper', async () => {
    for (const more of [
      { process: { terminal: true } },
      { process: { timeout: 1 } },
      { namespaces: { pid: 'host' } },
    ] as const) {
      await assert.rejects(create(more as SandboxSpec), /persistent/i);
    }
    await assert.rejects(helper.request(SandboxesRun, { spec }), /persistent/);
  });

  /** Acts, and resolves when the condition holds as `by` tells of a change of the sandboxes; never asks without having been told. */
  function tells(by: RunningHelper, act: () => unknown, condition: () => Promise<boolean>): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: unknown) => {
        clearTimeout(timer);
        listener.dispose();
        if (error === undefined) resolve();
        else reject(error);
      };
      const timer = setTimeout(() => end(new Error(`it was not told of: ${act}`)), CHANGE_MILLIS);
      const listener = by.connection.onNotification(HostChanged, async ({ parts }) => {
        if (parts.includes('sandboxes') && (await condition())) end();
      });
      Promise.resolve(act()).catch(end);
    });
  }
});
