/**
 * What a sandbox is kept from, wherever it lies: the kernel's own files in every procfs and sysfs, the paths that a specification names, and the host's devices.
 * Files of the kernel are only opened for writing; nothing is written to one.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  SandboxesCreate,
  SandboxesExplain,
  SandboxesRemove,
  type SandboxMount,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { makeBusyboxRoot } from '../fixtures/busyboxRoot.ts';
import { clientUid, has, isHelperRoot, isRoot, unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';
import { until } from '../fixtures/until.ts';

interface Way {
  spec: SandboxSpec;
  /** Where the whole of a procfs is, or of a sysfs, or a part of one. */
  procs?: string[];
  others?: string[];
  /** Only root can make what it needs. */
  needsRoot?: boolean;
  /** Not every kernel has it. */
  needs?: string;
  /** What cannot be had in a user namespace that owns nothing of it. */
  hostOnly?: true;
}

const NO_PROC = { proc: 'none' } as const;
const WRITABLE = { type: 'host', access: 'readWrite' } as const;
/** /tmp is the sandbox's own there. */
const bind = (source: string, destination = '/tmp/bound', options = ['rw']): SandboxMount => ({
  type: 'bind',
  source,
  destination,
  options,
});
const made = (type: 'proc' | 'sysfs' | 'cgroup2', destination = '/tmp/made'): SandboxMount => ({
  type,
  destination,
  options: ['rw'],
});
const HOSTS = { procs: ['/tmp/bound/proc'], others: ['/tmp/bound/sys'] };

/** Every way by which a procfs or a sysfs comes into a sandbox. `folder` has a procfs mounted at `below/proc`. */
function ways(folder: string): Record<string, Way> {
  return {
    'its own, as by default': { spec: {}, procs: ['/proc'], others: ['/sys'] },
    'a further one that is mounted': { spec: { mounts: [made('proc')] }, procs: ['/proc', '/tmp/made'] },
    'one mounted at /proc, as the OCI specification says it': {
      spec: { ...NO_PROC, mounts: [{ type: 'proc', destination: '/proc' }] },
      procs: ['/proc'],
    },
    'two, one in a directory that the other one hides': {
      spec: { mounts: [made('proc', '/tmp/a'), { type: 'tmpfs', destination: '/tmp/b' }, made('proc', '/tmp/b/c')] },
      procs: ['/tmp/a', '/tmp/b/c'],
    },
    'its own, with lists of paths of its own': {
      spec: { maskedPaths: ['/etc/hostname'], readonlyPaths: ['/etc'] },
      procs: ['/proc'],
      others: ['/sys'],
    },
    'its own, with empty lists of paths': { spec: { maskedPaths: [], readonlyPaths: [] }, procs: ['/proc'], others: ['/sys'] },
    "the host's, in the host's root": { spec: NO_PROC, procs: ['/proc'], others: ['/sys'] },
    "the host's, in the host's root that is writable": {
      spec: { ...NO_PROC, root: WRITABLE, dev: 'none' },
      procs: ['/proc'],
      others: ['/sys'],
    },
    "the host's sysfs beside its own procfs in the host's root that is writable": {
      spec: { root: WRITABLE },
      procs: ['/proc'],
      others: ['/sys'],
    },
    "the host's, in the directory / as the root": {
      spec: { ...NO_PROC, root: { type: 'directory', path: '/', access: 'readWrite' } },
      procs: ['/proc'],
      others: ['/sys'],
    },
    "the host's, bound": { spec: { mounts: [bind('/proc')] }, procs: ['/proc', '/tmp/bound'] },
    "the host's, bound read-only": { spec: { mounts: [bind('/proc', '/tmp/bound', ['ro'])] }, procs: ['/tmp/bound'] },
    "the host's, bound as a slave": {
      spec: { mounts: [bind('/proc', '/tmp/bound', ['rw', 'rslave'])] },
      procs: ['/tmp/bound'],
    },
    "the host's, bound over its own": { spec: { mounts: [bind('/proc', '/proc')] }, procs: ['/proc'] },
    'a directory of it, bound': { spec: { mounts: [bind('/proc/sys')] }, others: ['/tmp/bound'] },
    'a directory in one of its directories, bound': { spec: { mounts: [bind('/proc/sys/kernel')] }, others: ['/tmp/bound'] },
    'a file of it, bound': { spec: { mounts: [bind('/proc/sys/kernel/core_pattern')] }, others: ['/tmp/bound'] },
    'the file that acts at once, bound': {
      spec: { mounts: [bind('/proc/sysrq-trigger')] },
      others: ['/tmp/bound'],
      needs: '/proc/sysrq-trigger',
    },
    "the host's root, bound with all that is below": { spec: { mounts: [bind('/')] }, ...HOSTS },
    'a folder that has one below, bound': {
      spec: { mounts: [bind(folder)] },
      procs: ['/tmp/bound/below/proc'],
      needsRoot: true,
    },
    'a folder above that one, bound': {
      spec: { mounts: [bind(path.dirname(folder))] },
      procs: [path.join('/tmp/bound', path.basename(folder), 'below/proc')],
      needsRoot: true,
    },
    'a root directory that has one': {
      spec: { ...NO_PROC, root: { type: 'directory', path: path.join(folder, 'below') } },
      procs: ['/proc'],
      needsRoot: true,
    },
    'the old root': { spec: { oldRoot: '/mnt' }, procs: ['/proc', '/mnt/proc'], others: ['/sys', '/mnt/sys'] },
    'below a chroot': {
      spec: { changeRoot: 'chroot', mounts: [made('proc')] },
      procs: ['/proc', '/tmp/made'],
      others: ['/sys'],
    },
    'a sysfs that is mounted writable': { spec: { mounts: [made('sysfs')] }, others: ['/tmp/made'] },
    "the host's sysfs, bound": { spec: { mounts: [bind('/sys')] }, others: ['/tmp/bound'] },
    'a directory of that, bound': { spec: { mounts: [bind('/sys/kernel')] }, others: ['/tmp/bound'] },
    "the host's cgroups, bound": { spec: { mounts: [bind('/sys/fs/cgroup')] }, others: ['/tmp/bound'] },
    "the host's cgroups, mounted": {
      spec: { namespaces: { cgroup: 'host' }, mounts: [made('cgroup2')] },
      others: ['/tmp/made'],
      hostOnly: true,
    },
  };
}

/** For the find(1) of GNU and of busybox, which write "any of these bits" differently. */
const HAS_WRITE_BIT = '"(" -perm -200 -o -perm -020 -o -perm -002 ")"';
/**
 * Prints each file that could be opened for writing: without capabilities only one that has a bit for it. Of a procfs without those of
 * processes, and of pressure stall information, which anybody may ask for.
 */
const opens = (directory: string, isProc: boolean) => {
  const but = isProc ? `-path "${directory}/[0-9]*" -prune -o -path "${directory}/pressure" -prune -o` : '';
  return `find "${directory}" ${but} -type f ${HAS_WRITE_BIT} -print 2>&- | while read -r file; do
    if { true >>"$file"; } 2>&-; then echo "opened $file"; fi; done; [ -e "${directory}" ] && echo looked`;
};
const MASKED_FILES = ['interrupts', 'kcore', 'keys', 'latency_stats', 'sched_debug', 'timer_list', 'timer_stats'];
const MASKED_FOLDERS = ['acpi', 'asound', 'scsi'];
const reads = (proc: string) => `
  for file in ${MASKED_FILES.join(' ')}; do [ -e "${proc}/$file" ] && [ -n "$(head -c 1 "${proc}/$file" 2>&- | od)" ] &&
    [ "$(head -c 1 "${proc}/$file" | wc -c)" != 0 ] && echo "read ${proc}/$file"; done
  for folder in ${MASKED_FOLDERS.join(' ')}; do [ -n "$(ls -A "${proc}/$folder" 2>&-)" ] && echo "listed ${proc}/$folder"; done; true`;

describe('a sandbox whose program is uid 0 without capabilities changes no setting of the kernel and reads nothing that is hidden, through', () => {
  const client = sandboxClient('/var/tmp/isoscope-covers-');
  const { inFolder, request, script } = client;
  let place: string;
  const folder = () => path.join(place, 'folder');
  before(() => {
    place = fs.mkdtempSync('/var/tmp/isoscope-procfs-');
    fs.chmodSync(place, 0o755);
    if (!isRoot) return;
    const below = makeBusyboxRoot(path.join(folder(), 'below'), ['proc', 'dev'], clientUid);
    for (const applet of ['find', 'head', 'od', 'wc']) fs.symlinkSync('busybox', path.join(below, 'bin', applet));
    execFileSync('mount', ['-t', 'proc', 'proc', path.join(below, 'proc')]);
  });
  after(() => {
    // Nothing is removed recursively while that is mounted.
    if (isRoot) execFileSync('umount', [path.join(folder(), 'below/proc')]);
    fs.rmSync(place, { recursive: true });
  });

  const users = isHelperRoot ? (['host', 'new'] as const) : (['new'] as const);
  for (const [name, { needsRoot, needs = '/proc', hostOnly }] of Object.entries(ways('/folder'))) {
    const skip = (needsRoot && unlessRootHas('mount', 'umount')) || (!fs.existsSync(needs) && `this kernel has no ${needs}`);
    for (const user of users) {
      if (hostOnly && user !== 'host') continue;
      const where = user === 'host' ? '' : ', in a user namespace of its own';
      test(`${name}${where}`, { skip }, async () => {
        const { spec, procs = [], others = [] } = ways(folder())[name]!;
        const text = [
          ...procs.flatMap((proc) => [opens(proc, true), reads(proc)]),
          ...others.map((directory) => opens(directory, false)),
        ].join('\n');
        const { stdout, stderr } = await script({ ...spec, namespaces: { user, ...spec.namespaces } }, text);
        assert.equal(stdout, 'looked\n'.repeat(procs.length + others.length), stderr);
      });
    }
  }

  test('which is told where something was asked to be writable', async () => {
    const { notes } = await request(SandboxesExplain, { spec: { mounts: [bind('/sys', '/tmp/s')] } });
    const told = notes.filter((note) => note.startsWith('Read-only, though'));
    assert.match(told.join('\n'), /^Read-only[^\n]* \/tmp\/s,[^\n]*$/);
    const { notes: ofDefault } = await request(SandboxesExplain, { spec: {} });
    assert.ok(!ofDefault.some((note) => note.startsWith('Read-only, though')));
  });

  test('but where it was asked for by name, which is told', { skip: unlessHelperIsRoot }, async () => {
    const open: SandboxSpec = { systemPaths: 'unmasked', mounts: [made('proc'), bind('/proc'), made('sysfs', '/tmp/sys')] };
    const files = ['/proc', '/tmp/made', '/tmp/bound'].map((proc) => `${proc}/sys/kernel/core_pattern`);
    const { stdout } = await script(open, files.map((file) => opens(file, false)).join('\n'));
    assert.equal(stdout, files.map((file) => `opened ${file}\nlooked\n`).join(''));
    const { notes } = await request(SandboxesExplain, { spec: open });
    assert.match(notes.join('\n'), /^Nothing in \/proc and \/sys is hidden/m);
  });

  test('a bind of what is hidden, which is refused', async () => {
    for (const source of ['/proc/kcore', '/proc/acpi', '/sys/firmware'].filter((file) => fs.existsSync(file))) {
      const refused = await refusalOf(request(SandboxesExplain, { spec: { mounts: [bind(source)] } }), 'invalid');
      assert.match(refused.data?.hint ?? '', /systemPaths/, source);
    }
  });

  test('a shared mount, whose covers would appear on the host', {
    skip: unlessHelperIsRoot || unlessRootHas('mount', 'umount'),
  }, async () => {
    const shared = inFolder('shared');
    fs.mkdirSync(shared);
    execFileSync('mount', ['-t', 'tmpfs', 'none', shared]);
    execFileSync('mount', ['--make-shared', shared]);
    try {
      fs.mkdirSync(path.join(shared, 'proc'));
      const mount = bind(shared, '/tmp/shared', ['rw', 'rshared']);
      const refusal = (spec: SandboxSpec) =>
        refusalOf(request(SandboxesExplain, { spec: { mounts: [mount], ...spec } }), 'invalid');
      assert.match((await refusal({ maskedPaths: ['/tmp/shared/proc'] })).message, /on the host, too/);
      assert.match((await refusal({ readonlyPaths: ['/tmp/shared'] })).message, /on the host, too/);
      execFileSync('mount', ['-t', 'proc', 'proc', path.join(shared, 'proc')]);
      assert.match((await refusal({})).message, /on the host, too/);
    } finally {
      execFileSync('umount', ['-R', shared]);
    }
  });
});

describe('a path that is to be hidden or read-only is so wherever it lies:', () => {
  const client = sandboxClient('/var/tmp/isoscope-paths-');
  const { inFolder, request, script, rootDirectory } = client;
  const KEY = 'data/.ssh/key';
  const PATHS: SandboxSpec = {
    maskedPaths: ['/data/.ssh', '/data/file', '/data/link', '/data/up'],
    readonlyPaths: ['/data/fixed'],
  };
  const LOOK = `cat /data/.ssh/key /data/file /data/target /data/outside; ls -A /data/.ssh; cat /data/link
    touch /data/fixed/made && echo made; touch /data/made && echo writable`;

  /** A folder with what is to be hidden: a directory, a file, a link to a file, and a link that means another place inside. */
  function fill(root: string): string {
    fs.mkdirSync(path.join(root, 'data/.ssh'), { recursive: true });
    fs.mkdirSync(path.join(root, 'data/fixed'));
    fs.writeFileSync(path.join(root, KEY), 'secret');
    for (const name of ['file', 'target', 'outside']) fs.writeFileSync(path.join(root, 'data', name), 'secret');
    fs.symlinkSync('target', path.join(root, 'data/link'));
    fs.symlinkSync('../../../../data/outside', path.join(root, 'data/up'));
    // Files whose owner is nobody inside cannot be changed there.
    if (clientUid !== undefined) execFileSync('chown', ['-R', `${clientUid}:${clientUid}`, root]);
    return root;
  }

  const root = (name: string): string => fill(rootDirectory(name));
  const mounts = (name: string): SandboxMount[] => [bind(path.join(root(name), 'data'), '/data')];
  const WHERE: Record<string, () => SandboxSpec> = {
    'in a root directory': () => ({ root: { type: 'directory', path: root('directory') } }),
    'in an overlay': () => ({ root: { type: 'directory', path: root('overlay'), access: 'overlay' } }),
    'in a mount over a root directory': () => ({
      root: { type: 'directory', path: rootDirectory('over', ['proc', 'dev', 'tmp', 'data']) },
      mounts: mounts('mount'),
    }),
    'in a mount of a root of programs': () => ({
      root: { type: 'programs', programs: ['sh', 'cat', 'ls', 'touch'] },
      mounts: mounts('programs'),
    }),
    'in a tmpfs that was mounted below another mount': () => ({
      root: { type: 'programs', programs: ['sh', 'cat', 'ls', 'touch'] },
      mounts: [{ type: 'tmpfs', destination: '/data', options: ['mode=755'] }, ...mounts('deep')],
    }),
    'in an image that is a tar': () => {
      const file = inFolder('image.tar');
      execFileSync('tar', ['-C', root('tar'), '-cf', file, '.']);
      return { root: { type: 'image', image: { format: 'tar', path: file } } };
    },
  };
  for (const [where, spec] of Object.entries(WHERE)) {
    test(where, { skip: !has('tar') && 'tar is not installed' }, async () => {
      const { stdout, stderr } = await script({ ...spec(), ...PATHS }, LOOK);
      assert.equal(stdout, 'writable\n', stderr);
      assert.match(stderr, /fixed\/made.*Read-only file system/);
    });
  }

  test('also a program of a root of programs, and a directory above it', async () => {
    const spec: SandboxSpec = { root: { type: 'programs', programs: ['sh', 'cat', 'ls'] } };
    const { stdout: real } = await script(spec, 'command -v cat');
    const { stderr } = await script({ ...spec, maskedPaths: [real.trim()] }, 'cat /proc/self/status');
    assert.match(stderr, /cat.*(Permission denied|not found|Exec format)/i);
    const { stdout } = await script({ ...spec, maskedPaths: ['/proc/sys', '/etc'] }, 'ls -A /proc/sys; echo end');
    assert.equal(stdout, 'end\n');
  });

  test('what is not there is told of the sandbox, and nothing else is', async () => {
    const spec: SandboxSpec = {
      root: { type: 'directory', path: root('lacking') },
      ...PATHS,
      maskedPaths: ['/data/.ssh', '/no/such', '/data/file/below'],
      readonlyPaths: ['/nowhere'],
      process: { args: ['sleep', '1000'], terminal: false },
    };
    const { sandbox } = await request(SandboxesCreate, { spec });
    try {
      await until(() => sandbox.notes.length > 0, 'it has notes');
      const lacking = sandbox.notes.filter((note) => note.startsWith('There is no'));
      assert.deepEqual(
        lacking.map((note) => note.split(' ')[3]),
        ['/nowhere', '/no/such', '/data/file/below'],
      );
    } finally {
      await request(SandboxesRemove, { sandbox: sandbox.id });
    }
  });

  test('what would be the root itself, or is above it, is refused', async () => {
    for (const list of ['maskedPaths', 'readonlyPaths'] as const) {
      for (const place of ['/', '//.', '/data/..'])
        await refusalOf(request(SandboxesExplain, { spec: { [list]: [place] } }), 'invalid');
    }
  });
});

describe('a device of the host stays as it is', { skip: unlessHelperIsRoot }, () => {
  const client = sandboxClient('/var/tmp/isoscope-devices-');
  const { request, script } = client;
  const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => `/dev/${name}`);
  // The mode that it has: where that could be set, any could.
  const CHANGE = (files: string[]) =>
    `for file in ${files.join(' ')}; do chmod "$(stat -L -c %a $file)" $file && echo "changed $file"; done; echo >/dev/null && echo works`;

  for (const user of ['host', 'new'] as const) {
    for (const [name, spec, prefix] of [
      ["the host's /dev", { dev: 'host' }, '/dev'],
      ['nodes that are bound', { mounts: DEVICES.map((file) => bind(file, `/tmp${file}`, ['rw', 'dev'])) }, '/tmp/dev'],
      ["the host's /dev that is bound", { mounts: [bind('/dev', '/tmp/dev', ['rw', 'dev'])] }, '/tmp/dev'],
      ["the host's root that is bound", { mounts: [bind('/', '/tmp/root', ['rw', 'dev'])] }, '/tmp/root/dev'],
      ['the old root', { oldRoot: '/mnt' }, '/mnt/dev'],
      ["the host's root that is writable", { root: WRITABLE, dev: 'none' }, '/dev'],
    ] as [string, SandboxSpec, string][]) {
      test(`though a program has ${name}${user === 'host' ? '' : ', in a user namespace of its own'}`, async () => {
        const files = DEVICES.map((file) => file.replace('/dev', prefix));
        const { stdout } = await script({ ...spec, namespaces: { user } }, CHANGE(files));
        assert.doesNotMatch(stdout, /changed/);
        if (name === "the host's /dev" || name.startsWith('nodes')) assert.match(stdout, /works/);
      });
    }
  }

  test('for those of a sandbox are its own, and work', async () => {
    const text = `for file in ${DEVICES.join(' ')}; do stat -c '%d:%i' $file; chmod 666 $file || echo kept; done
      echo lost >/dev/null; head -c 2 /dev/zero | wc -c; [ -c /dev/tty ] && echo tty`;
    const lines = (await script({}, text)).stdout.trim().split('\n');
    assert.deepEqual(lines.slice(DEVICES.length), ['2', 'tty']);
    for (const [index, file] of DEVICES.entries()) {
      const { dev, ino } = fs.statSync(file);
      assert.notEqual(lines[index], `${dev}:${ino}`, file);
    }
    const { stdout } = await script(
      { process: { user: { uid: 1234 } } },
      'echo lost >/dev/null && head -c 2 /dev/urandom | wc -c',
    );
    assert.equal(stdout, '2\n');
  });

  test('also what a program without a terminal has as its input and outputs', async () => {
    const text =
      'for fd in 0 1 2; do chmod "$(stat -L -c %a /proc/$$/fd/$fd)" /proc/self/fd/$fd && touch /tmp/changed; done; touch /tmp/end; sleep 1000';
    const spec: SandboxSpec = { persistent: true, process: { args: ['sh', '-c', text] } };
    const { sandbox } = await request(SandboxesCreate, { spec });
    try {
      const folder = `/proc/${sandbox.process!.pid}/root/tmp`;
      await until(() => fs.existsSync(path.join(folder, 'end')), 'it has tried');
      assert.deepEqual(fs.readdirSync(folder), ['end']);
    } finally {
      await request(SandboxesRemove, { sandbox: sandbox.id });
    }
  });
});
