/** `processes/inspect` against the tools that show the same: readlink, getpcaps and capsh, findmnt, docker. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseStat } from '../../helper/proc/stat.ts';
import { MountsList } from '../../helper/protocol/mounts.ts';
import { NamespacesList } from '../../helper/protocol/namespaces.ts';
import {
  ProcessesInspect,
  type ProcessesInspectResult,
  type ProcessRef,
  type RootView,
} from '../../helper/protocol/processes.ts';
import { startDocker } from '../fixtures/docker.ts';
import { unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';

const BUSYBOX = '/bin/busybox';
const testUid = process.env.ISOSCOPE_TEST_UID === undefined ? undefined : Number(process.env.ISOSCOPE_TEST_UID);
const isRoot = process.getuid?.() === 0;
const asUser = testUid !== undefined && testUid !== 0;
const privileged = isRoot && !asUser;
const needsRoot = privileged ? false : 'only root may look into these';

let helper: RunningHelper;
let jail: string;
const started: ChildProcess[] = [];

before(async () => {
  jail = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'isoscope-jail-')));
  chmodSync(jail, 0o755);
  mkdirSync(path.join(jail, 'old'));
  copyFileSync(BUSYBOX, path.join(jail, 'busybox'));
  helper = await startHelper(isRoot && testUid !== undefined ? { uid: testUid, gid: testUid } : {});
});

after(async () => {
  await helper?.stop();
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
  rmSync(jail, { recursive: true, force: true });
});

/** Starts a command that becomes, in the same process, `sh` that says when it is there. */
async function start(command: string[], shell = BUSYBOX, options: { uid?: number; gid?: number } = {}): Promise<ProcessRef> {
  const [program = shell, ...args] = [...command, shell, 'sh', '-c', `echo there; exec ${shell} sleep 600`];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  started.push(child);
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command.join(' ')} ended with ${code}`)));
    child.stdout?.on('data', (data: Buffer) => data.includes('there') && resolve());
  });
  return refOf(child.pid!);
}

function refOf(pid: number): ProcessRef {
  return { pid, startTime: parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))!.startTime };
}

function inspect(target: ProcessRef): Promise<ProcessesInspectResult> {
  return helper.request(ProcessesInspect, { process: target });
}

function known<T>(fact: T): Exclude<T, { unknown: unknown }> {
  assert.ok(!(typeof fact === 'object' && fact !== null && 'unknown' in fact), `unknown: ${JSON.stringify(fact)}`);
  return fact as Exclude<T, { unknown: unknown }>;
}

async function rootOf(target: ProcessRef): Promise<RootView> {
  return known((await inspect(target)).root);
}

function has(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

/** The inode number of what is at a path for whoever joins the mount namespace; undefined when nothing is. */
function throughNsenter({ pid }: ProcessRef, file: string): number | undefined {
  // A program of the host, which needs nothing from there.
  const options = ['-m', '-t', String(pid), BUSYBOX, 'stat', '-c', '%i', file];
  const { status, stdout } = spawnSync('nsenter', options, { encoding: 'utf8' });
  return status === 0 ? Number(stdout) : undefined;
}

function mask(pid: number, field: string): string {
  return new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!;
}

function decoded(hexadecimal: string): string[] {
  const text = execFileSync('capsh', [`--decode=${hexadecimal}`], { encoding: 'utf8' });
  return text
    .trim()
    .split('=')[1]!
    .split(',')
    .filter(Boolean)
    .map((name) => name.toUpperCase());
}

describe('a process of one’s own', () => {
  let target: ProcessRef;
  let found: ProcessesInspectResult;

  before(async () => {
    target = await start([], BUSYBOX, isRoot && testUid !== undefined ? { uid: testUid, gid: testUid } : {});
    found = await inspect(target);
  });

  test('is at the host’s root, with the program and directory that its links name', () => {
    assert.equal(known(found.root).confinement, 'host');
    assert.equal(known(found.root).path, '/');
    const { type } = JSON.parse(execFileSync('findmnt', ['-J', '-o', 'FSTYPE', '-M', '/'], { encoding: 'utf8' }))
      .filesystems.map(({ fstype }: { fstype: string }) => ({ type: fstype }))
      .at(-1);
    assert.equal(known(found.root).mount?.type, type);
    assert.ok(known(known(found.root).hostRootReachableAt).includes('/'));
    if (isRoot) assert.equal(found.executable, readlinkSync(`/proc/${target.pid}/exe`));
    assert.equal(found.workingDirectory, process.cwd());
  });

  test('has the host’s namespaces, each by the number of its link', () => {
    assert.ok(found.isolation.length > 0);
    for (const { namespace, host } of found.isolation) {
      assert.equal(host, true, namespace.kind);
      assert.equal(namespace.ino, statSync(`/proc/self/ns/${namespace.kind}`).ino);
    }
    assert.deepEqual(found.differingThreads, []);
    assert.equal(found.pidForChildren, undefined);
  });

  test('has its credentials, maps and cgroups', () => {
    const uid = testUid ?? process.getuid!();
    assert.deepEqual(known(found.credentials).uid, [uid, uid, uid, uid]);
    assert.deepEqual(known(found.uidMap), [{ inside: 0, outside: 0, count: 4294967295 }]);
    const lines = readFileSync(`/proc/${target.pid}/cgroup`, 'utf8').trim().split('\n');
    assert.deepEqual(
      known(found.cgroups).map(({ path: cgroup }) => cgroup),
      lines.map((line) => line.split(':').slice(2).join(':')),
    );
  });

  test('is refused as gone when the pid belongs to another process by now', async () => {
    const stale = { pid: target.pid, startTime: target.startTime + 1 };
    await assert.rejects(inspect(stale), (error: { data?: { reason: string } }) => error.data?.reason === 'gone');
  });
});

test('the capability sets are those that capsh decodes', {
  skip: has('capsh') ? false : 'capsh is not installed',
}, async () => {
  const limits = privileged
    ? ['setpriv', '--bounding-set', '-sys_admin,-net_raw', '--inh-caps', '+chown', '--ambient-caps', '+chown']
    : [];
  const target = await start(limits);
  const sets = known((await inspect(target)).capabilities);
  assert.deepEqual(sets.inheritable, decoded(mask(target.pid, 'CapInh')));
  assert.deepEqual(sets.permitted, decoded(mask(target.pid, 'CapPrm')));
  assert.deepEqual(sets.effective, decoded(mask(target.pid, 'CapEff')));
  assert.deepEqual(sets.bounding, decoded(mask(target.pid, 'CapBnd')));
  assert.deepEqual(sets.ambient, decoded(mask(target.pid, 'CapAmb')));
  if (privileged) {
    assert.ok(!sets.bounding.includes('CAP_SYS_ADMIN') && sets.bounding.includes('CAP_CHOWN'));
    assert.deepEqual(sets.ambient, ['CAP_CHOWN']);
  }
});

test('no_new_privs is told apart from its absence', async () => {
  assert.equal((await inspect(await start(['setpriv', '--no-new-privs']))).noNewPrivileges, true);
  assert.equal((await inspect(await start([]))).noNewPrivileges, false);
});

describe('what confines the view of the file system', { skip: needsRoot }, () => {
  test('chroot is told with its directory and the file system below it', async () => {
    const root = await rootOf(await start(['chroot', jail], '/busybox'));
    assert.equal(root.confinement, 'chroot');
    assert.equal(root.path, jail);
    const below = execFileSync('findmnt', ['-n', '-o', 'FSTYPE', '-T', jail], { encoding: 'utf8' }).trim().split('\n').at(-1);
    assert.equal(root.mount?.type, below);
  });

  test('chroot leaves the host’s root mounted above it, where nsenter reads the host’s files', async () => {
    const target = await start(['chroot', jail], '/busybox');
    assert.ok(known((await rootOf(target)).hostRootReachableAt).includes('/'));
    assert.equal(throughNsenter(target, '/etc/shadow'), statSync('/etc/shadow').ino);
  });

  test('a mount namespace that nothing was changed in still reaches the whole host', async () => {
    const root = await rootOf(await start(['unshare', '--mount']));
    assert.equal(root.confinement, 'mountNamespace');
    assert.ok(known(root.hostRootReachableAt).includes('/'));
  });

  test('chroot within a mount namespace is both', async () => {
    const target = await start(['unshare', '--mount', 'chroot', jail], '/busybox');
    const root = await rootOf(target);
    assert.equal(root.confinement, 'chrootInMountNamespace');
    assert.equal(root.path, jail);
    assert.ok(known(root.hostRootReachableAt).includes('/'));
    assert.equal(throughNsenter(target, '/etc/shadow'), statSync('/etc/shadow').ino);
    const below = execFileSync('findmnt', ['-n', '-o', 'FSTYPE', '-T', jail], { encoding: 'utf8' }).trim().split('\n').at(-1);
    assert.equal(root.mount?.type, below);
  });

  test('nothing of the host’s root is left when it was unmounted before chroot', async () => {
    const pivot =
      'mount --bind "$0" "$0" && mkdir -p "$0/in" && cp "$0/busybox" "$0/in" && cd "$0" && pivot_root . old && umount -l /old && exec "$@"';
    const shell = ['unshare', '--mount', BUSYBOX, 'sh', '-c', pivot, jail, '/busybox', 'chroot', '/in'];
    const target = await start(shell, '/busybox');
    const root = await rootOf(target);
    assert.equal(root.confinement, 'chrootInMountNamespace');
    assert.equal(root.path, '/in');
    assert.deepEqual(root.hostRootReachableAt, []);
    assert.equal(throughNsenter(target, '/etc/shadow'), undefined);
  });

  test('mounts/list gives the whole table of a namespace that only a chrooted process is in, as findmnt in there does', async () => {
    const target = await start(['unshare', '--mount', 'chroot', jail], '/busybox');
    const { mounts, complete, root } = await helper.request(MountsList, { process: target });
    assert.equal(complete, true);
    assert.equal(root, jail);
    const inside = execFileSync('nsenter', ['-m', '-t', String(target.pid), 'cat', '/proc/self/mountinfo'], {
      encoding: 'utf8',
    });
    assert.deepEqual(
      mounts.map(({ id }) => String(id)),
      inside.match(/^\d+/gm),
    );
  });

  test('a namespace that is bound to a file above the root of the only process there is found', async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-bound-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = path.join(folder, 'net');
    const script = ': > "$1" && unshare --net="$1" true && exec chroot "$2" "$3" sh -c "echo there; exec $3 sleep 600"';
    const target = await start(['unshare', '--mount', 'sh', '-c', script, 'sh', file, jail, '/busybox'], '/busybox');
    const { namespaces } = await helper.request(NamespacesList, { kinds: ['net'] });
    const own = statSync(`/proc/${target.pid}/ns/mnt`).ino;
    const points = namespaces
      .flatMap(({ pins }) => pins)
      .map((pin) => pin.by === 'bindMount' && pin.mountNamespace === own && pin.mountPoint);
    assert.ok(points.includes(file));
  });

  test('after pivot_root the old root is found where it is still mounted', async () => {
    const pivot = 'mount --bind "$0" "$0" && cd "$0" && pivot_root . old && exec "$@"';
    const root = await rootOf(await start(['unshare', '--mount', 'sh', '-c', pivot, jail], '/busybox'));
    assert.equal(root.confinement, 'mountNamespace');
    assert.equal(root.path, '/');
    assert.ok(known(root.hostRootReachableAt).includes('/old'));
    assert.ok(!known(root.hostRootReachableAt).includes('/'));
  });

  test('a time namespace that only children will enter is told apart from its own', async () => {
    const target = await start(['unshare', '--time']);
    const found = await inspect(target);
    const [own, forChildren] = ['time', 'time_for_children'].map((name) => statSync(`/proc/${target.pid}/ns/${name}`).ino);
    assert.equal(found.timeForChildren?.ino, own === forChildren ? undefined : forChildren);
  });
});

test('a container has what docker was told to give it', {
  skip: unlessRootHas('docker', 'dockerd') || unlessHelperIsRoot,
}, async () => {
  await using docker = await startDocker();
  const options = ['--cap-drop', 'ALL', '--cap-add', 'CHOWN', '--security-opt', 'no-new-privileges', '-v', '/:/host'];
  using container = docker.run(`isoscope-inspect-${process.pid}`, ['sleep', '600'], options);
  const found = await inspect(refOf(container.pid));
  assert.deepEqual(known(found.capabilities).effective, ['CAP_CHOWN']);
  assert.deepEqual(known(found.capabilities).bounding, ['CAP_CHOWN']);
  assert.equal(found.noNewPrivileges, true);
  assert.equal(known(found.root).confinement, 'mountNamespace');
  assert.ok(known(known(found.root).hostRootReachableAt).includes('/host'));
  assert.deepEqual(found.nestedPids, [1]);
  const isolated = found.isolation.filter(({ host }) => !host).map(({ namespace }) => namespace.kind);
  for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts'] as const) assert.ok(isolated.includes(kind), kind);
});

test('what an ordinary user may not read of root’s process is unknown, and the rest is told', {
  skip: isRoot && asUser ? false : 'needs a helper of an ordinary user beside root',
}, async () => {
  const found = await inspect(await start([]));
  for (const fact of [found.root, found.executable, found.workingDirectory]) {
    assert.deepEqual(fact, { unknown: 'permission', errno: 'EACCES' });
  }
  assert.deepEqual(found.isolation, []);
  assert.deepEqual(known(found.credentials).uid, [0, 0, 0, 0]);
  assert.ok(known(found.capabilities).bounding.length > 0);
});

test('an ordinary user sees what is above the root of their own chrooted process in a user namespace', {
  skip: asUser ? false : 'needs a helper of an ordinary user',
}, async () => {
  const options = isRoot && testUid !== undefined ? { uid: testUid, gid: testUid } : {};
  const target = await start(['unshare', '--user', '--map-root-user', '--mount', 'chroot', jail], '/busybox', options);
  const root = known((await inspect(target)).root);
  assert.equal(root.confinement, 'chrootInMountNamespace');
  assert.ok(known(root.hostRootReachableAt).includes('/'));
});
