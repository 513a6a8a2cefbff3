/** The life of a sandbox, from its start to its end: what is told of it, how it ends, and that nothing is left of it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import { HostWatch } from '../../helper/protocol/host.ts';
import { ProgramsExplain, ProgramsRun, TerminalsOpen, type TerminalsOpenResult } from '../../helper/protocol/programs.ts';
import {
  SandboxesCreate,
  SandboxesEnded,
  SandboxesList,
  SandboxesRemove,
  SandboxesRestart,
  SandboxesStop,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { clientUid, inGuest, isHelperRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { markedPids, openFilesOf } from '../fixtures/procFiles.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';
import { attachScreen } from '../fixtures/screen.ts';
import { until } from '../fixtures/until.ts';

/** An emulated machine takes its time. */
const MANY = inGuest ? 20 : 200;

/**
 * With a runtime folder of its own, where no persistent sandboxes of others come and go; and with mounts of its own. (Who has no privilege
 * cannot leave any.)
 */
function startAlone(folder: string): Promise<RunningHelper> {
  const runtime = path.join(folder, 'run');
  fs.mkdirSync(runtime, { mode: 0o700 });
  if (clientUid !== undefined) fs.chownSync(runtime, clientUid, clientUid);
  const alone = [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-c',
    'mount -t tmpfs -o mode=755 none /run && exec "$@"',
    'sh',
  ];
  return startHelper({
    environment: { ...process.env, XDG_RUNTIME_DIR: runtime },
    ...(isHelperRoot ? { through: alone } : {}),
  });
}

describe('the life of a sandbox', () => {
  const client = sandboxClient(path.join(os.tmpdir(), 'isoscope-life-'), startAlone);
  const { request, run, refused } = client;

  /** The socket of the helper's terminals is below a root of its own. */
  const reached = (terminal: TerminalsOpenResult): TerminalsOpenResult => ({
    ...terminal,
    streamSocket: `${isHelperRoot ? `/proc/${client.helper.process.pid}/root` : ''}${terminal.streamSocket}`,
  });

  const sleeper = (name: string): SandboxSpec => ({ name, process: { args: ['sleep', '1000'], terminal: false } });

  test('is listed with its namespaces while it runs, entered as it is confined, and gone when stopped', async () => {
    const { sandbox } = await request(SandboxesCreate, { spec: sleeper('listed') });
    const { sandboxes } = await request(SandboxesList, {});
    assert.deepEqual(sandboxes, [sandbox]);
    assert.equal(sandbox.state, 'running');
    const { pid } = sandbox.process!;
    for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const) {
      const link = isHelperRoot || process.getuid?.() === 0 ? fs.readlinkSync(`/proc/${pid}/ns/${kind}`) : undefined;
      if (link !== undefined) assert.equal(link, `${kind}:[${sandbox.namespaces[kind]?.ino}]`);
    }
    const entered = await request(ProgramsRun, {
      sandbox: 'listed',
      command: ['sh', '-c', 'hostname; readlink /proc/self/ns/net; cat /proc/self/status; touch /x || true'],
    });
    assert.match(entered.stdout, new RegExp(`^listed\\nnet:\\[${sandbox.namespaces.net?.ino}\\]`));
    for (const set of ['Prm', 'Eff', 'Bnd']) assert.match(entered.stdout, new RegExp(`^Cap${set}:\\s+0+$`, 'm'));
    assert.match(entered.stdout, /^NoNewPrivs:\s+1$[\s\S]*^Seccomp:\s+2$/m);
    assert.match(entered.stderr, /Read-only/);
    const explained = await request(ProgramsExplain, { sandbox: 'listed', command: ['true'] });
    assert.match(explained.syscalls.join('\n'), /seccomp\(/);
    const ended = nextEnd(sandbox.id);
    await request(SandboxesStop, { sandbox: sandbox.id });
    assert.equal((await ended).reason, 'stopped');
    assert.ok(!(await request(SandboxesList, {})).sandboxes.some(({ id }) => id === sandbox.id));
    assert.ok(!fs.existsSync(`/proc/${pid}`));
  });

  test('whoever watches is told when one comes and goes', async () => {
    await request(HostWatch, { parts: ['sandboxes'] });
    const began = client.helper.changed(['sandboxes'], 20_000);
    const { sandbox } = await request(SandboxesCreate, { spec: sleeper('watched') });
    await began;
    const went = client.helper.changed(['sandboxes'], 20_000);
    await request(SandboxesStop, { sandbox: sandbox.id });
    await went;
    await request(HostWatch, { parts: [] });
  });

  test('a program that handles SIGTERM gets its time', async () => {
    const spec: SandboxSpec = {
      name: 'graceful',
      process: { args: ['sh', '-c', 'trap "exit 3" TERM; while :; do sleep 0.05; done'], terminal: false },
    };
    const { sandbox } = await request(SandboxesCreate, { spec });
    await until(() => fs.readFileSync(`/proc/${sandbox.process!.pid}/stat`, 'utf8') !== '', 'it runs');
    const ended = nextEnd(sandbox.id);
    // The shell may not have set its trap yet.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await request(SandboxesStop, { sandbox: sandbox.id, graceMillis: 20_000 });
    assert.equal((await ended).code, 3);
  });

  test('is restarted under its id and name', async () => {
    const { sandbox } = await request(SandboxesCreate, { spec: sleeper('again') });
    const restarted = (await request(SandboxesRestart, { sandbox: 'again' })).sandbox;
    assert.deepEqual([restarted.id, restarted.name], [sandbox.id, 'again']);
    assert.notEqual(restarted.process?.pid, sandbox.process?.pid);
    await request(SandboxesRemove, { sandbox: 'again' });
  });

  test('a name that was given is given once; one that was not gets a number', async () => {
    const { sandbox } = await request(SandboxesCreate, { spec: sleeper('taken') });
    await assert.rejects(request(SandboxesCreate, { spec: sleeper('taken') }), (error: Error & { data?: ErrorData }) => {
      assert.match(error.message, /named taken already/);
      assert.equal(error.data?.taken, sandbox.id);
      return true;
    });
    await request(SandboxesRemove, { sandbox: 'taken' });
    const unnamed: SandboxSpec = { process: { args: ['sleep', '1000'], terminal: false } };
    const made = [];
    for (let count = 0; count < 2; count += 1) made.push((await request(SandboxesCreate, { spec: unnamed })).sandbox);
    assert.deepEqual(
      made.map(({ name }) => name),
      ['host-sleep', 'host-sleep-2'],
    );
    for (const { id } of made) await request(SandboxesRemove, { sandbox: id });
  });

  test('on a terminal it has a session, a name for its tty where it may, and ends with it', async () => {
    const { sandbox, terminal } = await request(SandboxesCreate, {
      spec: { name: 'tty', process: { args: ['sh'] } },
    });
    assert.match(terminal?.command[0] ?? '', /\/sh$/);
    await using screen = attachScreen(reached(terminal!), { uid: clientUid });
    screen.type('tty; echo in $(hostname); stty size\n');
    // Without privilege the terminal is of the host's devpts, and has no name inside.
    if (isHelperRoot) await screen.shows(/\/dev\/pts\/0/);
    await screen.shows(/in tty/);
    await screen.shows(/24 80/);
    const second = await request(TerminalsOpen, { sandbox: 'tty' });
    await using other = attachScreen(reached(second), { uid: clientUid });
    other.type('echo also in $(hostname)\n');
    await other.shows(/also in tty/);
    const ended = nextEnd(sandbox.id);
    screen.type('exit 4\n');
    assert.equal((await ended).code, 4);
    assert.ok(!(await request(SandboxesList, {})).sandboxes.some(({ id }) => id === sandbox.id));
  });

  test('a time of weeks is as long as that', async () => {
    for (const days of [25, 30, 365]) {
      const process: SandboxSpec['process'] = { args: ['sh', '-c', 'sleep 0.2; echo over'], timeout: days * 86_400 };
      const { stdout, exit } = await run({ process });
      assert.deepEqual([stdout, exit.reason], ['over\n', 'exit'], `${days} days`);
    }
  });

  test('whatever fails leaves nothing behind', async () => {
    // What the helper opens once.
    await run({ process: { args: ['true'] } });
    const before = traces(client.helper.process.pid!);
    for (let count = 0; count < 5; count += 1) {
      await refused({ root: { type: 'tmpfs' }, process: { args: ['ls'] } }, 'notFound');
      await refused({ process: { cwd: '/no/such' } }, 'notFound');
    }
    await asBefore(before);
  });

  test('many in a row leave nothing, and many at once are all right', { timeout: 120_000 }, async () => {
    const spec: SandboxSpec = { process: { args: ['true'] } };
    const once = async () => assert.equal((await run(spec)).exit.code, 0);
    for (let count = 0; count < 5; count += 1) await once();
    const before = traces(client.helper.process.pid!);
    for (let count = 0; count < MANY; count += 1) await once();
    await Promise.all(Array.from({ length: MANY }, once));
    await asBefore(before);
  });

  test('when the helper is killed, its sandboxes end', async () => {
    const victim = await startHelper();
    const marker = `isoscope-${process.pid}-orphan`;
    const args = ['sh', '-c', `sleep 1000; : ${marker}`];
    await victim.request(SandboxesCreate, { spec: { process: { args, terminal: false } } });
    assert.ok(markedPids(marker).length > 0);
    victim.process.kill('SIGKILL');
    await until(() => markedPids(marker).length === 0, 'it has ended');
  });

  async function asBefore(before: unknown): Promise<void> {
    const now = () => JSON.stringify(traces(client.helper.process.pid!));
    await until(
      () => now() === JSON.stringify(before),
      () => `all is as before: ${JSON.stringify(before)}, now ${now()}`,
    );
  }

  function nextEnd(id: string) {
    return new Promise<{ reason: string; code?: number }>((resolve) => {
      const listener = client.helper.connection.onNotification(SandboxesEnded, (params) => {
        if (params.id !== id) return;
        listener.dispose();
        resolve(params.exit);
      });
    });
  }
});

/** What a sandbox could leave: descriptors and children of the helper, mounts. */
function traces(helper: number): unknown {
  return {
    // Numbers of sockets and pipes say nothing.
    descriptors: openFilesOf(helper)
      .map((file) => file.replace(/:\[.*/, ''))
      .sort(),
    children: fs.readFileSync(`/proc/${helper}/task/${helper}/children`, 'utf8').trim().split(' ').length,
    mounts: isHelperRoot ? fs.readFileSync(`/proc/${helper}/mountinfo`, 'utf8').split('\n').length : 0,
  };
}
