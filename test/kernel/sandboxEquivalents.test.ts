/** The commands that an explanation gives as equivalents, run as they are: what is seen inside is what is seen in the sandbox. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import { type SandboxEquivalent, SandboxesExplain, SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { makeBusyboxRoot } from '../fixtures/busyboxRoot.ts';
import type { English } from '../fixtures/english.ts';
import { has, isHelperRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refOfProcess } from '../fixtures/zoo.ts';

/** What a program can see of its isolation. */
const LOOK = `
  cat /proc/self/mountinfo; echo ==
  for kind in ${NAMESPACE_KINDS.join(' ')}; do readlink /proc/self/ns/$kind || true; done; echo ==
  cat /proc/self/status; echo ==
  cat /proc/sys/kernel/hostname; umask; pwd; ulimit -n; cat /proc/self/oom_score_adj; cat /etc/hosts || true; echo ==
  cat /proc/$$/environ`;

interface Seen {
  /** File system and flags by mount point; of what covers dangers the place alone. */
  mounts: Record<string, string>;
  /** Kinds of which it does not have the host's. */
  namespaces: string[];
  credentials: string[];
  surroundings: string;
  environment: string[];
}

const COVERED = /^\/(proc|sys)\/./;
/** Which of the devices are mounts is each runtime's own business. */
const DEVICES = /^\/dev\/(null|zero|full|random|urandom|tty|console)$/;
const CREDENTIALS = /^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):/;

/** Those that no other lies over. */
function visibleMounts(table: string): { place: string; flags: string; type: string }[] {
  const all = table
    .trim()
    .split('\n')
    .map((line) => {
      const [id = '', parent = '', , , place = '', flags = ''] = line.split(' ');
      return { id, parent, place, flags, type: / - (\S+)/.exec(line)?.[1] ?? '' };
    });
  type Row = (typeof all)[number];
  const isBelow = (place: string, above: string) => place.startsWith(above === '/' ? '/' : `${above}/`);
  const isHidden = (mount: Row): boolean => {
    const above = all.find(({ id }) => id === mount.parent);
    const covers = (other: Row) => other !== mount && other.parent === mount.parent && isBelow(mount.place, other.place);
    return all.some(covers) || (above !== undefined && isHidden(above));
  };
  return all.filter(
    (mount) => !isHidden(mount) && !all.some(({ parent, place }) => parent === mount.id && place === mount.place),
  );
}

function seenIn(output: string): Seen {
  const [table = '', links = '', status = '', surroundings = '', environ = ''] = output.split('==\n');
  const mounts: Seen['mounts'] = {};
  for (const { place, flags, type } of visibleMounts(table)) {
    if (DEVICES.test(place)) continue;
    const kept = flags.split(',').filter((flag) => ['ro', 'nosuid', 'nodev', 'noexec'].includes(flag));
    // That device nodes of a directory work in the others they say themselves; a file may come from anywhere.
    if (COVERED.test(place)) mounts[place] = '';
    else if (place === '/') mounts[place] = `${type} ${kept.filter((flag) => flag !== 'nodev').join(',')}`;
    else mounts[place] = `${place === '/etc/hosts' ? '' : type} ${kept.join(',')}`;
  }
  const isHosts = (link: string) => link === fs.readlinkSync(`/proc/self/ns/${link.split(':')[0]}`);
  return {
    mounts,
    namespaces: links
      .trim()
      .split('\n')
      .filter((link) => !isHosts(link))
      .map((link) => link.split(':')[0]!),
    credentials: status.split('\n').filter((line) => CREDENTIALS.test(line)),
    surroundings,
    environment: environ
      .split('\0')
      .filter((entry) => !/^(PWD|SHLVL|_|OLDPWD)=/.test(entry))
      .sort(),
  };
}

describe('the equivalent of a sandbox', { skip: !isHelperRoot && 'the helper is not root' }, () => {
  let helper: RunningHelper;
  let folder: string;
  let directory: string;
  let shared: string;
  let bundles = 0;
  before(async () => {
    helper = await startHelper();
    folder = fs.mkdtempSync('/var/tmp/isoscope-equivalents-');
    fs.chmodSync(folder, 0o755);
    directory = makeBusyboxRoot(path.join(folder, 'root'), ['proc', 'dev', 'sys', 'tmp', 'etc', 'data'], undefined);
    fs.writeFileSync(path.join(directory, 'etc/hosts'), '');
    shared = path.join(folder, 'shared');
    fs.mkdirSync(shared);
  });
  after(async () => {
    await helper?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    bundles += 1;
  });

  const explained = (spec: SandboxSpec) => helper.request(SandboxesExplain, { spec });
  const here = (command: string) => execFileSync('sh', ['-c', command], { encoding: 'utf8', cwd: folder });
  const named = (spec: SandboxSpec): SandboxSpec => ({ name: `isoscope-test-${process.pid}-${bundles}`, ...spec });

  async function ours(spec: SandboxSpec): Promise<string> {
    const { stdout, stderr, exit } = await helper.request(SandboxesRun, { spec });
    assert.equal(exit.code, 0, `${stdout}${stderr}${exit.message}`);
    return stdout;
  }

  describe('for runc', { skip: unlessRootHas('runc', 'unshare', 'mount') }, () => {
    async function bundleOf(spec: SandboxSpec): Promise<English<SandboxEquivalent>> {
      const found = (await explained(spec)).equivalents.find(({ tool }) => tool === 'runc');
      assert.ok(found, 'there is one');
      return found;
    }

    /** Compares what both see; in `apart` they may differ, as the equivalent says itself. */
    async function same(given: SandboxSpec, apart: RegExp = /^$/): Promise<{ mine: Seen; theirs: Seen }> {
      const spec = named({ ...given, process: { terminal: false, init: false, ...given.process, args: ['sh', '-c', LOOK] } });
      const mine = seenIn(await ours(spec));
      const theirs = seenIn(here((await bundleOf(spec)).command));
      const places = (mounts: Seen['mounts']) => Object.entries(mounts).filter(([place]) => !apart.test(place));
      assert.deepEqual(Object.fromEntries(places(theirs.mounts)), Object.fromEntries(places(mine.mounts)));
      assert.deepEqual({ ...theirs, mounts: {} }, { ...mine, mounts: {} });
      return { mine, theirs };
    }

    test('shows the same mounts, namespaces, credentials and surroundings by default', async () => {
      const hosts = [{ address: '192.0.2.7', names: ['seven'] }];
      const onHost = new Set(
        fs
          .readFileSync('/proc/self/mountinfo', 'utf8')
          .split('\n')
          .map((line) => line.split(' ')[4]),
      );
      const own = ['/', '/proc', '/run', '/tmp', '/var/tmp', '/dev', '/dev/pts', '/dev/shm', '/etc/hosts'];
      // Mounts of the host below its root stay writable in the other, as it says.
      const below = [...onHost].filter((place) => place !== undefined && !own.includes(place));
      const { mine } = await same(
        { hosts },
        new RegExp(`^(${below.map((place) => place?.replaceAll(/\W/g, '\\$&')).join('|')})$`),
      );
      assert.deepEqual(
        mine.namespaces,
        NAMESPACE_KINDS.filter((kind) => !['user', 'time'].includes(kind)),
      );
      assert.ok(mine.mounts['/etc/hosts'] && '/proc/sys' in mine.mounts && '/proc/keys' in mine.mounts);
    });

    test('has the directory, mounts, user, capabilities, limits, environment and seccomp profile asked for', async () => {
      const { mine } = await same({
        root: { type: 'directory', path: directory, access: 'readOnly' },
        hostname: 'other.example',
        mounts: [
          { destination: '/data', type: 'bind', source: shared, options: ['noexec'] },
          { destination: '/tmp', type: 'tmpfs', options: ['size=1M', 'mode=1777', 'noexec'] },
          { destination: '/dev/mqueue', type: 'mqueue' },
        ],
        seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['reboot'], action: 'SCMP_ACT_ERRNO' }] },
        process: {
          cwd: '/data',
          env: { 'A B': 'one "two"\n\u0085three' },
          user: { uid: 1234, gid: 2345, additionalGids: [3456], umask: 0o27 },
          capabilities: ['CAP_NET_RAW', 'CAP_CHOWN'],
          rlimits: [
            { type: 'RLIMIT_NOFILE', soft: 64, hard: 128 },
            { type: 'RLIMIT_CORE', soft: 0, hard: 'unlimited' },
          ],
          oomScoreAdj: 500,
        },
      });
      assert.match(mine.credentials.join('\n'), /^CapAmb:\s+0000000000002001$/m);
      assert.match(mine.surroundings, /^other\.example\n0027\n\/data\n64\n500\n/);
    });

    test('has a root in memory with the programs alone', async () => {
      const spec = named({
        root: { type: 'programs', programs: ['sh', 'cat', 'readlink', 'ls'] },
        process: { args: ['sh', '-c', 'cd /; ls -d bin/* lib*; ls -L lib64'], terminal: false },
      });
      assert.equal(here((await bundleOf(spec)).command), await ours(spec));
    });

    test('has the changes of an overlay in a layer above, thrown away or kept', async () => {
      const upper = path.join(folder, 'upper');
      fs.mkdirSync(upper);
      for (const kept of [{}, { upper }]) {
        bundles += 1;
        const { mine } = await same({ root: { type: 'directory', path: directory, access: 'overlay', ...kept } });
        assert.match(mine.mounts['/'] ?? '', /^overlay/);
      }
      assert.ok(fs.existsSync(path.join(upper, 'upper')));
    });

    test('has a user namespace with the same id maps', async () => {
      const range = [{ containerID: 0, hostID: 100_000, size: 1000 }];
      const idMappings = { uidMappings: range, gidMappings: range };
      const { mine } = await same({ root: { type: 'directory', path: directory }, idMappings });
      assert.ok(mine.namespaces.includes('user'));
      const maps = named({
        root: { type: 'directory', path: directory },
        idMappings,
        process: { args: ['cat', '/proc/self/uid_map', '/proc/self/gid_map'], terminal: false },
      });
      assert.equal(here((await bundleOf(maps)).command), await ours(maps));
    });

    test('has the same limits in its cgroups', async () => {
      const resources: SandboxSpec['resources'] = {
        cpu: { quota: 20_000, period: 100_000, shares: 512 },
        memory: { limit: '64M' },
        pids: { limit: 6 },
      };
      const forks = 'i=0; while [ $i -lt 9 ]; do sleep 0.3 & i=$((i+1)); done; wait';
      const spec = named({ resources, process: { args: ['sh', '-c', `${forks} 2>&1`], terminal: false, init: false } });
      const { command } = await bundleOf(spec);
      // It may end by that, the shell not having got what it asked for.
      const said = (text: string) => assert.match(text, /fork/i);
      said(here(`(\n${command}\n) 2>&1 || true`));
      const { stdout, stderr } = await helper.request(SandboxesRun, { spec });
      said(stdout + stderr);
    });

    test('joins the namespaces of a process by their paths', async () => {
      const other = spawn('unshare', ['--net', '--uts', 'sh', '-c', 'hostname joined; echo ready; exec sleep 1000']);
      try {
        await once(other.stdout, 'data');
        const of = { process: refOfProcess(other.pid!) };
        const args = ['sh', '-c', 'readlink /proc/self/ns/net; cat /proc/sys/kernel/hostname'];
        const spec = named({ namespaces: { net: of, uts: of }, process: { args, terminal: false } });
        const expected = `${fs.readlinkSync(`/proc/${other.pid}/ns/net`)}\njoined\n`;
        assert.equal(await ours(spec), expected);
        assert.equal(here((await bundleOf(spec)).command), expected);
      } finally {
        other.kill('SIGKILL');
      }
    });
  });

  test('for unshare and bwrap does run, and shows the same', async () => {
    const specs: SandboxSpec[] = [
      { root: { type: 'directory', path: directory }, dev: 'none', process: { args: ['ls', '/'] } },
      { root: { type: 'programs', programs: ['ls'] }, proc: 'none', dev: 'none', process: { args: ['ls', '/'] } },
      { namespaces: { user: 'new' }, process: { args: ['id', '-u'] } },
      { hosts: [{ address: '192.0.2.7', names: ['seven'] }], process: { args: ['readlink', '/proc/self/exe'] } },
    ];
    let compared = 0;
    for (const spec of specs) {
      const expected = await ours({ ...spec, process: { ...spec.process, terminal: false } });
      for (const { tool, command } of (await explained(spec)).equivalents) {
        if (tool === 'runc' || !has(tool)) continue;
        assert.equal(here(command), expected, `${tool}: ${command}`);
        compared += 1;
      }
    }
    assert.ok(compared >= 2);
  });

  test('for bwrap shows the same namespaces, mounts and capabilities', { skip: unlessRootHas('bwrap') }, async () => {
    const mounts: SandboxSpec['mounts'] = [{ destination: '/data', type: 'bind', source: shared }];
    const process = { args: ['sh', '-c', LOOK], terminal: false };
    const spec: SandboxSpec = { root: { type: 'directory', path: directory }, mounts: mounts ?? [], process };
    const mine = seenIn(await ours(spec));
    const bwrap = (await explained(spec)).equivalents.find(({ tool }) => tool === 'bwrap')!;
    const theirs = seenIn(here(bwrap.command));
    assert.deepEqual(theirs.namespaces, mine.namespaces);
    const capabilities = ({ credentials }: Seen) =>
      credentials.filter((line) => /^(Cap(Prm|Eff|Amb)|NoNewPrivs|Uid)/.test(line));
    assert.deepEqual(capabilities(theirs), capabilities(mine));
    const places = ({ mounts: table }: Seen) =>
      Object.keys(table)
        .filter((place) => !/^\/proc\/|^\/etc\/hosts$|^\/dev\//.test(place))
        .sort();
    assert.deepEqual(places(theirs), places(mine));
    assert.deepEqual(theirs.environment, mine.environment);
  });
});
