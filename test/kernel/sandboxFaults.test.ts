/** A full sandbox, whose helper or launcher is killed before every one of its steps: nothing may be left. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import type { Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { openPipe } from '../../helper/kernel/pipe.ts';
import { encodeProgram, type SyscallProgram } from '../../helper/launcher/program.ts';
import { decodeReport, FAILED, MALFORMED, REPORT_BYTES, RESULTED, type Report, SYNCED } from '../../helper/launcher/report.ts';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { withinDeadline } from '../../helper/reading/deadline.ts';
import { mapText } from '../../helper/sandbox/idMaps/idMaps.ts';
import { removeCgroups } from '../../helper/sandbox/limits/cgroupRemoval.ts';
import type { SandboxPlan } from '../../helper/sandbox/plan/sandboxPlan.ts';
import { compileSandbox } from '../../helper/sandbox/steps/compileSandbox.ts';
import { english } from '../../helper/saying.ts';
import { delegate } from '../fixtures/delegation.ts';
import { hasIpv6, inGuest, isHelperRoot, isRoot } from '../fixtures/environment.ts';
import { HELPER_PROGRAM } from '../fixtures/helper.ts';
import { planHere } from '../fixtures/planHere.ts';
import { withSyncAt } from '../fixtures/syncAt.ts';
import { until, WAIT_MILLIS } from '../fixtures/until.ts';

/** An emulated machine takes its time. */
const STRIDE = inGuest ? 11 : 1;
const BESIDE = 4;
const LAUNCHER = path.join(path.dirname(HELPER_PROGRAM), 'launcher');

/** Set in the process that this file starts as an ordinary user. */
const AS_USER = 'ISOSCOPE_FAULTS_AS_USER';
const isUser = process.env[AS_USER] !== undefined;

describe('a sandbox that is interrupted', {
  skip: !isUser && !(isRoot && isHelperRoot) && 'only root, or who was given some, has cgroups to leave behind',
}, () => {
  let folder: string;
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-faults-'));
    fs.mkdirSync(path.join(folder, 'root/bin'), { recursive: true });
    fs.copyFileSync('/bin/busybox', path.join(folder, 'root/bin/busybox'));
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  const full = (): SandboxSpec => ({
    root: { type: 'directory', path: path.join(folder, 'root'), access: 'overlay' },
    mounts: [{ destination: '/data', type: 'bind', source: folder }],
    timeOffsets: { boottime: 100 },
    hosts: [{ address: '192.0.2.7', names: ['seven'] }],
    network: { type: 'veth', ipv6: hasIpv6, nameservers: ['192.0.2.53'] },
    resources: { pids: { limit: 10 }, memory: { limit: '64M' } },
    process: { args: ['/bin/busybox', 'sleep', '1000'], terminal: false },
  });

  /** With a user namespace, from which nothing of the host can be removed: what waits outside of it does. */
  const mapped = (): SandboxSpec => {
    const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    return {
      idMappings: { uidMappings: ids, gidMappings: ids },
      root: { type: 'programs', programs: ['busybox'] },
      resources: { pids: { limit: 10 }, memory: { limit: '64M' } },
      process: { args: ['busybox', 'sleep', '1000'], terminal: false },
    };
  };

  const ALL_KINDS: [title: string, specOf: () => SandboxSpec, leastSteps: number][] = [
    ['', full, 101],
    [' in a user namespace', mapped, 81],
  ];
  const KINDS = isUser ? ALL_KINDS.slice(1) : ALL_KINDS;

  /** Runs the program up to the step at `index`, interrupts it there, and resolves with the processes that were seen. */
  async function interruptAt(
    spec: SandboxSpec,
    index: number,
    interrupt: (shell: ChildProcess, launcher: number) => void,
  ): Promise<SandboxPlan> {
    const plan = await planHere(spec);
    const [status, memory] = [openPipe(), openPipe()];
    const compiled = compileSandbox(plan, { statusPipe: status.write, memoryPipe: memory.write });
    const program = withSyncAt(compiled.program, index);
    // The shell stands for the helper: the launcher is its child, and it can be killed. Only the launcher has the socket then.
    const shell = spawn('sh', ['-c', '"$0" & exec 3>&-; echo $! >&2; wait', LAUNCHER], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', ...compiled.descriptors],
      env: {},
    });
    const socket = shell.stdio[3] as Socket;
    socket.on('error', () => undefined);
    const pids = new Set<number>();
    try {
      const launcher = await firstNumber(shell);
      pids.add(launcher);
      await runUpTo(index, program, plan, socket, (pid) => pids.add(pid));
      interrupt(shell, launcher);
      const states = () => [...pids].map((pid) => `${pid} ${stateOf(pid)}`).join(', ');
      await until(
        () => [...pids].every(hasEnded),
        () => `all have ended, at step ${index}: ${states()}`,
      );
    } finally {
      plan.dispose();
      for (const end of [status.read, status.write, memory.read, memory.write]) fs.closeSync(end);
      shell.kill('SIGKILL');
      socket.destroy();
    }
    return plan;
  }

  const count = async (spec: SandboxSpec, least: number) => {
    const { program } = compileSandbox(await planHere(spec), { statusPipe: -1, memoryPipe: -2 });
    const end = program.steps.findIndex(({ kind }) => kind === 'finally');
    assert.ok(end >= least, String(end));
    return end;
  };

  /** Some beside each other: most of their time they wait for the kernel, which removes interfaces and cgroups when it likes. */
  async function atEveryStep(specOf: () => SandboxSpec, least: number, look: (index: number) => Promise<void>): Promise<void> {
    const end = await count(specOf(), least);
    let next = 0;
    const work = async () => {
      for (let index = next; index < end; index = next) {
        next += STRIDE;
        await look(index);
      }
    };
    await Promise.all(Array.from({ length: BESIDE }, work));
  }

  for (const [title, specOf, least] of KINDS) {
    test(`by the death of the helper leaves nothing, at any step${title}`, { timeout: 600_000 }, async () => {
      await atEveryStep(specOf, least, async (index) => {
        const plan = await interruptAt(specOf(), index, (shell) => {
          shell.kill('SIGKILL');
          (shell.stdio[3] as Socket).destroy();
        });
        await until(() => cgroupsOf(plan).length === 0, `no cgroup is left, at step ${index}`);
        await until(() => !hasInterface(plan), `no interface is left, at step ${index}`);
      });
      assert.ok(!fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(folder));
    });

    test(`by the death of the launcher leaves nothing that the helper does not remove${title}`, {
      timeout: 600_000,
    }, async () => {
      await atEveryStep(specOf, least, async (index) => {
        const plan = await interruptAt(specOf(), index, (shell, launcher) => {
          process.kill(launcher, 'SIGKILL');
          // Its child may be on its way to the step by which it dies with its parent.
          (shell.stdio[3] as Socket).write('g');
        });
        await removeCgroups(plan.cgroups);
        assert.deepEqual(cgroupsOf(plan), [], `at step ${index}`);
        await until(() => !hasInterface(plan), `no interface is left, at step ${index}`);
      });
      assert.ok(!fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(folder));
    });
  }
});

describe('a sandbox of an ordinary user that is interrupted', {
  skip: !(isRoot && !isHelperRoot) && 'root delegates cgroups to the ordinary user of ISOSCOPE_TEST_UID',
}, () => {
  test('leaves nothing, or nothing that the helper does not remove', { timeout: 600_000 }, async (t) => {
    using delegation = delegate(`${process.pid}-faults`);
    const [program = '', ...args] = [...delegation.startingIn('tests'), process.execPath, ...process.execArgv];
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const run = promisify(execFile)(program, [...args, import.meta.filename], { env: { ...environment, [AS_USER]: '1' } });
    const { stdout } = await run.catch((error: { stdout: string }) => assert.fail(error.stdout));
    t.diagnostic(stdout);
    assert.match(stdout, /^. pass 2$/m);
  });
});

/**
 * Answers as the helper would. Resolves when the program waits at the step at `index`, or has started: one of several places to execute it from
 * comes before the others. Rejects when it does neither in time.
 */
function runUpTo(
  index: number,
  program: SyscallProgram,
  plan: SandboxPlan,
  socket: Socket,
  onFork: (pid: number) => void,
): Promise<void> {
  const reached = new Promise<void>((resolve, reject) => {
    socket.on('close', () => resolve());
    onReport(socket, ({ kind, step, value }) => {
      if (kind === MALFORMED) reject(new Error(`malformed at line ${value}`));
      if (kind === FAILED) reject(new Error(`${english(program.steps[step]?.purpose ?? '')}: errno ${value}`));
      // The second fork tells a pid of the new namespace.
      if (kind === RESULTED && program.steps[step]?.kind === 'fork') onFork(value);
      if (kind !== SYNCED) return;
      if (step === index) return resolve();
      writeIdMaps(plan, value);
      socket.write('g');
    });
    socket.write(encodeProgram(program));
  });
  return withinDeadline(reached, WAIT_MILLIS, () => new Error(`neither at step ${index} nor started`));
}

function onReport(socket: Socket, tell: (report: Report) => void): void {
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= REPORT_BYTES; rest = rest.subarray(REPORT_BYTES)) tell(decodeReport(rest));
  });
}

/** What the helper does when the program waits for it; that of nft needs no test here. */
function writeIdMaps({ idMaps }: SandboxPlan, pid: number): void {
  if (idMaps === undefined) return;
  if (idMaps.writtenBy === 'newuidmap') {
    for (const [tool, mappings] of [
      ['newuidmap', idMaps.uid],
      ['newgidmap', idMaps.gid],
    ] as const) {
      execFileSync(
        tool,
        [pid, ...mappings.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size])].map(String),
      );
    }
    return;
  }
  fs.writeFileSync(`/proc/${pid}/uid_map`, mapText(idMaps.uid));
  fs.writeFileSync(`/proc/${pid}/gid_map`, mapText(idMaps.gid));
}

function firstNumber(shell: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    shell.stderr!.once('data', (text: Buffer) => resolve(Number(String(text).trim())));
    shell.once('error', reject);
  });
}

function cgroupsOf(plan: SandboxPlan): string[] {
  return plan.cgroups.map(({ parent, name }) => path.join(parent, name)).filter((directory) => fs.existsSync(directory));
}

/** On the host; the kernel removes it some time after the net namespace of its other end. */
function hasInterface({ veth }: SandboxPlan): boolean {
  return fs.existsSync(`/sys/class/net/${veth?.outside}`);
}

/** As proc_pid_status(5) writes it. */
function stateOf(pid: number): string {
  try {
    return /^State:\s+(.*)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 'unknown';
  } catch {
    return 'gone';
  }
}

/** A zombie runs no more; who its parent is now may take its time. */
function hasEnded(pid: number): boolean {
  return /^([ZX]|gone)/.test(stateOf(pid));
}
