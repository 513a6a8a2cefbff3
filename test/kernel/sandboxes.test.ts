/** Sandboxes on the real kernel, looked at from inside and from outside, as root and as an ordinary user. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  SandboxesCreate,
  SandboxesEnded,
  SandboxesExplain,
  SandboxesList,
  SandboxesRemove,
  SandboxesRestart,
  SandboxesRun,
  type SandboxesRunResult,
  SandboxesStop,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import {
  HostWatch,
  NAMESPACE_KINDS,
  type NamespaceKind,
  ProgramsExplain,
  ProgramsRun,
  TerminalsOpen,
  type TerminalsOpenResult,
} from '../../helper/protocol.ts';
import { makeBusyboxRoot } from '../fixtures/busyboxRoot.ts';
import { has, inGuest, isHelperRoot, isRoot, testUid, unlessMaps } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { type Rejection, refusalOf } from '../fixtures/rejection.ts';
import { attachScreen } from '../fixtures/screen.ts';
import { until } from '../fixtures/until.ts';

/** An emulated machine takes its time. */
const MANY = inGuest ? 20 : 200;
const NEEDS_PYTHON = !has('python3') && 'python3 is not installed';
/** Whose terminals they are, when that is another user than the test's. */
const CLIENT_UID = isRoot && !isHelperRoot ? testUid : undefined;
const NEEDS_SUBORDINATE = (isHelperRoot && 'the helper is root') || unlessMaps(testUid ?? process.getuid!());
const NEEDS_ROOT_HELPER = !isHelperRoot && 'the helper is not root';

describe('sandboxes', () => {
  let helper: RunningHelper;
  let folder: string;
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-sandboxes-'));
    fs.chmodSync(folder, 0o755);
    // With a runtime folder of its own, where no persistent sandboxes of others come and go; and with mounts of its own. (Who has no
    // privilege cannot leave any.)
    const runtime = path.join(folder, 'run');
    fs.mkdirSync(runtime, { mode: 0o700 });
    if (CLIENT_UID !== undefined) fs.chownSync(runtime, CLIENT_UID, CLIENT_UID);
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
    helper = await startHelper({
      environment: { ...process.env, XDG_RUNTIME_DIR: runtime },
      ...(isHelperRoot ? { through: alone } : {}),
    });
  });
  after(async () => {
    await helper?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  /** The socket of the helper's terminals is below a root of its own. */
  const reached = (terminal: TerminalsOpenResult): TerminalsOpenResult => ({
    ...terminal,
    streamSocket: `${isHelperRoot ? `/proc/${helper.process.pid}/root` : ''}${terminal.streamSocket}`,
  });

  const run = (spec: SandboxSpec): Promise<SandboxesRunResult> => helper.request(SandboxesRun, { spec });

  /** Standard output of a script that succeeds in a sandbox. */
  async function output(spec: SandboxSpec, script: string): Promise<string> {
    const result = await run({ ...spec, process: { ...spec.process, args: ['sh', '-c', script] } });
    assert.deepEqual(result.exit.code, 0, `${result.stdout}${result.stderr}${result.exit.message}`);
    return result.stdout;
  }

  const refused = (spec: SandboxSpec, reason: string): Promise<Rejection> => refusalOf(run(spec), reason);

  /** A directory with a busybox, as a root for tests that need to know everything in it. */
  const rootDirectory = (name: string): string => makeBusyboxRoot(path.join(folder, name), ['proc', 'dev', 'tmp'], CLIENT_UID);

  describe('by default', () => {
    test('is in new namespaces of six kinds, as pid 2 below an init, and knows nothing of the helper', async () => {
      const text = await output(
        {},
        'for k in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$k; done; echo $$; env; ls -l /proc/self/fd',
      );
      for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const) {
        const own = fs.readlinkSync(`/proc/${process.pid}/ns/${kind}`);
        assert.ok(text.includes(`${kind}:[`) && !text.includes(own), `${kind} is new`);
      }
      assert.match(text, /^2$/m);
      assert.doesNotMatch(text, /ISOSCOPE|VSCODE|NODE_|SUDO/);
      const descriptors = [...text.matchAll(/ (\d+) -> /g)].map(([, number]) => Number(number));
      assert.deepEqual(descriptors, [0, 1, 2, 3], 'and 3 is the directory that ls reads');
    });

    test('has no capability, no way to get one, and a seccomp filter', async () => {
      const text = await output({}, 'cat /proc/self/status');
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) assert.match(text, new RegExp(`^Cap${set}:\\s+0+$`, 'm'));
      assert.match(text, /^NoNewPrivs:\s+1$/m);
      assert.match(text, /^Seccomp:\s+2$/m);
    });

    test('the host’s files cannot be written, and its sockets not be reached', async () => {
      const marker = path.join('/var', `isoscope-${process.pid}`);
      const text = await output({}, `touch ${marker} 2>&1 || true; ls -A /run /tmp; mount | grep -c ' / '`);
      assert.match(text, /Read-only file system/);
      assert.ok(!fs.existsSync(marker));
      assert.match(text, /\/run:\n\n\/tmp:\n/);
    });

    test('its /proc shows its processes only, and what of it is dangerous is covered', async () => {
      const script =
        'echo /proc/[0-9]*; echo 1 >/proc/sys/kernel/panic; wc -c </proc/interrupts; ls /proc/acpi 2>/dev/null | wc -l';
      const { stdout, stderr } = await run({ process: { args: ['sh', '-c', script] } });
      assert.match(stdout, /^\/proc\/1 \/proc\/2\n/);
      assert.match(stderr, /Read-only file system/);
      assert.match(stdout, /\n0\n0\n$/);
    });

    test('/dev has the devices that are harmless, and they work', async () => {
      const script = 'ls /dev; echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; ls /dev/pts';
      const text = await output({}, script);
      const expected = 'fd full null ptmx pts random shm stderr stdin stdout tty urandom zero'.split(' ');
      assert.deepEqual(text.split('\n').slice(0, expected.length), expected);
      assert.match(text, /\n4\n4\nptmx\n$/);
    });

    test('lo is up and there is nothing else', async () => {
      const text = await output({}, 'cat /proc/net/dev; ip -br addr show lo');
      assert.match(text, /127\.0\.0\.1\/8/);
      assert.equal(text.match(/^\s*\w+:/gm)?.length, 1);
    });

    test('the host name is that of the sandbox', async () => {
      assert.equal(await output({ name: 'some_name' }, 'hostname'), 'some-name\n');
      assert.equal(await output({ hostname: 'other.example' }, 'hostname'), 'other.example\n');
    });
  });

  describe('/etc/hosts', () => {
    test('is its own with a net namespace of its own, and the host’s stays as it is', async () => {
      const before = fs.readFileSync('/etc/hosts', 'utf8');
      const text = await output({ name: 'itself' }, 'cat /etc/hosts; echo x 2>&1 >>/etc/hosts || true');
      assert.match(text, /^127\.0\.0\.1\tlocalhost\n::1\t.*\n127\.0\.1\.1\titself\n/);
      assert.match(text, /Read-only file system/);
      assert.equal(fs.readFileSync('/etc/hosts', 'utf8'), before);
      assert.equal(await output({ namespaces: { net: 'host' } }, 'cat /etc/hosts'), before);
    });

    test('has the lines that were given, wherever the files are from', async () => {
      const hosts = [
        { address: '192.0.2.7', names: ['seven'] },
        { address: '2001:db8::7', names: ['seven', 'vii.example'] },
      ];
      const root = rootDirectory('hosts');
      const roots: SandboxSpec['root'][] = [
        { type: 'host' },
        { type: 'directory', path: root },
        { type: 'directory', path: root, access: 'overlay' },
        { type: 'programs', programs: ['cat', 'sh'] },
      ];
      for (const given of roots) {
        const text = await output({ root: given!, hosts }, 'cat /etc/hosts');
        assert.match(text, /\n192\.0\.2\.7\tseven\n2001:db8::7\tseven vii\.example\n$/, given!.type);
      }
      assert.equal(fs.readFileSync(path.join(root, 'etc/hosts'), 'utf8'), '', 'only a place to mount on');
      for (const wrong of [
        { address: 'x', names: ['a'] },
        { address: '192.0.2.7', names: ['a\nb'] },
        { address: '::1', names: [] },
      ]) {
        await assert.rejects(run({ hosts: [wrong], process: { args: ['true'] } }));
      }
    });

    test('is not made where there is none', async () => {
      const root = rootDirectory('no-hosts');
      assert.equal(await output({ root: { type: 'directory', path: root } }, 'ls /'), 'bin\ndev\nproc\ntmp\n');
    });
  });

  describe('root', () => {
    test('an empty tmpfs has the size asked for, and says what is missing in it', async () => {
      const refusal = await refused({ root: { type: 'tmpfs', size: '1G' }, process: { args: ['ls'] } }, 'notFound');
      assert.match(refusal.message, /^ls: not found.*empty tmpfs/);
      assert.match(refusal.data?.hint ?? '', /root "programs" and name ls/);
      const { steps } = await helper.request(SandboxesExplain, {
        spec: { root: { type: 'tmpfs', size: '1G' }, process: { args: ['ls'] } },
      });
      assert.match(steps[refusal.data?.step ?? -1]?.call ?? '', /^execve\("[^"]+\/ls"/);
      const busybox = { type: 'bind', source: '/bin/busybox', destination: '/bin/busybox' } as const;
      const { stdout } = await run({
        root: { type: 'tmpfs', size: '1G' },
        mounts: [busybox],
        process: { args: ['/bin/busybox', 'df', '-k', '/'] },
      });
      assert.match(stdout, /\b1048576\b/);
    });

    test('named programs come with their loader and libraries and nothing else, bound or copied', async () => {
      for (const files of ['bind', 'copy'] as const) {
        const spec: SandboxSpec = {
          root: { type: 'programs', programs: ['bash', 'ls', 'cat', 'ps', 'ip'], files },
          proc: 'none',
          dev: 'none',
          oldRoot: '/old-rootfs',
          process: { args: ['ls'] },
        };
        const { stdout, stderr } = await run(spec);
        assert.equal(stdout, 'bin\nlib\nlib64\nold-rootfs\n', stderr);
        const listed = await run({ ...spec, process: { args: ['ls', '/bin', '/old-rootfs/etc/passwd'] } });
        assert.equal(listed.stdout, '/old-rootfs/etc/passwd\n\n/bin:\nbash\ncat\nip\nls\nps\n');
      }
      const lacking = await refused({ root: { type: 'programs', programs: ['ls'] }, process: { args: ['cat'] } }, 'notFound');
      assert.match(lacking.data?.hint ?? '', /Add "cat" to root\.programs/);
    });

    test('of a directory nothing of the old root is left after pivot_root', async () => {
      const root = rootDirectory('pivot');
      const spec: SandboxSpec = { root: { type: 'directory', path: root } };
      const text = await output(spec, 'ls /; ls -di / /..; cat /proc/self/mountinfo');
      assert.match(text, /^bin\ndev\nproc\ntmp\n/);
      const [first, second] = [...text.matchAll(/^\s*(\d+) \/(\.\.)?$/gm)].map(([, inode]) => inode);
      assert.equal(first, second);
      const hostRoot = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length;
      assert.ok(text.split('\n').length < hostRoot + 40);
      assert.equal(text.match(/ - ext4| - xfs| - btrfs/g)?.length ?? 1, 1, 'the only file system of the disk is the root');
    });

    test('a read-only directory stays as it is', async () => {
      const root = rootDirectory('ro');
      const { stderr } = await run({
        root: { type: 'directory', path: root, access: 'readOnly' },
        process: { args: ['touch', '/here'] },
      });
      assert.match(stderr, /Read-only/);
      assert.ok(!fs.existsSync(path.join(root, 'here')));
    });

    test('changes go into an overlay, and are thrown away or kept', async () => {
      const root = rootDirectory('overlay');
      const upper = path.join(folder, 'changes');
      fs.mkdirSync(upper);
      if (!isHelperRoot) fs.chmodSync(upper, 0o777);
      const spec = (kept: boolean): SandboxSpec => ({
        root: { type: 'directory', path: root, access: 'overlay', ...(kept ? { upper } : {}) },
      });
      assert.match(await output(spec(false), 'touch /made; ls / ; ls -di / /..'), /made/);
      assert.ok(!fs.existsSync(path.join(root, 'made')));
      await output(spec(true), 'touch /kept');
      assert.ok(fs.existsSync(path.join(upper, 'upper/kept')));
      assert.ok(!fs.existsSync(path.join(root, 'kept')));
    });

    test('a directory below an overlay can be deleted in a user namespace, too, or it is said that it cannot', async () => {
      const root = rootDirectory('deleting');
      for (const made of ['full', 'full/inner']) {
        fs.mkdirSync(path.join(root, made));
        if (CLIENT_UID !== undefined) fs.chownSync(path.join(root, made), CLIENT_UID, CLIENT_UID);
      }
      const upper = fs.mkdtempSync(path.join(folder, 'deleted-'));
      if (!isHelperRoot) fs.chmodSync(upper, 0o777);
      for (const more of [{}, { upper }]) {
        const { exit, stderr, notes } = await run({
          namespaces: { user: 'new' },
          root: { type: 'directory', path: root, access: 'overlay', ...more },
          process: { args: ['busybox', 'rm', '-r', '/full'] },
        });
        const isSaid = notes.some((note) => /neither deleted nor moved/.test(note));
        assert.equal(exit.code, isSaid ? 1 : 0, stderr);
        assert.equal(/Input\/output error/.test(stderr), isSaid, stderr);
      }
      assert.ok(fs.existsSync(path.join(root, 'full/inner')));
    });

    test('of the host’s root under an overlay nothing below is reached', { skip: NEEDS_ROOT_HELPER }, async () => {
      const marker = `isoscope-overlay-${process.pid}`;
      const text = await output({ root: { type: 'host', access: 'overlay' } }, `touch /${marker}; ls /; ls -di / /..; ls /..`);
      assert.equal(text.split(marker).length, 3);
      assert.ok(!fs.existsSync(`/${marker}`));
    });

    test('the old root is where it was asked for, and nowhere otherwise', async () => {
      const root = rootDirectory('kept');
      const spec: SandboxSpec = { root: { type: 'directory', path: root }, oldRoot: '/old' };
      assert.match(await output(spec, 'ls /old/etc/passwd'), /passwd/);
      const { notes } = await helper.request(SandboxesExplain, { spec });
      assert.ok(notes.some((note) => note.includes('/old')));
    });
  });

  describe('chroot against pivot_root', () => {
    /** The oldest way out: a second chroot leaves the working directory outside of it, and ".." leads up from there. */
    const wayOut = `
import os
os.mkdir('/tmp/x')
os.chroot('/tmp/x')
for _ in range(64): os.chdir('..')
os.chroot('.')
print('out' if os.path.exists('/etc/passwd') else 'still in')
`;
    const withPython = (changeRoot: 'chroot' | 'pivot_root'): SandboxSpec => ({
      root: { type: 'tmpfs' },
      changeRoot,
      mounts: [
        ...['/usr', '/lib', '/lib64'].map((source) => ({ type: 'bind', source, destination: source }) as const),
        { type: 'tmpfs', destination: '/tmp' },
      ],
      process: { args: ['/usr/bin/python3', '-c', wayOut], capabilities: ['CAP_SYS_CHROOT'] },
    });

    test('a program with CAP_SYS_CHROOT escapes from chroot and not from pivot_root', { skip: NEEDS_PYTHON }, async () => {
      const { stdout, stderr } = await run(withPython('chroot'));
      assert.equal(stdout, 'out\n', stderr);
      assert.equal((await run(withPython('pivot_root'))).stdout, 'still in\n');
    });

    test('without that capability, as by default, it does not get so far', { skip: NEEDS_PYTHON }, async () => {
      const spec = withPython('chroot');
      delete spec.process!.capabilities;
      const { stdout, stderr } = await run(spec);
      assert.equal(stdout, '');
      assert.match(stderr, /PermissionError/);
    });

    test('what chroot does not protect from is said', async () => {
      const says = async (changeRoot: 'chroot' | 'pivot_root') => {
        const { notes } = await helper.request(SandboxesExplain, { spec: withPython(changeRoot) });
        return notes.some((note) => note.startsWith('chroot changes only where paths begin'));
      };
      assert.deepEqual([await says('chroot'), await says('pivot_root')], [true, false]);
    });
  });

  describe('namespaces', () => {
    test('any of the eight is the host’s when that is asked for', async () => {
      const kinds = NAMESPACE_KINDS.filter((kind) => fs.existsSync(`/proc/self/ns/${kind}`));
      for (const kind of ['net', 'ipc', 'uts', 'cgroup'] as const satisfies NamespaceKind[]) {
        const namespaces = { [kind]: 'host' } as SandboxSpec['namespaces'];
        const spec: SandboxSpec = { namespaces: namespaces ?? {} };
        const text = await output(spec, `readlink /proc/self/ns/${kind}`);
        assert.equal(text.trim(), fs.readlinkSync(`/proc/${helper.process.pid}/ns/${kind}`));
      }
      assert.ok(kinds.length >= 7);
    });

    test('in a new user namespace root inside is the user outside', async () => {
      const text = await output({ namespaces: { user: 'new' } }, 'id -u; cat /proc/self/uid_map');
      assert.match(text, new RegExp(`^0\\n\\s+0\\s+${helper.host.uid}\\s+1\\n$`));
    });

    test('ranges of ids are mapped as they were given', { skip: NEEDS_ROOT_HELPER }, async () => {
      const mappings = [{ containerID: 0, hostID: 100_000, size: 1000 }];
      const spec: SandboxSpec = {
        idMappings: { uidMappings: mappings, gidMappings: mappings },
        process: { user: { uid: 7, gid: 8, additionalGids: [9] } },
      };
      const text = await output(spec, 'id; cat /proc/self/uid_map');
      assert.match(text, /uid=7.* gid=8.* groups=8[^,]*,9/);
      assert.match(text, /0\s+100000\s+1000\n$/);
    });

    test('subordinate ids are mapped by newuidmap for who has them', { skip: NEEDS_SUBORDINATE }, async () => {
      const spec: SandboxSpec = {
        idMappings: 'subids',
        process: { user: { uid: 7, gid: 8, additionalGids: [9] }, oomScoreAdj: 300 },
      };
      const text = await output(spec, 'id; cat /proc/self/oom_score_adj /proc/self/uid_map');
      assert.match(text, /uid=7.* gid=8.* groups=8[^,]*,9/);
      assert.match(text, new RegExp(`\\n300\\n\\s+0\\s+${helper.host.uid}\\s+1\\n\\s+1\\s+\\d+\\s+\\d+\\n`));
    });

    test('the clocks of a new time namespace are offset', async () => {
      const spec: SandboxSpec = { timeOffsets: { boottime: 864_000, monotonic: 1000 } };
      const text = await output(spec, 'cat /proc/uptime /proc/self/timens_offsets');
      assert.ok(Number(text.split('.')[0]) > os.uptime() + 863_000);
      assert.match(text, /monotonic\s+1000\s+0\nboottime\s+864000\s+0/);
    });

    test('those of another sandbox are joined by its name', async () => {
      const { sandbox } = await helper.request(SandboxesCreate, {
        spec: { name: 'first', process: { args: ['sleep', '1000'], terminal: false } },
      });
      const user = isHelperRoot ? {} : { user: { sandbox: 'first' } };
      const spec: SandboxSpec = { namespaces: { ...user, net: { sandbox: 'first' }, uts: { sandbox: sandbox.id } } };
      const text = await output(spec, 'readlink /proc/self/ns/net; hostname');
      assert.equal(text, `net:[${sandbox.namespaces.net?.ino}]\nfirst\n`);
      await helper.request(SandboxesRemove, { sandbox: 'first' });
      assert.equal((await refused(spec, 'gone')).data?.reason, 'gone');
    });
  });

  describe('mounts', () => {
    test('are made in their order, with their options, inside the root', async () => {
      const shared = path.join(folder, 'shared');
      fs.mkdirSync(shared);
      fs.chmodSync(shared, 0o777);
      fs.writeFileSync(path.join(shared, 'file'), 'content');
      const spec: SandboxSpec = {
        root: { type: 'directory', path: rootDirectory('mounts') },
        mounts: [
          { destination: '/data', type: 'tmpfs', options: ['size=64K', 'mode=1777', 'noexec'] },
          { destination: '/data/shared', type: 'bind', source: shared },
          { destination: '/data/writable', type: 'bind', source: shared, options: ['rw'] },
          { destination: '/etc/some/file', type: 'bind', source: path.join(shared, 'file') },
          { destination: '/dev/mqueue', type: 'mqueue' },
        ],
      };
      const script =
        'cat /data/shared/file /etc/some/file; touch /data/shared/x || echo refused; touch /data/writable/y; cat /proc/self/mountinfo';
      const text = await output(spec, script);
      assert.match(text, /^contentcontentrefused\n/);
      assert.ok(!fs.existsSync(path.join(shared, 'x')) && fs.existsSync(path.join(shared, 'y')));
      assert.match(text, / \/data rw,nosuid,nodev,noexec[^-]* - tmpfs .*size=64k/);
      assert.match(text, / \/data\/shared ro,nosuid,nodev/);
      assert.match(text, / \/dev\/mqueue .* - mqueue/);
    });

    test('what the specification contradicts is refused with the field’s name', async () => {
      const wrong: [SandboxSpec, RegExp][] = [
        [{ mounts: [{ destination: '/x', type: 'bind' }] }, /no source/],
        [{ mounts: [{ destination: '/x', type: 'tmpfs', options: ['nonsense=1'] }] }, /nonsense/],
        [{ mounts: [{ destination: '/x', type: 'bind', source: 'relative' }] }, /relative/],
        [{ mounts: [{ destination: '/x', type: 'bind', source: '/etc/passwd', options: ['size=1M'] }] }, /size/],
        [{ oldRoot: '/old', changeRoot: 'chroot' }, /oldRoot/],
        [{ namespaces: { uts: 'host' }, hostname: 'x' }, /hostname/],
        [{ process: { capabilities: ['CAP_NONSENSE'] } }, /CAP_NONSENSE/],
        [{ process: { rlimits: [{ type: 'RLIMIT_NONSENSE', soft: 1, hard: 1 }] } }, /RLIMIT_NONSENSE/],
        [{ network: { type: 'host' }, namespaces: { net: 'new' } }, /network/],
      ];
      for (const [spec, words] of wrong) assert.match((await refused(spec, 'invalid')).message, words);
      const lacking: SandboxSpec = { mounts: [{ destination: '/x', type: 'bind', source: '/no/such' }] };
      assert.match((await refused(lacking, 'notFound')).message, /\/no\/such/);
    });
  });

  describe('process', () => {
    test('its environment, directory, user, umask, limits and score are those asked for', {
      skip: NEEDS_ROOT_HELPER,
    }, async () => {
      const spec: SandboxSpec = {
        process: {
          cwd: '/usr/bin',
          env: { A: 'one two', PATH: '/usr/bin:/bin' },
          user: { uid: 1234, gid: 2345, additionalGids: [3456], umask: 0o27 },
          rlimits: [{ type: 'RLIMIT_NOFILE', soft: 64, hard: 128 }],
          oomScoreAdj: 500,
          capabilities: ['CAP_NET_RAW'],
        },
      };
      const script = 'pwd; env; id; umask; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; grep Cap /proc/self/status';
      const text = await output(spec, script);
      assert.match(text, /^\/usr\/bin\n/);
      assert.match(text, /^A=one two$/m);
      assert.match(text, /uid=1234.*gid=2345.*groups=2345.*,3456/);
      assert.match(text, /^0027\n64\n128\n500$/m);
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
        assert.match(text, new RegExp(`^Cap${set}:\\s+0000000000002000$`, 'm'));
    });

    test('how it ended is told exactly, also below an init', async () => {
      const end = async (script: string, more: SandboxSpec['process'] = {}) =>
        (await run({ process: { ...more, args: ['sh', '-c', script] } })).exit;
      assert.deepEqual(await end('exit 7'), { code: 7, reason: 'exit', message: 'Its program ended with status 7.' });
      assert.deepEqual(await end('exit 137'), { code: 137, reason: 'exit', message: 'Its program ended with status 137.' });
      assert.equal((await end('kill -SEGV $$')).signal, 'SIGSEGV');
      assert.equal((await end('kill -9 $$')).reason, 'signal');
      assert.deepEqual((await end('exit 5', { init: false })).code, 5);
      const late = await end('sleep 1000', { timeout: 0.2 });
      assert.deepEqual([late.reason, late.timedOut, late.signal], ['timeout', true, 'SIGKILL']);
    });

    test('an init reaps what is left over; without it the program is pid 1', async () => {
      const orphan = 'sh -c "sleep 0 & exit" ; sleep 0.3; ps -o stat= ax | grep -c Z || true';
      assert.equal(await output({}, orphan), '0\n');
      assert.equal(await output({ process: { init: false } }, 'echo $$'), '1\n');
    });

    test('what it leaves in the background ends with it', async () => {
      const marker = `isoscope-${process.pid}-left`;
      await output({}, `setsid sh -c 'sleep 1000; : ${marker}' & sleep 0.1`);
      await until(() => !commandLines().some((line) => line.includes(marker)), 'nothing is left');
    });
  });

  describe('life', () => {
    const sleeper = (name: string): SandboxSpec => ({ name, process: { args: ['sleep', '1000'], terminal: false } });

    test('is listed with its namespaces while it runs, entered as it is confined, and gone when stopped', async () => {
      const { sandbox } = await helper.request(SandboxesCreate, { spec: sleeper('listed') });
      const { sandboxes } = await helper.request(SandboxesList, {});
      assert.deepEqual(sandboxes, [sandbox]);
      assert.equal(sandbox.state, 'running');
      const { pid } = sandbox.process!;
      for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const) {
        const link = isHelperRoot || process.getuid?.() === 0 ? fs.readlinkSync(`/proc/${pid}/ns/${kind}`) : undefined;
        if (link !== undefined) assert.equal(link, `${kind}:[${sandbox.namespaces[kind]?.ino}]`);
      }
      const entered = await helper.request(ProgramsRun, {
        sandbox: 'listed',
        command: ['sh', '-c', 'hostname; readlink /proc/self/ns/net; cat /proc/self/status; touch /x || true'],
      });
      assert.match(entered.stdout, new RegExp(`^listed\\nnet:\\[${sandbox.namespaces.net?.ino}\\]`));
      for (const set of ['Prm', 'Eff', 'Bnd']) assert.match(entered.stdout, new RegExp(`^Cap${set}:\\s+0+$`, 'm'));
      assert.match(entered.stdout, /^NoNewPrivs:\s+1$[\s\S]*^Seccomp:\s+2$/m);
      assert.match(entered.stderr, /Read-only/);
      const explained = await helper.request(ProgramsExplain, { sandbox: 'listed', command: ['true'] });
      assert.match(explained.syscalls, /seccomp\(/);
      const ended = nextEnd(sandbox.id);
      await helper.request(SandboxesStop, { sandbox: sandbox.id });
      assert.equal((await ended).reason, 'stopped');
      assert.deepEqual((await helper.request(SandboxesList, {})).sandboxes, []);
      assert.ok(!fs.existsSync(`/proc/${pid}`));
    });

    test('whoever watches is told when one comes and goes', async () => {
      await helper.request(HostWatch, { parts: ['sandboxes'] });
      const began = helper.changed(['sandboxes'], 20_000);
      const { sandbox } = await helper.request(SandboxesCreate, { spec: sleeper('watched') });
      await began;
      const went = helper.changed(['sandboxes'], 20_000);
      await helper.request(SandboxesStop, { sandbox: sandbox.id });
      await went;
      await helper.request(HostWatch, { parts: [] });
    });

    test('a program that handles SIGTERM gets its time', async () => {
      const spec: SandboxSpec = {
        name: 'graceful',
        process: { args: ['sh', '-c', 'trap "exit 3" TERM; while :; do sleep 0.05; done'], terminal: false },
      };
      const { sandbox } = await helper.request(SandboxesCreate, { spec });
      await until(() => fs.readFileSync(`/proc/${sandbox.process!.pid}/stat`, 'utf8') !== '', 'it runs');
      const ended = nextEnd(sandbox.id);
      // The shell may not have set its trap yet.
      await new Promise((resolve) => setTimeout(resolve, 300));
      await helper.request(SandboxesStop, { sandbox: sandbox.id, graceMillis: 20_000 });
      assert.equal((await ended).code, 3);
    });

    test('is restarted under its id and name', async () => {
      const { sandbox } = await helper.request(SandboxesCreate, { spec: sleeper('again') });
      const restarted = (await helper.request(SandboxesRestart, { sandbox: 'again' })).sandbox;
      assert.deepEqual([restarted.id, restarted.name], [sandbox.id, 'again']);
      assert.notEqual(restarted.process?.pid, sandbox.process?.pid);
      await helper.request(SandboxesRemove, { sandbox: 'again' });
    });

    test('a name that was given is given once; one that was not gets a number', async () => {
      await helper.request(SandboxesCreate, { spec: sleeper('taken') });
      await assert.rejects(helper.request(SandboxesCreate, { spec: sleeper('taken') }), /named taken already/);
      await helper.request(SandboxesRemove, { sandbox: 'taken' });
      const unnamed: SandboxSpec = { process: { args: ['sleep', '1000'], terminal: false } };
      const made = [];
      for (let count = 0; count < 2; count += 1) made.push((await helper.request(SandboxesCreate, { spec: unnamed })).sandbox);
      assert.deepEqual(
        made.map(({ name }) => name),
        ['host-sleep', 'host-sleep-2'],
      );
      for (const { id } of made) await helper.request(SandboxesRemove, { sandbox: id });
    });

    test('on a terminal it has a session, a name for its tty where it may, and ends with it', async () => {
      const { sandbox, terminal } = await helper.request(SandboxesCreate, { spec: { name: 'tty', process: { args: ['sh'] } } });
      assert.match(terminal?.command[0] ?? '', /\/sh$/);
      await using screen = attachScreen(reached(terminal!), { uid: CLIENT_UID });
      screen.type('tty; echo in $(hostname); stty size\n');
      // Without privilege the terminal is of the host's devpts, and has no name inside.
      if (isHelperRoot) await screen.shows(/\/dev\/pts\/0/);
      await screen.shows(/in tty/);
      await screen.shows(/24 80/);
      const second = await helper.request(TerminalsOpen, { sandbox: 'tty' });
      await using other = attachScreen(reached(second), { uid: CLIENT_UID });
      other.type('echo also in $(hostname)\n');
      await other.shows(/also in tty/);
      const ended = nextEnd(sandbox.id);
      screen.type('exit 4\n');
      assert.equal((await ended).code, 4);
      assert.deepEqual((await helper.request(SandboxesList, {})).sandboxes, []);
    });

    test('whatever fails leaves nothing behind', async () => {
      // What the helper opens once.
      await run({ process: { args: ['true'] } });
      const before = traces(helper.process.pid!);
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
      const before = traces(helper.process.pid!);
      for (let count = 0; count < MANY; count += 1) await once();
      await Promise.all(Array.from({ length: MANY }, once));
      await asBefore(before);
    });

    test('when the helper is killed, its sandboxes end', async () => {
      const victim = await startHelper();
      const marker = `isoscope-${process.pid}-orphan`;
      const args = ['sh', '-c', `sleep 1000; : ${marker}`];
      await victim.request(SandboxesCreate, { spec: { process: { args, terminal: false } } });
      assert.ok(commandLines().some((line) => line.includes(marker)));
      victim.process.kill('SIGKILL');
      await until(() => !commandLines().some((line) => line.includes(marker)), 'it has ended');
    });
  });

  test('an explanation runs nothing, and names every default, step and equivalent', async () => {
    const explained = await helper.request(SandboxesExplain, { spec: { process: { args: ['true'] } } });
    assert.equal(explained.spec.changeRoot, 'pivot_root');
    assert.equal(explained.spec.process?.noNewPrivileges, true);
    const calls = explained.steps.map(({ call }) => call);
    for (const call of [
      /^unshare\(.*CLONE_NEWPID/,
      /^pivot_root\("\.", "\."\)/,
      /^umount2\("\.", MNT_DETACH\)/,
      /^seccomp\(/,
      /^execve\(/,
    ]) {
      assert.ok(
        calls.some((one) => call.test(one)),
        String(call),
      );
    }
    assert.deepEqual([...new Set(explained.steps.map(({ by }) => by))], ['parent', 'init', 'child']);
    assert.equal(explained.syscalls.split('\n').length, explained.steps.length);
    assert.deepEqual(
      explained.equivalents.map(({ tool }) => tool),
      ['unshare', 'bwrap', 'runc'],
    );
  });

  async function asBefore(before: unknown): Promise<void> {
    const now = () => JSON.stringify(traces(helper.process.pid!));
    await until(
      () => now() === JSON.stringify(before),
      () => `all is as before: ${JSON.stringify(before)}, now ${now()}`,
    );
  }

  function nextEnd(id: string) {
    return new Promise<{ reason: string; code?: number }>((resolve) => {
      const listener = helper.connection.onNotification(SandboxesEnded, (params) => {
        if (params.id !== id) return;
        listener.dispose();
        resolve(params.exit);
      });
    });
  }
});

function commandLines(): string[] {
  return fs.readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) ? [fs.readFileSync(`/proc/${name}/cmdline`, 'utf8')] : [];
    } catch {
      return [];
    }
  });
}

function linkOf(file: string): string {
  try {
    // Numbers of sockets and pipes say nothing.
    return fs.readlinkSync(file).replace(/:\[.*/, '');
  } catch {
    return 'closed';
  }
}

/** What a sandbox could leave: descriptors and children of the helper, mounts. */
function traces(helper: number): unknown {
  return {
    descriptors: fs
      .readdirSync(`/proc/${helper}/fd`)
      .map((name) => linkOf(`/proc/${helper}/fd/${name}`))
      .sort(),
    children: fs.readFileSync(`/proc/${helper}/task/${helper}/children`, 'utf8').trim().split(' ').length,
    mounts: isHelperRoot ? fs.readFileSync(`/proc/${helper}/mountinfo`, 'utf8').split('\n').length : 0,
  };
}
