/** The launcher that waits to be forked: what it makes is what starting the program anew makes. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { sendDescriptors } from '../../helper/kernel/passDescriptors.ts';
import { type End, openSocketPair, spawn, waitForEnd } from '../../helper/kernel/spawn.ts';
import { ARGV0, ForkServer } from '../../helper/launcher/forkServer.ts';
import { encodeProgram, string, strings } from '../../helper/launcher/program.ts';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { parseCmdline } from '../../helper/proc/cmdline.ts';
import { makeCgroup } from '../fixtures/cgroup.ts';
import { told } from '../fixtures/english.ts';
import { isRoot } from '../fixtures/environment.ts';
import { HELPER_PROGRAM } from '../fixtures/helper.ts';
import { until } from '../fixtures/until.ts';

const LAUNCHER = path.join(path.dirname(HELPER_PROGRAM), 'launcher');

/** What a launcher is to its parent and to the kernel, as the program says that it executes. */
const SELF = [
  'grep -E "^(PPid|Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Cpus_allowed_list)" /proc/$$/status',
  // Of a child, which inherits them: the shell blocks signals while it waits for it.
  'grep -E "^(SigPnd|SigBlk|SigIgn|SigCgt)" /proc/self/status',
  'cat /proc/$$/limits /proc/$$/cgroup /proc/$$/oom_score_adj',
  'readlink /proc/$$/cwd /proc/$$/ns/*',
  'ls /proc/$$/fd',
  'umask; env',
].join('; ');

const encoded = encodeProgram({
  descriptors: 4,
  steps: [
    {
      kind: 'syscall',
      name: 'execve',
      arguments: [string('/bin/sh'), strings(['sh', '-c', SELF]), strings([])],
      purpose: told('say what it is'),
    },
  ],
});

const waitedFor = (pid: number) => new Promise<End>((resolve) => waitForEnd(pid, resolve));

/** What the program prints in a launcher that `make` makes with these descriptors. */
async function said(make: (descriptors: number[]) => number): Promise<string> {
  const output = openSocketPair();
  const control = openSocketPair();
  const nothing = fs.openSync('/dev/null', 'r+');
  try {
    const ended = waitedFor(make([nothing, output.theirs, nothing, control.theirs]));
    fs.closeSync(output.theirs);
    fs.closeSync(control.theirs);
    fs.writeSync(control.ours, encoded);
    assert.deepEqual(await ended, { code: 0 });
    return fs.readFileSync(output.ours, 'utf8');
  } finally {
    for (const descriptor of [output.ours, control.ours, nothing]) fs.closeSync(descriptor);
  }
}

function cgroupOfSelf(hierarchy: string): string {
  const all = parseCgroups(fs.readFileSync('/proc/self/cgroup', 'utf8'));
  return all.find((one) => one.hierarchy === hierarchy)!.path;
}

function childrenNamed(name: string): number[] {
  const pids = fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return pids.filter((pid) => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(name));
}

describe('a launcher that waits to be forked', () => {
  const server = new ForkServer(() => LAUNCHER);
  const forked = (descriptors: number[]): number => {
    const pid = server.fork([ARGV0], descriptors);
    assert.ok(pid !== undefined);
    return pid;
  };
  /** One that gets no program, and so ends after `look`. */
  const forkIdle = async (argv: string[], look: (pid: number) => void | Promise<void>) => {
    const control = openSocketPair();
    const nothing = fs.openSync('/dev/null', 'r+');
    const pid = server.fork(argv, [nothing, nothing, nothing, control.theirs]);
    assert.ok(pid !== undefined);
    const ended = waitedFor(pid);
    for (const descriptor of [control.theirs, nothing]) fs.closeSync(descriptor);
    await look(pid);
    fs.closeSync(control.ours);
    assert.deepEqual(await ended, { code: 127 });
  };
  const theServer = () => {
    const [pid, ...others] = childrenNamed(ARGV0);
    assert.ok(pid !== undefined && others.length === 0);
    return pid;
  };

  before(async () => void (await said(forked)));
  after(() => process.kill(theServer(), 'SIGKILL'));

  test('makes what starting it makes: a child of this process, with the same state and descriptors', async () => {
    const started = await said((descriptors) => spawn(LAUNCHER, [ARGV0], descriptors));
    assert.match(started, new RegExp(`^PPid:\\t${process.pid}$`, 'm'));
    assert.equal(await said(forked), started);
  });

  test('shows the arguments that it is given, whatever those before had', async () => {
    for (const argv of [['isoscope-sandbox', 'a'.repeat(63), '0123456789abcdef'], ['short'], [ARGV0]]) {
      const isShown = (pid: number) => isDeepStrictEqual(parseCmdline(fs.readFileSync(`/proc/${pid}/cmdline`)), argv);
      await forkIdle(argv, (pid) => until(() => isShown(pid), `it is called ${argv.join(' ')}`));
    }
  });

  test('makes any number, one by one, and keeps nothing of them', async () => {
    const pid = theServer();
    for (let round = 0; round < 200; round += 1) await forkIdle([ARGV0], () => undefined);
    assert.equal(theServer(), pid);
    assert.deepEqual(
      fs.readdirSync(`/proc/${pid}/fd`).filter((name) => Number(name) < 100),
      ['0', '1', '2', '3'],
    );
  });

  test('is replaced when this process was moved to another cgroup, where what it makes has to begin', {
    skip: !isRoot && 'needs root to make a cgroup',
  }, async () => {
    using cgroup = makeCgroup('pids', `isoscope-fork-${process.pid}`);
    const before = cgroupOfSelf(cgroup.ref.hierarchy);
    const pid = theServer();
    cgroup.write('cgroup.procs', String(process.pid));
    try {
      assert.ok((await said(forked)).includes(`${cgroup.ref.path}\n`), 'it begins in the cgroup');
      await until(() => !childrenNamed(ARGV0).includes(pid), 'the one before has ended');
    } finally {
      const root = cgroup.directory.slice(0, -cgroup.ref.path.length);
      fs.writeFileSync(path.join(root, before, 'cgroup.procs'), String(process.pid));
    }
    await said(forked);
  });

  test('is replaced when it was killed', async () => {
    const pid = theServer();
    process.kill(pid, 'SIGKILL');
    await until(() => !childrenNamed(ARGV0).includes(pid), 'it is gone');
    const nothing = fs.openSync('/dev/null', 'r+');
    assert.equal(server.fork([ARGV0], [nothing, nothing, nothing, nothing]), undefined);
    fs.closeSync(nothing);
    await said(forked);
    assert.notEqual(theServer(), pid);
  });

  test('is given up when it does not answer, which ends it', async () => {
    const pid = theServer();
    process.kill(pid, 'SIGSTOP');
    const nothing = fs.openSync('/dev/null', 'r+');
    assert.equal(server.fork([ARGV0], [nothing, nothing, nothing, nothing]), undefined);
    fs.closeSync(nothing);
    process.kill(pid, 'SIGCONT');
    await until(() => !childrenNamed(ARGV0).includes(pid), 'it is gone');
    await said(forked);
  });
});

describe('one that is asked for anything else', () => {
  const cases: [string, (socket: number) => void][] = [
    ['bytes without descriptors', (socket) => void fs.writeSync(socket, encoded)],
    ['fewer descriptors than a launcher has', (socket) => sendDescriptors(socket, [socket, socket, socket], Buffer.of(0))],
    ['more descriptors than it takes', (socket) => sendDescriptors(socket, new Array(200).fill(socket), Buffer.of(0))],
    ['nothing, by a helper that is gone', () => undefined],
  ];
  for (const [what, ask] of cases) {
    test(`ends, and makes nothing: ${what}`, async () => {
      const { ours, theirs } = openSocketPair();
      const nothing = fs.openSync('/dev/null', 'r+');
      const ended = waitedFor(spawn(LAUNCHER, [ARGV0, ''], [nothing, nothing, nothing, theirs]));
      fs.closeSync(theirs);
      fs.closeSync(nothing);
      ask(ours);
      fs.closeSync(ours);
      assert.deepEqual(await ended, { code: 0 });
      assert.deepEqual(childrenNamed(ARGV0), []);
    });
  }
});
