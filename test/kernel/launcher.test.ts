/** The launcher itself: what it does with programs, good and malformed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch, NeverBegan } from '../../helper/launcher/launch.ts';
import {
  type Argument,
  encodeProgram,
  integer,
  result,
  type Step,
  type SyscallProgram,
  string,
  strings,
} from '../../helper/launcher/program.ts';
import { told } from '../fixtures/english.ts';
import { isRoot } from '../fixtures/environment.ts';
import { HELPER_PROGRAM } from '../fixtures/helper.ts';
import { runLauncher } from '../fixtures/launcher.ts';

const AT_FDCWD = -100;
const NOBODY = 65534;
const HEADER_BYTES = 24;
const STEP_BYTES = 64;

function folder(): { path: string; [Symbol.dispose](): void } {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-launcher-'));
  return { path: made, [Symbol.dispose]: () => fs.rmSync(made, { recursive: true, force: true }) };
}

const mkdir = (name: string, flags: Partial<Step> = {}): Step =>
  ({
    kind: 'syscall',
    name: 'mkdirat',
    arguments: [integer(AT_FDCWD), string(name), integer(0o755)],
    purpose: told(`make ${name}`),
    ...flags,
  }) as Step;

const execute = (...command: string[]): Step => ({
  kind: 'syscall',
  name: 'execve',
  arguments: [string(command[0]!), strings(command), strings(['PATH=/usr/bin:/bin'])],
  purpose: told(`execute ${command[0]}`),
});

const sh = (script: string) => execute('/bin/sh', '-c', script);
const program = (steps: Step[], descriptors = 4): Buffer => encodeProgram({ steps, descriptors });
const fork: Step = { kind: 'fork', purpose: told('fork') };

test('a program runs step by step, and execve closes the socket', async () => {
  using work = folder();
  const { reports, code, stdout } = await runLauncher(program([mkdir('a'), mkdir('a/b'), sh('ls -d a/b; exit 7')]), {
    cwd: work.path,
  });
  assert.deepEqual({ reports, code, stdout }, { reports: [], code: 7, stdout: 'a/b\n' });
});

test('a failing step is reported with its errno, and no step after it runs', async () => {
  using work = folder();
  const { reports, code } = await runLauncher(program([mkdir('a'), mkdir('a'), mkdir('b')]), { cwd: work.path });
  assert.deepEqual(reports, [{ kind: 'failed', step: 1, value: os.constants.errno.EEXIST }]);
  assert.equal(code, 127);
  assert.deepEqual(fs.readdirSync(work.path), ['a']);
});

test('an error may be ignored, reported, or both; results feed later steps', async () => {
  using work = folder();
  fs.writeFileSync(path.join(work.path, 'file'), '');
  const open: Step = {
    kind: 'syscall',
    name: 'openat',
    arguments: [integer(AT_FDCWD), string('file'), integer(1)],
    purpose: told('open'),
  };
  const write: Step = {
    kind: 'syscall',
    name: 'write',
    arguments: [result(2), string('hello'), integer(5)],
    purpose: told('write'),
    reportResult: true,
  };
  const { reports } = await runLauncher(
    program([mkdir('file', { ignoreError: true }), mkdir('file', { ignoreError: true, reportResult: true }), open, write]),
    { cwd: work.path },
  );
  assert.deepEqual(reports, [
    { kind: 'resulted', step: 1, value: -os.constants.errno.EEXIST },
    { kind: 'resulted', step: 3, value: 5 },
  ]);
  assert.equal(fs.readFileSync(path.join(work.path, 'file'), 'utf8'), 'hello');
});

test('a step may hang on whether an earlier one succeeded or failed, and what hangs on one that did not run does not run', async () => {
  using work = folder();
  const when = (step: number, failed = false): Partial<Step> => ({ condition: { step, failed } });
  const { reports, code } = await runLauncher(
    program([
      mkdir('a'),
      mkdir('a', { ignoreError: true }),
      mkdir('after-success', when(0)),
      mkdir('after-no-failure', { ...when(0, true), reportResult: true }),
      mkdir('after-failure', when(1, true)),
      mkdir('after-no-success', when(1)),
      mkdir('then', when(5)),
      mkdir('else', when(5, true)),
      mkdir('last'),
    ]),
    { cwd: work.path },
  );
  assert.deepEqual({ reports, code }, { reports: [], code: 0 });
  assert.deepEqual(fs.readdirSync(work.path).sort(), ['a', 'after-failure', 'after-success', 'last']);
});

test('what is not there may be let pass, and nothing else', async () => {
  using work = folder();
  fs.writeFileSync(path.join(work.path, 'file'), '');
  const lacking = { ignoreLacking: true, reportResult: true };
  const { reports } = await runLauncher(
    program([mkdir('no/such', lacking), mkdir('file/below', lacking), mkdir('file', lacking), mkdir('never')]),
    { cwd: work.path },
  );
  const { ENOENT, ENOTDIR, EEXIST } = os.constants.errno;
  assert.deepEqual(reports, [
    { kind: 'resulted', step: 0, value: -ENOENT },
    { kind: 'resulted', step: 1, value: -ENOTDIR },
    { kind: 'failed', step: 2, value: EEXIST },
  ]);
});

test('an error is never taken for a descriptor, though some errno are the number of one', async () => {
  using work = folder();
  const below = (directory: number): Step =>
    ({
      ...mkdir('below', { ignoreError: true, reportResult: true }),
      arguments: [result(directory), string('below'), integer(0o755)],
    }) as Step;
  const { reports } = await runLauncher(
    program([
      mkdir('no/such', { ignoreError: true }),
      below(0),
      mkdir('skipped', { condition: { step: 0, failed: false } }),
      below(2),
    ]),
    { cwd: work.path },
  );
  const { EBADF } = os.constants.errno;
  assert.deepEqual(
    reports.map(({ value }) => value),
    [-EBADF, -EBADF],
  );
  assert.deepEqual(fs.readdirSync(work.path), []);
});

test('the parent of a fork ends as the child ends, by status or by signal, and leaves no core', async () => {
  using work = folder();
  const status = await runLauncher(program([fork, sh('exit 42')]), { cwd: work.path });
  assert.equal(status.code, 42);
  assert.equal(status.reports[0]?.kind, 'resulted');
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGUSR1'] as const) {
    const run = await runLauncher(program([fork, sh(`ulimit -c 0; kill -${os.constants.signals[signal]} $$`)]), {
      cwd: work.path,
    });
    assert.deepEqual([run.code, run.signal], [null, signal]);
  }
  assert.deepEqual(fs.readdirSync(work.path), []);
});

test('the parent of a fork hands on signals', async () => {
  const script =
    'trap "echo got HUP" HUP; trap "echo got WINCH" WINCH; trap "echo got TERM; exit 3" TERM; echo ready; while :; do sleep 0.01; done';
  let launcher: import('node:child_process').ChildProcess | undefined;
  const running = runLauncher(program([fork, sh(script)]), {
    started: (child) => {
      launcher = child;
    },
  });
  const told = ['ready', 'got HUP', 'got WINCH'];
  const next = ['SIGHUP', 'SIGWINCH', 'SIGTERM'] as const;
  let seen = '';
  launcher!.stdout!.on('data', (text: string) => {
    seen += text;
    while (told.length > 0 && seen.includes(told[0]!)) {
      launcher!.kill(next[3 - told.length]!);
      told.shift();
    }
  });
  const { code, stdout } = await running;
  assert.equal(stdout, 'ready\ngot HUP\ngot WINCH\ngot TERM\n');
  assert.equal(code, 3);
});

test('an init reaps orphans, and tells a signal by the shell’s custom', async () => {
  const orphans = await runLauncher(program([{ kind: 'init', purpose: told('init') }, sh('(sleep 0.05 &) ; exit 9')]));
  assert.equal(orphans.code, 9);
  const killed = await runLauncher(program([{ kind: 'init', purpose: told('init') }, sh('kill -15 $$')]));
  assert.equal(killed.code, 128 + 15);
});

test('the parent waits at a sync step until told, and ends when nobody will', async () => {
  using work = folder();
  const steps: Step[] = [{ kind: 'sync', purpose: told('sync') }, mkdir('after')];
  let seen: string[] | undefined;
  const went = await runLauncher(program(steps), {
    cwd: work.path,
    onSync: (report, launcher) => {
      assert.equal(report.value, launcher.pid);
      seen = fs.readdirSync(work.path);
      return true;
    },
  });
  assert.deepEqual(seen, []);
  assert.equal(went.code, 0);
  assert.deepEqual(fs.readdirSync(work.path), ['after']);
  fs.rmdirSync(path.join(work.path, 'after'));
  const refused = await runLauncher(program(steps), { cwd: work.path, onSync: () => false });
  assert.equal(refused.code, 127);
  assert.deepEqual(fs.readdirSync(work.path), []);
});

test('what follows a "finally" is done however the program ends: at its end, at a step that fails, at a sync that is refused', async () => {
  const finished: Step = { kind: 'finally', purpose: told('finally') };
  const sync: Step = { kind: 'sync', purpose: told('sync') };
  for (const [steps, code] of [
    [[mkdir('a')], 0],
    [[mkdir('a'), mkdir('a'), mkdir('b')], 127],
    [[mkdir('a'), sync, mkdir('b')], 127],
  ] as const) {
    using work = folder();
    const went = await runLauncher(program([...steps, finished, mkdir('last')]), { cwd: work.path, onSync: () => false });
    assert.equal(went.code, code);
    assert.deepEqual(fs.readdirSync(work.path).sort(), ['a', 'last']);
  }
});

test('a program sees no descriptor, no environment, no blocked or ignored signal of anybody', async () => {
  const extra = fs.openSync('/dev/null', 'r');
  try {
    // Not of the shell and not in a pipe: its ends come and go in the shell while ls looks.
    const show = 'ls /proc/self/fd; echo; grep -E "^Sig(Blk|Ign)" /proc/self/status; env';
    // The program names descriptor 4, and 5 is closed before; both are gone after execve.
    const { stdout } = await runLauncher(program([execute('/bin/sh', '-c', show)], 5), { descriptors: [extra, extra] });
    const fields = Object.fromEntries(
      [...stdout.matchAll(/^(Sig\w+):\s*([0-9a-f]+)$/gm)].map(([, name, mask]) => [name, mask]),
    );
    assert.deepEqual(fields, { SigBlk: '0'.repeat(16), SigIgn: '0'.repeat(16) });
    assert.equal(stdout.split('\n\n')[0], '0\n1\n2\n3', 'its own three, and the folder that ls reads');
    assert.match(stdout, /^PATH=/m);
  } finally {
    fs.closeSync(extra);
  }
});

test('while it runs it cannot be traced or dumped, before and after a fork', async () => {
  const owners: number[] = [];
  await runLauncher(program([fork, { kind: 'sync', purpose: told('sync') }, sh('exit 0')]), {
    uid: NOBODY,
    onSync: (report, launcher) => {
      for (const pid of [launcher.pid, report.value]) owners.push(fs.statSync(`/proc/${pid}/maps`).uid);
      return true;
    },
  });
  // The files of a process that is not dumpable belong to root, whoever runs it (proc(5)).
  assert.deepEqual(owners, [0, 0]);
});

test('a tether ends the program when its parent dies, also when it is killed without notice', async () => {
  const steps: Step[] = [
    fork,
    { kind: 'tether', signal: 9, purpose: told('tether') },
    { kind: 'sync', purpose: told('sync') },
    execute('/bin/sleep', '1000'),
  ];
  let child: number | undefined;
  const run = await runLauncher(program(steps), {
    onSync: (report, launcher) => {
      child = report.value;
      launcher.kill('SIGKILL');
      return true;
    },
  });
  assert.equal(run.signal, 'SIGKILL');
  assert.ok(child !== undefined);
  // A process that is killed closes its files, which ends the run, before it counts as dead.
  for (const deadline = Date.now() + 10_000; isRunning(child); await sleep(5))
    assert.ok(Date.now() < deadline, 'still running');
});

/** Zombies are not: it may be waited for by whoever reaps on this machine. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Malformed programs

/** A linear congruential generator: the same programs at every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const MARKERS: SyscallProgram = {
  steps: [
    mkdir('marker0'),
    mkdir('marker1', { ignoreError: true }),
    mkdir('marker2', { reportResult: true }),
    fork,
    mkdir('marker3'),
    { kind: 'tether', signal: 9, purpose: told('tether') },
    {
      kind: 'syscall',
      name: 'execve',
      arguments: [string('/bin/mkdir'), strings(['mkdir', 'marker4']), strings(['A=b'])],
      purpose: told('exec'),
    },
  ],
  descriptors: 4,
};

interface Layout {
  steps: number;
  relocations: number;
  relocationsAt: number;
  dataAt: number;
  data: number;
}

function layoutOf(encoded: Buffer): Layout {
  const [steps, data, relocations] = [encoded.readUInt32LE(8), encoded.readUInt32LE(12), encoded.readUInt32LE(16)];
  const relocationsAt = HEADER_BYTES + steps * STEP_BYTES;
  return { steps, data, relocations, relocationsAt, dataAt: relocationsAt + relocations * 4 };
}

type Random = (below: number) => number;

/** Each makes a good program wrong in one way, whatever the random numbers are. */
const MUTATIONS: Record<string, (encoded: Buffer, next: Random) => Buffer> = {
  magic: (encoded, next) => put32(encoded, 0, (encoded.readUInt32LE(0) ^ (1 << next(31))) >>> 0),
  version: (encoded, next) => put32(encoded, 4, 2 + next(2 ** 31)),
  'number of steps': (encoded, next) => put32(encoded, 8, next(2) === 0 ? 0 : 513 + next(2 ** 31)),
  'length of data': (encoded, next) => put32(encoded, 12, next(2) === 0 ? 0 : 1024 * 1024 + 1 + next(2 ** 31)),
  'number of relocations': (encoded, next) => put32(encoded, 16, 16385 + next(2 ** 31)),
  'number of descriptors': (encoded, next) => put32(encoded, 20, next(2) === 0 ? next(4) : 65 + next(2 ** 31)),
  'kind of step': (encoded, next) => put16(encoded, step(encoded, next), next(2) === 0 ? 0 : 6 + next(60_000)),
  flags: (encoded, next) => put16(encoded, step(encoded, next) + 2, 16 << next(12)),
  'flag of a condition without one': (encoded, next) => put16(encoded, step(encoded, next) + 2, 4),
  'number of the system call': (encoded, next) => put32(encoded, HEADER_BYTES + 4, 1024 + next(2 ** 31)),
  'number where there is no system call': (encoded, next) => put32(encoded, HEADER_BYTES + 3 * STEP_BYTES + 4, 1 + next(1000)),
  'kind of argument': (encoded, next) => put8(encoded, step(encoded, next) + 56 + next(6), 3 + next(250)),
  'condition before the first step': (encoded, next) => {
    const index = next(layoutOf(encoded).steps);
    return put16(encoded, HEADER_BYTES + index * STEP_BYTES + 62, index + 1 + next(60_000));
  },
  'condition of what is no system call': (encoded, next) =>
    put16(encoded, HEADER_BYTES + (next(2) === 0 ? 3 : 5) * STEP_BYTES + 62, 1 + next(3)),
  'pointer past the data': (encoded, next) => {
    const at = HEADER_BYTES + next(3) * STEP_BYTES;
    const past =
      BigInt(layoutOf(encoded).data) + BigInt(next(2) === 0 ? 0 : next(2 ** 31)) * BigInt(next(2) === 0 ? 1 : 2 ** 31);
    encoded.writeBigUInt64LE(BigInt.asUintN(64, past), at + 16);
    return encoded;
  },
  'result of a later step': (encoded, next) => {
    const index = next(layoutOf(encoded).steps);
    const at = HEADER_BYTES + index * STEP_BYTES;
    encoded.writeBigUInt64LE(BigInt(index + next(1000)), at + 8 + 5 * 8);
    return put8(encoded, at + 56 + 5, 2);
  },
  'signal of a tether': (encoded, next) => {
    encoded.writeBigUInt64LE(next(2) === 0 ? 0n : BigInt(65 + next(1000)), HEADER_BYTES + 5 * STEP_BYTES + 8);
    return encoded;
  },
  'signal of a tether that is a result': (encoded) => {
    encoded.writeBigUInt64LE(1n, HEADER_BYTES + 5 * STEP_BYTES + 8);
    return put8(encoded, HEADER_BYTES + 5 * STEP_BYTES + 56, 2);
  },
  'keeper that is a result': (encoded) => put8(encoded, HEADER_BYTES + 3 * STEP_BYTES + 56 + 2, 2),
  'relocation outside of the data': (encoded, next) => {
    const { relocationsAt, relocations, data } = layoutOf(encoded);
    return put32(encoded, relocationsAt + (relocations - 1) * 4, (Math.ceil(data / 8) + next(1000)) * 8);
  },
  'relocation that is not aligned': (encoded, next) => {
    const { relocationsAt, relocations } = layoutOf(encoded);
    const at = relocationsAt + next(relocations) * 4;
    return put32(encoded, at, encoded.readUInt32LE(at) + 1 + next(7));
  },
  'relocation named twice': (encoded) => {
    const { relocationsAt } = layoutOf(encoded);
    return put32(encoded, relocationsAt + 4, encoded.readUInt32LE(relocationsAt));
  },
  'relocated pointer past the data': (encoded, next) => {
    const { relocationsAt, relocations, dataAt, data } = layoutOf(encoded);
    const slot = encoded.readUInt32LE(relocationsAt + next(relocations) * 4);
    encoded.writeBigUInt64LE(BigInt(data) + BigInt(next(2 ** 31)), dataAt + slot);
    return encoded;
  },
  'end before its end': (encoded, next) => encoded.subarray(0, next(encoded.length)),
};

function step(encoded: Buffer, next: Random): number {
  return HEADER_BYTES + next(layoutOf(encoded).steps) * STEP_BYTES;
}

function put32(encoded: Buffer, offset: number, value: number): Buffer {
  encoded.writeUInt32LE(value >>> 0, offset);
  return encoded;
}

function put16(encoded: Buffer, offset: number, value: number): Buffer {
  encoded.writeUInt16LE(value & 0xffff, offset);
  return encoded;
}

function put8(encoded: Buffer, offset: number, value: number): Buffer {
  encoded.writeUInt8(value, offset);
  return encoded;
}

test('the program that is malformed below runs as it is', async () => {
  using work = folder();
  const { code } = await runLauncher(encodeProgram(MARKERS), { cwd: work.path });
  assert.equal(code, 0);
  assert.deepEqual(fs.readdirSync(work.path).sort(), ['marker0', 'marker1', 'marker2', 'marker3', 'marker4']);
});

for (const [what, mutate] of Object.entries(MUTATIONS)) {
  test(`a malformed program executes nothing: ${what}`, async () => {
    using work = folder();
    const next = random(what.length * 7919);
    const good = encodeProgram(MARKERS);
    for (let round = 0; round < 16; round += 1) {
      const bad = mutate(Buffer.from(good), next);
      const { reports, code } = await runLauncher(bad, { cwd: work.path, endInput: true });
      assert.equal(code, 127, `round ${round}`);
      assert.deepEqual(
        reports.map(({ kind }) => kind),
        ['malformed'],
        `round ${round}`,
      );
      assert.deepEqual(fs.readdirSync(work.path), [], `round ${round}`);
    }
  });
}

test('random bytes execute nothing', async () => {
  using work = folder();
  const next = random(99);
  for (let round = 0; round < 32; round += 1) {
    const noise = Buffer.from(Array.from({ length: 1 + next(400) }, () => next(256)));
    if (round % 2 === 0) encodeProgram(MARKERS).copy(noise, 0, 0, Math.min(HEADER_BYTES, noise.length));
    const { code } = await runLauncher(noise, { cwd: work.path, endInput: true });
    assert.equal(code, 127);
    assert.deepEqual(fs.readdirSync(work.path), []);
  }
});

test('a program that never arrives leaves no launcher behind', async () => {
  let launcher: import('node:child_process').ChildProcess | undefined;
  const run = runLauncher(encodeProgram(MARKERS).subarray(0, 100), {
    started: (child) => {
      launcher = child;
      setImmediate(() => (child.stdio[3] as import('node:net').Socket).destroy());
    },
  });
  await once(launcher!, 'exit');
  assert.equal((await run).code, 127);
});

test('it is told that the last step is arrived at, and only then', async () => {
  const announced = { ...sh('exit 3'), announce: true };
  const lacking = { ...execute('/no/such'), announce: true, ignoreError: true };
  assert.deepEqual((await runLauncher(program([lacking, announced]))).arrived, [0, 1]);
  assert.deepEqual((await runLauncher(program([mkdir('/proc/no'), announced]))).arrived, []);
  using work = folder();
  assert.deepEqual((await runLauncher(program([mkdir('a')]), { cwd: work.path })).arrived, [1], 'the end is one, too');
});

test('a program that was killed before its last step has not started', async () => {
  // Beside which the launcher is looked for.
  process.argv[1] = HELPER_PROGRAM;
  const sync: Step = { kind: 'sync', purpose: told('wait') };
  for (const steps of [
    [sync, { ...sh('exit 0'), announce: true }],
    [fork, sync, { ...sh('exit 0'), announce: true }],
    [sync],
  ]) {
    const { started, ended } = launch({
      program: { steps, descriptors: 4 },
      stdio: ['ignore', 'ignore', 'ignore'],
      descriptors: [],
      onSync: (pid) => {
        process.kill(pid, 'SIGKILL');
        return undefined;
      },
    });
    await assert.rejects(started, NeverBegan);
    await ended;
  }
  const { started } = launch({
    program: { steps: [{ ...sh('exit 0'), announce: true }], descriptors: 4 },
    stdio: ['ignore', 'ignore', 'ignore'],
    descriptors: [],
  });
  assert.deepEqual(await started, []);
});

test('what is written or copied is whole, or the step fails', { skip: !isRoot && 'only root may mount a tmpfs' }, async () => {
  using work = folder();
  const place = path.join(work.path, 'small');
  fs.mkdirSync(place);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', place]);
  try {
    const source = path.join(work.path, 'source');
    fs.writeFileSync(source, Buffer.alloc(100_000, 'x'));
    const open = (file: string, flags: number): Step => ({
      kind: 'syscall',
      name: 'openat',
      arguments: [integer(AT_FDCWD), string(file), integer(flags), integer(0o644)],
      purpose: told('open'),
    });
    const call = (name: 'sendfile' | 'write', values: Argument[]): Step => ({
      kind: 'syscall',
      name,
      arguments: values,
      purpose: told(name),
    });
    const begin = [open(source, fs.constants.O_RDONLY), open('small/copy', fs.constants.O_WRONLY | fs.constants.O_CREAT)];
    const copy = (count: number) => [...begin, call('sendfile', [result(1), result(0), integer(0), integer(count)])];
    const write = [...begin, call('write', [result(1), string('y'.repeat(100_000)), integer(100_000)])];
    const { ENOSPC, EIO } = os.constants.errno;
    for (const [steps, errno] of [
      [copy(100_000), ENOSPC],
      [write, ENOSPC],
    ] as const) {
      const { reports } = await runLauncher(program(steps), { cwd: work.path });
      assert.deepEqual(reports, [{ kind: 'failed', step: 2, value: errno }]);
      fs.rmSync(path.join(place, 'copy'));
    }
    fs.truncateSync(source, 1000);
    assert.deepEqual((await runLauncher(program(copy(2000)), { cwd: work.path })).reports, [
      { kind: 'failed', step: 2, value: EIO },
    ]);
  } finally {
    execFileSync('umount', [place]);
  }
});
