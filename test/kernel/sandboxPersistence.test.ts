/** Persistent sandboxes: they outlive the helper, are found again, and go when they are told to. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
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
import { ProgramsRun } from '../../helper/protocol.ts';
import { isHelperRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';

describe('a persistent sandbox', () => {
  const name = `kept-${process.pid}`;
  let helper: RunningHelper;
  beforeEach(async () => {
    helper = await startHelper();
  });
  afterEach(async () => {
    await helper.request(SandboxesRemove, { sandbox: name }).catch(() => undefined);
    await helper.stop();
  });

  const spec: SandboxSpec = { name, persistent: true };
  const create = async (more: SandboxSpec = {}): Promise<Sandbox> =>
    (await helper.request(SandboxesCreate, { spec: { ...spec, ...more } })).sandbox;
  const found = async (): Promise<Sandbox | undefined> =>
    (await helper.request(SandboxesList, {})).sandboxes.find((sandbox) => sandbox.name === name);
  const isAlive = ({ process: leader }: Sandbox) => fs.existsSync(`/proc/${leader?.pid}`);

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
    await until(async () => (await found())?.state === 'ended');
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

  async function until(condition: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 20_000; !(await condition()); ) assert.ok(Date.now() < end, 'within 20 s');
  }
});
