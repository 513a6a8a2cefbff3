/** `programs/run` and `programs/explain` against docker exec, nsenter and /proc. */
import assert from 'node:assert/strict';
import { execFileSync, spawn as spawnChild, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CancellationTokenSource } from 'vscode-jsonrpc';
import { spawn, waitForEnd } from '../../helper/kernel/spawn.ts';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import {
  type ProgramParams,
  ProgramsExplain,
  ProgramsRun,
  type ProgramsRunParams,
  type ProgramsRunResult,
} from '../../helper/protocol/programs.ts';
import { type Docker, type DockerContainer, docker, startDocker } from '../fixtures/docker.ts';
import { has, isHelperRoot, isRoot, testUid, unlessHas, unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { overwriteEnvironment } from '../fixtures/processTitle.ts';
import { markedPids, pids, procText } from '../fixtures/procFiles.ts';
import { type Rejection, refusalOf } from '../fixtures/rejection.ts';
import { until } from '../fixtures/until.ts';
import {
  boundNetNamespace,
  heldForChildren,
  namespaceOfPid,
  nested,
  refOfProcess,
  type Specimen,
  startSleeper,
} from '../fixtures/zoo.ts';

const NEEDS_DOCKER = unlessRootHas('docker', 'dockerd');
const IS_UNIFIED = fs.existsSync('/sys/fs/cgroup/cgroup.controllers');
/** Whose rootless containers the helper enters: its own user's, or for root somebody's. */
const ROOTLESS_UID = isRoot ? (isHelperRoot ? 54321 : testUid!) : process.getuid!();

describe('programs', () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  const run = (params: ProgramsRunParams): Promise<ProgramsRunResult> => helper.request(ProgramsRun, params);

  /** Standard output of a script that succeeds. */
  async function output(params: ProgramParams, script: string): Promise<string> {
    const { stdout, stderr, exit } = await run({ ...params, command: ['sh', '-c', script] });
    assert.deepEqual(exit, { code: 0 }, stderr);
    return stdout;
  }

  const refused = (params: ProgramsRunParams, reason: string): Promise<Rejection> => refusalOf(run(params), reason);

  const own = (): ProcessRef => refOfProcess(helper.process.pid!);
  /** A place to run programs in that needs no privilege: the helper's own. */
  const here = (): ProgramParams => ({ process: own(), kinds: [] });

  describe('anywhere', () => {
    test('standard input, both outputs and the exit status go through', async () => {
      const stdin = Buffer.from('from stdin').toString('base64');
      const result = await run({ ...here(), command: ['sh', '-c', 'cat; echo to stderr >&2; exit 7'], stdin });
      assert.deepEqual(result, {
        stdout: 'from stdin',
        stderr: 'to stderr\n',
        encoding: 'utf8',
        truncated: false,
        exit: { code: 7 },
      });
    });

    test('a program may open its outputs by name, as it may in docker exec', async () => {
      const script = 'echo one >/dev/stdout; echo two >/dev/stderr';
      const { stdout, stderr } = await run({ ...here(), command: ['sh', '-c', script] });
      assert.deepEqual([stdout, stderr], ['one\n', 'two\n']);
    });

    test('input that is not read, and output that is not UTF-8, do no harm', async () => {
      const stdin = Buffer.alloc(1024 * 1024).toString('base64');
      const { stdout, encoding, exit } = await run({ ...here(), command: ['printf', '\\377\\376'], stdin });
      assert.deepEqual({ encoding, exit }, { encoding: 'base64', exit: { code: 0 } });
      assert.deepEqual([...Buffer.from(stdout, 'base64')], [0xff, 0xfe]);
    });

    test('output beyond the limit is dropped, and the program is not held up by it', async () => {
      const command = ['sh', '-c', 'head -c 5000000 /dev/zero | tr "\\0" x; echo done >&2; exit 3'];
      const { stdout, stderr, truncated, exit } = await run({ ...here(), command, outputLimitBytes: 1000 });
      assert.deepEqual([stdout.length, stderr, truncated, exit.code], [1000, 'done\n', true, 3]);
    });

    test('a signal that ends the program is told by name', async () => {
      const { exit } = await run({ ...here(), command: ['sh', '-c', 'kill -SEGV $$'] });
      assert.deepEqual(exit, { signal: 'SIGSEGV' });
    });

    test('after its time a program is killed with all that it started, also what left its session', async () => {
      const marker = `isoscope-${process.pid}-timeout`;
      const script = `sh -c 'sleep 1000; : ${marker}' & setsid sh -c 'sleep 1000; : ${marker}' & sleep 1000; : ${marker}`;
      const { exit } = await run({ ...here(), command: ['sh', '-c', script], timeoutMillis: 500 });
      assert.deepEqual(exit, { signal: 'SIGKILL', timedOut: true });
      await ended(marker);
    });

    test('cancelling the request kills the program', async () => {
      const marker = `isoscope-${process.pid}-cancel`;
      const source = new CancellationTokenSource();
      const params = { ...here(), command: ['sh', '-c', `sleep 1000; : ${marker}`] };
      const answer = helper.connection.sendRequest<ProgramsRunResult>(ProgramsRun.method, params, source.token);
      await until(() => markedPids(marker).length > 0, 'the program runs');
      source.cancel();
      assert.deepEqual((await answer).exit, { signal: 'SIGKILL' });
      await ended(marker);
    });

    test('a program in the background does not hold up the answer', async () => {
      const { stdout, exit } = await run({ ...here(), command: ['sh', '-c', 'sleep 5 & echo started'] });
      assert.deepEqual([stdout, exit.code], ['started\n', 0]);
    });

    test('the environment is plain, with what was asked for, and nothing of the helper’s own', async () => {
      const hostile = { A: 'line\nline', 'B C': '"$(id)"', Ü: 'ü' };
      const { stdout: text } = await run({ ...here(), environment: hostile, command: ['env', '-0'] });
      const variables = Object.fromEntries(
        text.split('\0').map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
      );
      assert.deepEqual({ A: variables.A, 'B C': variables['B C'], Ü: variables.Ü }, hostile);
      assert.ok(variables.PATH);
      assert.deepEqual(
        Object.keys(variables).filter((name) => /^(ISOSCOPE|VSCODE|NODE|ELECTRON|SUDO)/.test(name)),
        [],
      );
    });

    test('the working directory is the one asked for, and one that is not there is named', async () => {
      assert.equal(await output({ ...here(), directory: '/usr/bin' }, 'pwd'), '/usr/bin\n');
      const refusal = await refused({ ...here(), command: ['true'], directory: '/no/such' }, 'notFound');
      assert.match(refusal.message, /\/no\/such/);
    });

    test('what is not a program is refused in words that say why', async () => {
      assert.match((await refused({ ...here(), command: ['no-such-program'] }, 'notFound')).message, /no-such-program/);
      assert.match((await refused({ ...here(), command: ['/no/such'] }, 'notFound')).message, /\/no\/such/);
      await refused({ ...here(), command: ['/etc'] }, 'permission');
      await refused({ ...here(), command: ['/etc/passwd'] }, 'permission');
      const file = `/tmp/isoscope-${process.pid}-noise`;
      fs.writeFileSync(file, Buffer.alloc(1000, 7), { mode: 0o755 });
      try {
        await refused({ ...here(), command: [file] }, 'invalid');
      } finally {
        fs.rmSync(file);
      }
    });

    test('many programs at once each get their own output', async () => {
      const numbers = Array.from({ length: 40 }, (_, i) => String(i));
      const results = await Promise.all(
        numbers.map((text) => run({ ...here(), command: ['sh', '-c', 'cat; echo $0 >&2', text], stdin: btoa(text) })),
      );
      assert.deepEqual(
        results.map(({ stdout }) => stdout),
        numbers,
      );
      assert.deepEqual(
        results.map(({ stderr }) => stderr.trim()),
        numbers,
      );
    });

    test('no descriptor is left open by programs, whether they ran or were refused', async () => {
      const open = () => fs.readdirSync(`/proc/${helper.process.pid}/fd`).length;
      const round = async () => {
        await run({ ...here(), command: ['true'] });
        await run({ ...here(), command: ['no-such-program'] }).catch(() => undefined);
        await run({ process: { pid: 1, startTime: 1 }, command: ['true'] }).catch(() => undefined);
        await helper.request(ProgramsExplain, here());
      };
      for (let i = 0; i < 3; i += 1) await round();
      const before = open();
      for (let i = 0; i < 20; i += 1) await round();
      await until(() => open() <= before, `${open()} descriptors are open, and before ${before}`);
    });
  });

  describe('what may not be entered', () => {
    const command = ['true'];

    test('a process that has ended is gone', async () => {
      const sleeper = await startSleeper([]);
      const ref = refOfProcess(sleeper.pid);
      await sleeper.stop();
      await refused({ process: ref, command }, 'gone');
    });

    test('another process that has its pid now is never entered', async () => {
      const { pid, startTime } = own();
      await refused({ process: { pid, startTime: startTime - 1 }, command }, 'gone');
      await refused({ process: { pid, startTime: startTime + 1 }, command }, 'gone');
    });

    test('a zombie is gone', async () => {
      const pid = spawn('/bin/true', ['true'], [0, 1, 2]);
      try {
        await until(() => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '), 'it has ended, unwaited for');
        const refusal = await refused({ process: refOfProcess(pid), command }, 'gone');
        assert.match(refusal.message, /zombie/);
      } finally {
        await new Promise((resolve) => waitForEnd(pid, resolve));
      }
    });

    test('a thread of the kernel is refused, and why is said', async (t) => {
      const kthreadd = fs.existsSync('/proc/2/stat') && fs.readFileSync('/proc/2/comm', 'utf8') === 'kthreadd\n';
      if (!kthreadd) return t.skip('threads of the kernel cannot be seen here');
      const refusal = await refused({ process: refOfProcess(2), command }, 'invalid');
      assert.match(refusal.message, /kernel/);
      return undefined;
    });

    test('a pid namespace whose first process has ended is gone', { skip: unlessHelperIsRoot }, async () => {
      const kept = await heldForChildren();
      try {
        await refused({ namespaces: [kept.namespace], command }, 'gone');
      } finally {
        await kept.release();
        await kept.keeper.stop();
      }
    });

    test('a namespace that nothing keeps is gone', async () => {
      const { dev } = fs.statSync('/proc/self/ns/net');
      await refused({ namespaces: [{ kind: 'net', dev, ino: 4_000_000_000 }], command }, 'gone');
    });

    test('questions that contradict themselves are invalid', async () => {
      const { kind, dev, ino } = namespaceOfPid('net', process.pid);
      const ref = { kind, dev, ino };
      await refused({ command }, 'invalid');
      await refused({ namespaces: [ref, ref], command }, 'invalid');
      await refused({ process: own(), kinds: ['net'], namespaces: [ref], command }, 'invalid');
      await refused({ namespaces: [ref], root: true, command }, 'invalid');
      await refused({ namespaces: [ref], identity: 'target', command }, 'invalid');
    });

    test('an ordinary user is refused what belongs to root, with the advice to become root', {
      skip: isHelperRoot ? 'the helper is root' : !isRoot && 'only root can start it',
    }, async () => {
      const sleeper = await startSleeper(['unshare', '--net', '--uts']);
      try {
        const refusal = await refused({ process: refOfProcess(sleeper.pid), kinds: ['net'], command }, 'permission');
        assert.match(refusal.data?.hint ?? '', /root/);
        await refused({ process: refOfProcess(sleeper.pid), command }, 'permission');
      } finally {
        await sleeper.stop();
      }
    });
  });

  describe('every kind of namespace', { skip: unlessHelperIsRoot }, () => {
    let sleeper: Specimen;
    let leader: number;
    before(async () => {
      const flags = ['--user', '--map-root-user', '--mount', '--pid', '--net', '--ipc', '--uts', '--cgroup', '--time'];
      sleeper = await startSleeper(['unshare', ...flags, '--fork', '--kill-child', '--mount-proc']);
      leader = Number(fs.readFileSync(`/proc/${sleeper.pid}/task/${sleeper.pid}/children`, 'utf8').split(' ')[0]);
    });
    after(() => sleeper?.stop());

    /** Read by the test, for inside there may be another /proc. */
    async function entered(params: ProgramParams): Promise<NamespaceKind[]> {
      const marker = `isoscope-${process.pid}-${Math.random()}`;
      const source = new CancellationTokenSource();
      const running = helper.connection.sendRequest(
        ProgramsRun.method,
        { ...params, command: ['sleep', '1000', marker.slice(0, 0) || '0'], environment: { MARKER: marker } },
        source.token,
      );
      running.catch(() => undefined);
      try {
        let pid: number | undefined;
        await until(() => {
          pid = pids().find(
            (candidate) => candidate !== process.pid && procText(candidate, 'environ').includes(`MARKER=${marker}`),
          );
          return pid !== undefined;
        }, 'the program runs');
        return NAMESPACE_KINDS.filter(
          (kind) =>
            namespaceOfPid(kind, pid!).ino === namespaceOfPid(kind, leader).ino &&
            namespaceOfPid(kind, pid!).ino !== namespaceOfPid(kind, process.pid).ino,
        );
      } finally {
        source.cancel();
        await running.catch(() => undefined);
      }
    }

    for (const kind of NAMESPACE_KINDS) {
      test(`only ${kind} is entered when only that is asked for`, async () => {
        assert.deepEqual(await entered({ process: refOfProcess(leader), kinds: [kind] }), [kind]);
        assert.deepEqual(await entered({ namespaces: [namespaceOfPid(kind, leader)] }), [kind]);
      });
    }

    test('all of them are entered when none is named', async () => {
      assert.deepEqual(await entered({ process: refOfProcess(leader), cgroup: false }), [...NAMESPACE_KINDS]);
    });

    test('some of a process and some that were named go together', async () => {
      const params = { process: refOfProcess(leader), kinds: ['uts' as const], namespaces: [namespaceOfPid('net', leader)] };
      assert.deepEqual(await entered(params), ['net', 'uts']);
    });

    test('a namespace that only a bind mount keeps is entered', async () => {
      const bound = await boundNetNamespace(true);
      try {
        const link = await output({ namespaces: [bound.namespace] }, 'readlink /proc/self/ns/net');
        assert.equal(link, `net:[${bound.namespace.ino}]\n`);
      } finally {
        await bound.release();
      }
    });
  });

  test('an environment that nobody recorded and the process has overwritten is unknown, and said to be', {
    skip: unlessHelperIsRoot,
  }, async () => {
    const sleeper = await startSleeper(['unshare', '--mount']);
    try {
      overwriteEnvironment(sleeper.pid, () => Buffer.from('orker process'));
      const params = { process: refOfProcess(sleeper.pid) };
      const { differences } = await helper.request(ProgramsExplain, params);
      assert.ok(differences.some((text) => /^The environment is unknown: process \d+ has overwritten its own/.test(text)));
      const { stdout } = await run({ ...params, command: ['/usr/bin/env'] });
      assert.deepEqual(
        stdout.split('\n').map((line) => line.split('=')[0]),
        ['PATH', 'HOME', ''],
      );
    } finally {
      await sleeper.stop();
    }
  });

  test('a container that runc runs by itself gives a program what runc exec gives it', {
    skip: unlessRootHas('runc') || unlessHelperIsRoot,
  }, async (t) => {
    const id = `isoscope-${process.pid}`;
    const bundle = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-bundle-'));
    t.after(() => {
      spawnSync('runc', ['delete', '--force', id]);
      fs.rmSync(bundle, { recursive: true, force: true });
    });
    fs.mkdirSync(path.join(bundle, 'rootfs/bin'), { recursive: true });
    fs.copyFileSync('/bin/busybox', path.join(bundle, 'rootfs/bin/busybox'));
    execFileSync('runc', ['spec'], { cwd: bundle });
    const file = path.join(bundle, 'config.json');
    const config = JSON.parse(fs.readFileSync(file, 'utf8'));
    Object.assign(config.process, { terminal: false, rlimits: [], args: ['/bin/busybox', 'sleep', '1000'] });
    config.process.env.push('RECORDED=by the bundle');
    Object.assign(config.process.user, { uid: 7, gid: 8, additionalGids: [9] });
    fs.writeFileSync(file, JSON.stringify(config));
    execFileSync('runc', ['run', '--detach', '--bundle', bundle, id], { stdio: 'ignore' });
    const { pid } = JSON.parse(execFileSync('runc', ['state', id], { encoding: 'utf8' }));
    overwriteEnvironment(pid, () => Buffer.alloc(0));
    const command = [
      '/bin/busybox',
      'sh',
      '-c',
      'busybox id -u; busybox id -G; busybox env | busybox sort; busybox grep -E "^Cap" /proc/self/status',
    ];
    const theirs = execFileSync('runc', ['exec', id, ...command], { encoding: 'utf8' });
    const { stdout } = await run({ process: refOfProcess(pid), command });
    assert.equal(stdout, theirs);
    assert.match(stdout, /^RECORDED=by the bundle$/m);
  });

  describe('a rootless container', () => {
    let sleeper: Specimen;
    let leader: ProcessRef;
    before(async () => {
      const flags = ['--user', '--map-root-user', '--mount', '--pid', '--net', '--uts', '--ipc'];
      sleeper = await startSleeper(['unshare', ...flags, '--fork', '--kill-child', '--mount-proc'], { uid: ROOTLESS_UID });
      leader = refOfProcess(Number(fs.readFileSync(`/proc/${sleeper.pid}/task/${sleeper.pid}/children`, 'utf8').split(' ')[0]));
    });
    after(() => sleeper?.stop());

    test('is entered whole, as its root, who is its owner outside', async () => {
      const text = await output(
        { process: leader },
        'id -u; id -g; cat /proc/self/uid_map; grep CapEff /proc/self/status; readlink /proc/self/ns/net',
      );
      const [uid, gid, map, capabilities, net] = text.trim().split('\n');
      assert.deepEqual([uid, gid], ['0', '0']);
      assert.match(map!, new RegExp(`^\\s*0\\s+${ROOTLESS_UID}\\s+1$`));
      assert.match(capabilities!, /000001ffffffffff|[1-9a-f][0-9a-f]{7,}$/);
      assert.equal(net, fs.readlinkSync(`/proc/${leader.pid}/ns/net`));
    });

    test('lets its network be changed from inside', { skip: !has('ip') && 'ip is not installed' }, async () => {
      const text = await output(
        { process: leader, kinds: ['user', 'net'] },
        'ip link set lo up; ip link add d0 type dummy 2>&1; ip -br link show lo',
      );
      assert.match(text, /lo\s+UNKNOWN/);
      assert.doesNotMatch(text, /not permitted/);
    });

    test('is entered in its net and user namespaces only', async () => {
      const text = await output(
        { process: leader, kinds: ['user', 'net'] },
        'id -u; readlink /proc/self/ns/net /proc/self/ns/uts',
      );
      const own = (kind: string) => fs.readlinkSync(`/proc/${helper.process.pid}/ns/${kind}`);
      assert.equal(text, `0\n${fs.readlinkSync(`/proc/${leader.pid}/ns/net`)}\n${own('uts')}\n`);
    });

    test('without its user namespace is refused to an ordinary user, who is told to add that', {
      skip: isHelperRoot && 'the helper is root',
    }, async () => {
      const refusal = await refused({ process: leader, kinds: ['net'], command: ['true'] }, 'permission');
      assert.match(refusal.data?.hint ?? '', /user namespace/);
    });

    test('in a container of its own kind is entered through both', async () => {
      const { specimen, inner } = await nested(ROOTLESS_UID);
      try {
        const text = await output({ process: refOfProcess(inner) }, 'readlink /proc/self/ns/user /proc/self/ns/pid; id -u');
        assert.equal(text, `${fs.readlinkSync(`/proc/${inner}/ns/user`)}\n${fs.readlinkSync(`/proc/${inner}/ns/pid`)}\n0\n`);
      } finally {
        await specimen.stop();
      }
    });
  });

  describe('a Docker container', { skip: NEEDS_DOCKER || unlessHelperIsRoot }, () => {
    let engine: Docker;
    const containers: DockerContainer[] = [];
    const start = (name: string, options: string[] = [], command?: string[]) => {
      const container = engine.run(`isoscope-programs-${name}`, command, options);
      containers.push(container);
      return { name: container.name, process: refOfProcess(container.pid) };
    };
    before(async () => {
      engine = await startDocker();
    });
    after(async () => {
      for (const container of containers) container[Symbol.dispose]();
      await engine?.[Symbol.asyncDispose]();
    });

    const ABOUT_ITSELF = `id -u; id -g; id -G; hostname; pwd; umask; ulimit -n; env | grep -v ^_= | sort;
      grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status; sort /proc/self/cgroup; for f in /proc/self/ns/*; do readlink $f; done; cat /proc/self/oom_score_adj`;
    const VARIANTS: Record<string, string[]> = {
      plain: [],
      'another-user': ['--user', '1234:5678', '--group-add', '42'],
      'more-rights': ['--cap-add', 'NET_ADMIN', '--cap-drop', 'CHOWN', '--oom-score-adj', '500'],
      restricted: ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--read-only', '--ulimit', 'nofile=200:200'],
      shaped: [
        '--hostname',
        'elsewhere',
        '--workdir',
        '/tmp/a',
        '--env',
        'SPOKEN=a b "c"',
        '--pids-limit',
        '50',
        '--memory',
        '64m',
      ],
      // All that there is, but what a daemon in a virtual machine may lack itself.
      'nearly-privileged': ['--cap-add', 'ALL', '--cap-drop', 'SYS_RESOURCE'],
      'host-network': ['--network', 'host', '--uts', 'host'],
      'host-pids': ['--pid', 'host', '--ipc', 'host'],
    };

    for (const [name, options] of Object.entries(VARIANTS)) {
      test(`gives a program what docker exec gives it: ${name}`, async () => {
        const container = start(name, options);
        const theirs = docker('exec', container.name, 'sh', '-c', ABOUT_ITSELF);
        assert.equal((await output({ process: container.process }, ABOUT_ITSELF)).trim(), theirs);
      });
    }

    for (const [name, options] of Object.entries(VARIANTS)) {
      test(`as root gives a program what docker exec -u 0 gives it, and no more: ${name}`, async () => {
        const container = start(`root-${name}`, options);
        const theirs = docker('exec', '-u', '0', container.name, 'sh', '-c', ABOUT_ITSELF);
        assert.equal((await output({ process: container.process, identity: 'root' }, ABOUT_ITSELF)).trim(), theirs);
      });
    }

    const FILTERS: Record<string, string[]> = {
      "Docker's own": [],
      "Docker's own with more rights": ['--cap-add', 'SYS_ADMIN'],
      "Docker's own with no_new_privs": ['--security-opt', 'no-new-privileges', '--cap-drop', 'ALL'],
      'one that is given': ['--security-opt', 'seccomp=PROFILE'],
      none: ['--security-opt', 'seccomp=unconfined'],
    };
    for (const [name, options] of Object.entries(FILTERS)) {
      test(`refuses a program the system calls that docker exec refuses it, by its filter: ${name}`, async () => {
        const folder = fs.mkdtempSync('/var/tmp/isoscope-filter-');
        const profile = path.join(folder, 'profile.json');
        const ERRNO = { action: 'SCMP_ACT_ERRNO', errnoRet: 95 };
        const syscalls = [{ names: ['mkdir', 'mkdirat'], ...ERRNO }];
        fs.writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }));
        try {
          const container = start(
            `filter-${Object.keys(FILTERS).indexOf(name)}`,
            options.map((option) => option.replace('PROFILE', profile)),
          );
          const script = `mkdir /tmp; mkdir /tmp/one 2>&1; unshare -m true 2>&1; unshare -U true 2>&1; mount -t tmpfs none /tmp 2>&1;
            chroot / true 2>&1; date -s 2001-01-01 2>&1; grep Seccomp /proc/self/status`;
          const theirs = docker('exec', container.name, 'sh', '-c', `${script} 2>&1`);
          for (const identity of [undefined, 'root', 'target'] as const) {
            const params = { process: container.process, ...(identity === undefined ? {} : { identity }) };
            docker('exec', container.name, 'sh', '-c', 'umount /tmp; rmdir /tmp/one /tmp; true');
            assert.equal((await output(params, `${script} 2>&1`)).trim(), theirs, identity);
          }
          const { syscalls: shown } = await helper.request(ProgramsExplain, { process: container.process });
          assert.equal(/seccomp\(SECCOMP_SET_MODE_FILTER/.test(shown.join('\n')), name !== 'none');
          const without = await output({ process: container.process, seccomp: 'none' }, 'grep Seccomp: /proc/self/status');
          assert.match(without, /^Seccomp:\s0$/m);
        } finally {
          fs.rmSync(folder, { recursive: true });
        }
      });
    }

    test('gives a program the filters that its process has by then, not only those that it had for an earlier one', {
      skip: unlessHas('python3'),
    }, async () => {
      const load = `
import ctypes, struct, sys
l = ctypes.CDLL(None)
l.prctl(38, 1, 0, 0, 0)
for line in sys.stdin:
  held = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))
  print(l.prctl(22, 2, ctypes.byref(ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 1, ctypes.addressof(held))))), flush=True)
`;
      const child = spawnChild('unshare', ['--uts', 'python3', '-c', load], { stdio: ['pipe', 'pipe', 'inherit'] });
      let told = '';
      child.stdout!.on('data', (text) => {
        told += String(text);
      });
      try {
        for (const count of [1, 2, 3]) {
          child.stdin!.write('another\n');
          await until(() => told === '0\n'.repeat(count), 'it has one more');
          for (let time = 0; time < 2; time += 1) {
            const text = await output({ process: refOfProcess(child.pid!) }, 'grep Seccomp_filters: /proc/self/status');
            assert.equal(text, `Seccomp_filters:\t${count}\n`);
          }
        }
      } finally {
        child.kill('SIGKILL');
      }
    });

    test('whose filter cannot be read is not entered without it, unless that is asked for', {
      skip: unlessHas('python3'),
    }, async () => {
      const container = start('traced');
      const { pid } = container.process;
      const seize = `import ctypes,time; ctypes.CDLL(None).ptrace(0x4206, ${pid}, None, None); print("on", flush=True); time.sleep(100)`;
      const tracer = spawnChild('python3', ['-c', seize], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        await once(tracer.stdout!, 'data');
        const refusal = await refused({ process: container.process, command: ['true'] }, 'unfiltered');
        assert.match(refusal.message, /seccomp filter of process \d+ cannot be read: it is traced/);
        const { differences } = await helper.request(ProgramsExplain, { process: container.process });
        assert.ok(differences.some((text) => /cannot be read: it is traced/.test(text)));
        const text = await output({ process: container.process, seccomp: 'none' }, 'grep Seccomp: /proc/self/status');
        assert.match(text, /^Seccomp:\s0$/m);
      } finally {
        tracer.kill('SIGKILL');
      }
    });

    test('gives a program what docker exec gives it, though the entry point gave up its user and privilege', async () => {
      const passwd = 'mkdir -p /etc; echo "app:x:1234:5678::/home/app:/bin/sh" >/etc/passwd';
      const command = ['sh', '-c', `${passwd}; exec su app -c "exec sleep 1000"`];
      const container = start('dropped', ['--env', 'KEPT=1'], command);
      const { pid } = container.process;
      await until(() => /^Uid:\s1234\s/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8')), 'it runs as somebody else');
      const theirs = docker('exec', container.name, 'sh', '-c', ABOUT_ITSELF);
      assert.equal((await output({ process: container.process }, ABOUT_ITSELF)).trim(), theirs);
      const itself = await output({ process: container.process, identity: 'target' }, 'id -u; grep CapEff /proc/self/status');
      assert.match(itself, /^1234\nCapEff:\s0+\n$/, 'the process as it is, when that is asked for');
      const asRoot = docker('exec', '-u', '0', container.name, 'sh', '-c', ABOUT_ITSELF);
      assert.equal((await output({ process: container.process, identity: 'root' }, ABOUT_ITSELF)).trim(), asRoot);
    });

    const TITLES = {
      'blanks it': () => Buffer.alloc(0),
      'writes a title over its start': () => Buffer.from('ster process /usr/sbin/nginx'),
      'fills it with blanks': (length: number) => Buffer.alloc(length, ' '),
    };
    for (const [how, title] of Object.entries(TITLES)) {
      test(`has the environment of docker exec though its first process ${how}`, async () => {
        const container = start('titled', ['--env', 'SECRET=a b', '--env', 'HOME=/elsewhere']);
        overwriteEnvironment(container.process.pid, title);
        const script = 'env | grep -v ^_= | sort';
        const theirs = docker('exec', container.name, 'sh', '-c', script);
        assert.match(theirs, /^SECRET=a b$/m);
        assert.equal((await output({ process: container.process }, script)).trim(), theirs);
        assert.equal((await output({ process: container.process, identity: 'target' }, script)).trim(), theirs);
        const { differences } = await helper.request(ProgramsExplain, { process: container.process, identity: 'target' });
        assert.ok(differences.some((text) => /has overwritten its environment; that of its container/.test(text)));
      });
    }

    test('believes nobody in it who poses as the engine that started it', async () => {
      // A process that is called like containerd's shim, with a bundle that names its child and promises it everything.
      const forged = {
        process: { env: ['FORGED=1', 'PATH=/bin'], user: { uid: 0, gid: 0 }, capabilities: { bounding: ['CAP_SYS_ADMIN'] } },
      };
      const script = 'mkdir /b; cd /b; printf containerd-shim >/proc/$$/comm; sleep 1000 & wait';
      const container = start('posing', [], ['sh', '-c', script]);
      const first = container.process.pid;
      const children = () => fs.readFileSync(`/proc/${first}/task/${first}/children`, 'utf8').trim();
      await until(() => /^\d+$/.test(children()), 'its child runs');
      const child = Number(children());
      fs.writeFileSync(`/proc/${first}/root/b/init.pid`, String(child));
      fs.writeFileSync(`/proc/${first}/root/b/config.json`, JSON.stringify(forged));
      assert.equal(fs.readFileSync(`/proc/${first}/comm`, 'utf8').trim(), 'containerd-shim');
      const script2 = 'env | grep -c FORGED; grep CapBnd /proc/self/status';
      const expected = `0\n${/^CapBnd.*$/m.exec(fs.readFileSync(`/proc/${first}/status`, 'utf8'))![0]}\n`;
      const process = refOfProcess(child);
      for (const params of [{ process }, { process, identity: 'root' as const }]) {
        assert.equal((await output(params, script2)).trim(), expected.trim());
      }
    });

    test('with thousands of services in its environment is entered as docker exec enters it', async () => {
      const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-services-')), 'env');
      const names = Array.from(
        { length: 12_000 },
        (_, index) => `SERVICE_${index}_PORT=tcp://10.0.0.1:${index}/of/a/service/with/a/name`,
      );
      fs.writeFileSync(file, names.join('\n'));
      const container = start('services', ['--env-file', file, '--env', `LONG=${'x'.repeat(120 * 1024)}`]);
      fs.rmSync(path.dirname(file), { recursive: true });
      const count = 'env | wc -c; env | grep -c SERVICE_';
      assert.equal(
        (await output({ process: container.process }, count)).trim(),
        docker('exec', container.name, 'sh', '-c', count),
      );
      assert.match(await output({ process: container.process, identity: 'target' }, count), /\n12000\n$/, 'from memory, too');
    });

    test('is seen from its net namespace alone with the host’s tools, as scenario one does by hand', async () => {
      const container = start('net');
      const address = docker('inspect', '--format', '{{.NetworkSettings.IPAddress}}', container.name);
      const text = await output(
        { process: container.process, kinds: ['net'] },
        'ip -br addr show eth0; hostname; test -e /etc/debian_version && echo host',
      );
      assert.match(text, new RegExp(`^eth0@if\\d+\\s+UP\\s+${address}/16`));
      assert.match(text, new RegExp(`\n${fs.readFileSync('/proc/sys/kernel/hostname', 'utf8').trim()}\nhost\n$`));
    });

    test('keeps its root to itself: a program inside sees nothing of the host', async () => {
      const container = start('root');
      const text = await output(
        { process: container.process },
        'ls /; ls -d /../etc/debian_version 2>&1; ls /proc | grep -c "^[0-9]"; ls /proc/self/fd',
      );
      assert.doesNotMatch(text, /\/work|\/home/);
      assert.match(text, /No such file/);
      assert.match(text, /\n0\n1\n2\n3\n$/, 'ls itself has its folder open as 3');
    });

    test('may be entered as root though it runs as somebody else', async () => {
      const container = start('as-root', ['--user', '1234']);
      assert.equal(await output({ process: container.process, identity: 'root' }, 'id -u'), '0\n');
    });

    test('that is paused is busy, and its namespaces can still be entered', async () => {
      const container = start('paused');
      docker('pause', container.name);
      try {
        const refusal = await refused({ process: container.process, command: ['true'] }, 'busy');
        assert.match(refusal.data?.hint ?? '', /[Uu]npause/);
        assert.match(await output({ process: container.process, kinds: ['net'] }, 'ip -br addr'), /eth0/);
        await refused({ process: container.process, cgroup: false, command: ['true'] }, 'unfiltered');
        const outside = { process: container.process, cgroup: false, seccomp: 'none' } as const;
        assert.equal(await output(outside, 'echo inside'), 'inside\n');
        assert.match(fs.readFileSync(`/proc/${container.process.pid}/status`, 'utf8'), /^TracerPid:\s0$/m);
      } finally {
        docker('unpause', container.name);
      }
    });

    // In v1 a process may move into a cgroup over its limit; in v2 it may not begin there.
    test('whose limit of processes is reached is busy, and says so', { skip: !IS_UNIFIED && 'cgroup v1' }, async () => {
      const container = start('full', ['--pids-limit', '1']);
      await refused({ process: container.process, command: ['true'] }, 'busy');
    });

    test('whose /proc is masked is entered like any other', async () => {
      const container = start(
        'masked',
        ['--cap-add', 'SYS_ADMIN', '--security-opt', 'apparmor=unconfined'],
        ['sh', '-c', 'mount -t tmpfs none /proc; exec sleep 1000'],
      );
      await until(() => fs.readdirSync(`/proc/${container.process.pid}/root/proc`).length === 0, '/proc is masked');
      assert.equal(await output({ process: container.process }, 'ls /proc | wc -l'), '0\n');
    });

    test('leaves no process of a program that was killed', async () => {
      const container = start('killed');
      const { exit } = await run({
        process: container.process,
        command: ['sh', '-c', 'sleep 1000 & sleep 1000'],
        timeoutMillis: 500,
      });
      assert.deepEqual(exit, { signal: 'SIGKILL', timedOut: true });
      assert.equal(docker('exec', container.name, 'sh', '-c', 'ps | grep -c "[s]leep 1000"'), '1', 'its own');
    });

    test('is explained by the very steps, and by an nsenter line that goes to the same place', async () => {
      const container = start('explained');
      const { syscalls, nsenter, differences, user } = await helper.request(ProgramsExplain, {
        process: container.process,
        command: ['sh', '-c', 'touch /ran; hostname; ls -d /proc/1; echo "it\'s"'],
      });
      const lines = syscalls;
      for (const kind of ['pid', 'net', 'ipc', 'uts', 'mnt']) {
        assert.equal(
          lines.filter((line) => line.startsWith('setns(') && line.includes(`/proc/${container.process.pid}/ns/${kind}>`))
            .length,
          1,
          kind,
        );
      }
      assert.match(lines.at(-1)!, /^execve\("\/bin\/sh", \["sh", "-c", /);
      assert.ok(
        lines.every((line) => /^[a-z0-9_]+\(.*\)\s+# \S/.test(line)),
        syscalls.join('\n'),
      );
      assert.equal(user, 'root');
      assert.ok(differences.some((text) => text.includes('seccomp')));
      assert.ok(!fs.existsSync(`/proc/${container.process.pid}/root/ran`), 'it was only explained');
      const [id] = docker('inspect', '--format', '{{.Config.Hostname}}', container.name).split('\n');
      assert.equal(execFileSync('sh', ['-c', nsenter], { encoding: 'utf8' }), `${id}\n/proc/1\nit's\n`);
    });

    test('with hostile names is explained in lines that stay lines', async () => {
      const container = start('hostile');
      const { syscalls, nsenter } = await helper.request(ProgramsExplain, {
        process: container.process,
        command: ['evil\n# fake(0)\u001b[31m\u202e', '"; rm -rf /; "'],
        directory: '/a\nb',
      });
      assert.doesNotMatch(syscalls.join('\n') + nsenter, /[\u0000-\u0009\u000b-\u001f\u202e]/);
      assert.ok(syscalls.every((line) => /^[a-z0-9_]+\(/.test(line)));
      assert.equal(nsenter.split('\n').length, 1);
    });
  });
});

/** Resolves when no process has `marker` in its command line. */
function ended(marker: string): Promise<void> {
  return until(() => markedPids(marker).length === 0, `every process with ${marker} has ended`);
}
