/** What is there when processes of a helper and its sandboxes were killed, in whatever order; and what programs have of the helper. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import {
  type Sandbox,
  SandboxesCreate,
  SandboxesList,
  SandboxesRemove,
  SandboxesRun,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import type { English } from '../fixtures/english.ts';
import { isHelperRoot, testUid, unlessHas, unlessHelperIsRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { until } from '../fixtures/until.ts';

const uid = isHelperRoot ? 0 : (testUid ?? process.geteuid!());
const NOTES = path.join(isHelperRoot ? '/run' : os.tmpdir(), `isoscope-running-${uid}`);
const SAVED = path.join(isHelperRoot ? '/run' : os.tmpdir(), `isoscope-sandboxes-${uid}`);
/** Files in which a sandbox is noted. */
const notesOf = (id: string) =>
  [NOTES, SAVED].flatMap((folder) =>
    fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.startsWith(id)) : [],
  );

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** From the process outside to the first in the sandbox, and the program. */
function processesOf(helper: RunningHelper, { process: first }: English<Sandbox>): number[] {
  const chain = [first!.pid];
  for (let pid = parentOf(first!.pid); pid !== helper.process.pid; pid = parentOf(pid)) chain.unshift(pid);
  const children = fs.readFileSync(`/proc/${first!.pid}/task/${first!.pid}/children`, 'utf8').trim();
  return [...chain, ...(children === '' ? [] : children.split(' ').map(Number))];
}

/** The cgroups of a sandbox, wherever they are mounted. */
function cgroupsOf({ id }: English<Sandbox>): string[] {
  const mounts = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const places = mounts.filter((line) => / - cgroup2? /.test(line)).map((line) => line.split(' ')[4]!);
  return [...new Set(places)].map((place) => path.join(place, `isoscope-${id}`)).filter((one) => fs.existsSync(one));
}

/** As a program with a writable hierarchy would: three levels, a process in the deepest. */
function makeNested(sandbox: English<Sandbox>, pid: number): void {
  for (const directory of cgroupsOf(sandbox)) {
    const deepest = path.join(directory, 'one', 'two', '\u00e9');
    fs.mkdirSync(deepest, { recursive: true });
    for (const place of [path.join(directory, 'one'), path.join(directory, 'one/two'), deepest])
      for (const file of ['cpuset.cpus', 'cpuset.mems'])
        if (fs.existsSync(path.join(place, file)))
          fs.writeFileSync(path.join(place, file), fs.readFileSync(path.join(directory, file), 'utf8').trim());
    fs.writeFileSync(path.join(deepest, 'cgroup.procs'), String(pid));
  }
}

describe('of a sandbox with limits', { skip: unlessHelperIsRoot }, () => {
  const limited: SandboxSpec = {
    resources: { pids: { limit: 50 }, memory: { limit: '64M' }, cpu: { shares: 512 } },
    process: { args: ['sleep', '1000'], terminal: false },
  };
  const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const kinds: [title: string, spec: SandboxSpec][] = [
    ['', limited],
    [' that is persistent', { ...limited, persistent: true }],
    [' in a user namespace', { ...limited, idMappings: { uidMappings: ids, gidMappings: ids } }],
    [' without a pid namespace', { ...limited, namespaces: { pid: 'host' } }],
  ];

  for (const [title, spec] of kinds) {
    test(`nothing is left, whichever of its processes is killed${title}, cgroups in its own included`, async () => {
      await using helper = await startHelper();
      const made: string[] = [];
      for (let which = 0; ; which += 1) {
        const { sandbox } = await helper.request(SandboxesCreate, { spec });
        made.push(sandbox.id);
        const chain = processesOf(helper, sandbox);
        makeNested(sandbox, chain.at(-1)!);
        assert.ok(cgroupsOf(sandbox).length > 0);
        process.kill(chain[which]!, 'SIGKILL');
        await until(() => cgroupsOf(sandbox).length === 0, `no cgroup, when ${which} of ${chain.length} was killed`);
        await until(() => !chain.some(isRunning), 'nothing runs');
        await helper.request(SandboxesRemove, { sandbox: sandbox.id }).catch(() => undefined);
        const isListed = async () => (await helper.request(SandboxesList, {})).sandboxes.some(({ id }) => id === sandbox.id);
        await until(async () => !(await isListed()), 'it is not listed');
        if (which === chain.length - 1) break;
      }
      for (const id of made) assert.deepEqual(notesOf(id), []);
    });

    test(`nothing is left once the next helper has begun, when all were killed with the helper first${title}`, async () => {
      for (const order of ['helper first', 'helper last']) {
        const helper = await startHelper();
        const { sandbox } = await helper.request(SandboxesCreate, { spec });
        const chain = processesOf(helper, sandbox);
        makeNested(sandbox, chain.at(-1)!);
        const all = [helper.process.pid!, ...chain];
        for (const pid of order === 'helper first' ? all : all.toReversed()) {
          try {
            process.kill(pid, 'SIGKILL');
          } catch {
            // It went with the one before.
          }
        }
        await until(() => !all.some(isRunning), 'all are gone');
        await using next = await startHelper();
        await until(() => cgroupsOf(sandbox).length === 0, `no cgroup, ${order}`);
        await next.request(SandboxesRemove, { sandbox: sandbox.id }).catch(() => undefined);
        await until(() => notesOf(sandbox.id).length === 0, 'no note');
      }
    });
  }

  test('what still runs is left alone by a helper that begins', async () => {
    await using helper = await startHelper();
    const made: English<Sandbox>[] = [];
    for (const [, spec] of kinds) made.push((await helper.request(SandboxesCreate, { spec })).sandbox);
    await using other = await startHelper();
    // It has looked by the time that it has made and removed one itself.
    await other.request(SandboxesRun, { spec: { ...limited, process: { args: ['true'] } } });
    for (const sandbox of made) {
      assert.ok(cgroupsOf(sandbox).length > 0, sandbox.name);
      assert.ok(isRunning(sandbox.process!.pid));
    }
    for (const { id } of made) await helper.request(SandboxesRemove, { sandbox: id });
  });
});

test('the folder of a helper that was killed together with its guard goes when the next one begins', async () => {
  const helper = await startHelper();
  const folder = path.dirname(helper.host.streamSocket);
  const guards = fs
    .readFileSync(`/proc/${helper.process.pid}/task/${helper.process.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number);
  for (const pid of guards) process.kill(pid, 'SIGKILL');
  helper.process.kill('SIGKILL');
  await until(() => ![helper.process.pid!, ...guards].some(isRunning), 'all are gone');
  assert.ok(fs.existsSync(folder));
  await using other = await startHelper();
  await until(() => !fs.existsSync(folder), 'it is gone');
  assert.ok(fs.existsSync(path.dirname(other.host.streamSocket)));
});

describe('from how the helper was started, a program has', { skip: unlessHas('python3') }, () => {
  const START = `
import os, resource, signal, sys
os.umask(0o077); os.nice(7)
open('/proc/self/oom_score_adj', 'w').write('321')
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
signal.signal(signal.SIGPIPE, signal.SIG_IGN); signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})
os.execvp(sys.argv[1], sys.argv[1:])`;
  const ASK =
    'ulimit -Sn; umask; cat /proc/self/oom_score_adj; cut -d" " -f19 /proc/self/stat; grep -E "^Sig(Blk|Ign|Cgt)" /proc/self/status';
  const isPrivileged = isHelperRoot;
  const expected = (nice: string) => `1024\n0022\n0\n${nice}\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n`;

  test('no limit of open files, umask, nice value, out-of-memory score or signals', async () => {
    await using helper = await startHelper({ through: ['python3', '-c', START] });
    // Only who may raise the priority takes it back.
    const nice = isPrivileged ? '0' : '7';
    const asked = ASK.replaceAll('|Cgt', '');
    const inSandbox = await helper.request(SandboxesRun, { spec: { process: { args: ['bash', '-c', asked] } } });
    assert.equal(inSandbox.stdout, expected(nice), inSandbox.stderr);
    const { sandbox } = await helper.request(SandboxesCreate, {
      spec: { process: { args: ['sleep', '1000'], terminal: false } },
    });
    const targets = [{ sandbox: sandbox.id }, { process: sandbox.process!, identity: 'root' as const }];
    for (const target of isPrivileged ? targets : targets.slice(0, 1)) {
      const { stdout } = await helper.request(ProgramsRun, { ...target, command: ['bash', '-c', asked] });
      assert.equal(stdout, expected(nice), JSON.stringify(target));
    }
  });
});

test('standard input of megabytes arrives whole, and more than may be is refused by its field', async () => {
  await using helper = await startHelper();
  const size = 8 * 1024 * 1024;
  const stdin = Buffer.alloc(size, 'abcdefgh').toString('base64');
  const command = ['wc', '-c'];
  const { sandbox } = await helper.request(SandboxesCreate, {
    spec: { process: { args: ['sleep', '1000'], terminal: false } },
  });
  const target = { sandbox: sandbox.id };
  assert.equal((await helper.request(ProgramsRun, { ...target, command, stdin })).stdout, `${size}\n`);
  const spec: SandboxSpec = { process: { args: command } };
  assert.equal((await helper.request(SandboxesRun, { spec, stdin })).stdout, `${size}\n`);
  for (const wrong of [`${stdin}AAAA`, 'abc', 'ab=c', `${stdin.slice(0, -4)}abc!`]) {
    await assert.rejects(helper.request(ProgramsRun, { ...target, command, stdin: wrong }), /stdin.*base64/s);
    await assert.rejects(helper.request(SandboxesRun, { spec, stdin: wrong }), /stdin.*base64/s);
  }
  const endless = helper.request(ProgramsRun, { ...target, command, stdin: 'A'.repeat(20 * 1024 * 1024) });
  await assert.rejects(endless, /too large: at most 16 MiB/);
});
