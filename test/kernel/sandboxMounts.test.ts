/** The types of mounts of a sandbox and how they propagate, from inside and from the host. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import {
  SandboxesCreate,
  SandboxesExplain,
  SandboxesRemove,
  SandboxesRun,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { isHelperRoot, isRoot, testUid, unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

const HAS_CGROUP2 = fs.readFileSync('/proc/filesystems', 'utf8').includes('cgroup2');
type Mounts = NonNullable<SandboxSpec['mounts']>;

describe('a mount of a sandbox', () => {
  const client = sandboxClient('/var/tmp/isoscope-mounts-');
  const { request, inFolder, output, rootDirectory } = client;

  test('is made in the order that is given, with its options, inside the root', async () => {
    const shared = inFolder('shared');
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

  test('of sysfs shows the interfaces of its own network, is read-only, and what is dangerous in it is covered', async () => {
    const script =
      'ls /sys/class/net; grep " / /sys ro" /proc/self/mountinfo | tail -1; ls /sys/firmware | wc -l; echo 1 2>&1 >/sys/x || true';
    const text = await output({ mounts: [{ destination: '/sys', type: 'sysfs' }] }, script);
    assert.match(text, /^lo\n\S+ \S+ \S+ \/ \/sys ro,nosuid,nodev,noexec\S* .*- sysfs /);
    assert.match(text, /\n0\n.*(Read-only|Permission|Directory|nonexistent)/);
  });

  test('of mqueue is empty, and its own', async () => {
    const text = await output(
      { mounts: [{ destination: '/dev/mqueue', type: 'mqueue' }] },
      'ls -A /dev/mqueue; touch /dev/mqueue/queue; ls /dev/mqueue; grep -o " /dev/mqueue rw,nosuid,nodev,noexec" /proc/self/mountinfo',
    );
    assert.equal(text, 'queue\n /dev/mqueue rw,nosuid,nodev,noexec\n');
  });

  test('of cgroup2 has its own cgroup as the root, and cannot be written', { skip: !HAS_CGROUP2 && 'no cgroup2' }, async () => {
    const script = 'cat /mnt/cgroup.procs | wc -l; mkdir /mnt/made 2>&1 || true; grep -o " / /mnt ro" /proc/self/mountinfo';
    const text = await output({ mounts: [{ destination: '/mnt', type: 'cgroup2' }], dev: 'minimal' }, script);
    assert.match(text, /Read-only file system/);
    // What is above it is not there: the root that is mounted is that of the cgroup namespace.
    assert.match(text, / \/ \/mnt ro\n$/);
  });

  test('of overlay puts layers on each other, with a place for changes or without', async () => {
    for (const name of ['lower', 'middle', 'upper', 'work']) {
      fs.mkdirSync(inFolder(name), { mode: 0o777 });
      fs.chmodSync(inFolder(name), 0o777);
    }
    fs.writeFileSync(inFolder('lower/file'), 'lower');
    fs.writeFileSync(inFolder('lower/only'), 'only');
    fs.writeFileSync(inFolder('middle/file'), 'middle');
    // Files whose owner is nobody inside cannot be changed there.
    const owner = testUid ?? 0;
    for (const file of ['lower', 'middle', 'middle/file', 'upper', 'work'])
      if (isRoot) fs.chownSync(inFolder(file), owner, owner);
    const layers = `lowerdir=${client.folder}/middle:${client.folder}/lower`;
    const root = { type: 'host' } as const;
    const over = (...options: string[]): Mounts => [{ destination: '/mnt', type: 'overlay', options: [layers, ...options] }];
    const script =
      'cat /mnt/file /mnt/only; echo; (echo new >/mnt/file) 2>&1; cat /mnt/file; grep -o " /mnt [^ ]*" /proc/self/mountinfo';
    const fixed = await output({ root, mounts: over('ro') }, script);
    assert.match(fixed, /^middleonly\n.*Read-only file system\nmiddle \/mnt ro,/);
    const upper = [`upperdir=${client.folder}/upper`, `workdir=${client.folder}/work`];
    assert.match(await output({ root, mounts: over(...upper) }, script), /^middleonly\nnew\n \/mnt rw,nodev/);
    assert.equal(fs.readFileSync(inFolder('upper/file'), 'utf8'), 'new\n');
    assert.equal(fs.readFileSync(inFolder('middle/file'), 'utf8'), 'middle');
  });

  test('takes the mounts below its source along, and makes them read-only, too', {
    skip: unlessRootHas('mount', 'umount'),
  }, async () => {
    const source = inFolder('recursive');
    fs.mkdirSync(path.join(source, 'below'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=1777', 'none', path.join(source, 'below')]);
    try {
      const mounts: Mounts = [{ destination: '/mnt', type: 'bind', source }];
      await using fresh = await startHelper();
      const args = ['sh', '-c', 'touch /mnt/below/made 2>&1; grep -o " /mnt/below ro" /proc/self/mountinfo'];
      const { stdout } = await fresh.request(SandboxesRun, { spec: { mounts, process: { args } } });
      assert.match(stdout, /Read-only file system\n \/mnt\/below ro\n$/);
    } finally {
      execFileSync('umount', [path.join(source, 'below')]);
    }
  });

  describe('from the host', { skip: unlessHelperIsRoot || unlessRootHas('mount', 'umount') }, () => {
    let peer: string;
    before(() => {
      peer = inFolder('peer');
      fs.mkdirSync(peer);
      execFileSync('mount', ['-t', 'tmpfs', 'none', peer]);
      execFileSync('mount', ['--make-shared', peer]);
      for (const name of ['inside', 'outside']) fs.mkdirSync(path.join(peer, name));
    });
    after(() => {
      execFileSync('umount', ['-R', '-l', peer]);
    });

    const onHost = () => fs.readFileSync('/proc/self/mountinfo', 'utf8');

    /** Mounts inside below the source and on the host below it, and tells who sees which. */
    async function exchange(option: string): Promise<{ insideSeesHosts: boolean; hostSeesInsides: boolean }> {
      const spec: SandboxSpec = {
        mounts: [{ destination: '/mnt', type: 'bind', source: peer, options: ['rw', option] }],
        process: { args: ['sleep', '1000'], terminal: false, capabilities: ['CAP_SYS_ADMIN'] },
      };
      const { sandbox } = await request(SandboxesCreate, { spec });
      const inside = async (...command: string[]) => {
        const { stdout, stderr, exit } = await request(ProgramsRun, { sandbox: sandbox.id, command });
        assert.equal(exit.code, 0, stderr);
        return stdout;
      };
      execFileSync('mount', ['-t', 'tmpfs', 'none', path.join(peer, 'outside')]);
      try {
        await inside('mount', '-t', 'tmpfs', 'none', '/mnt/inside');
        const hostSeesInsides = onHost().includes(`${peer}/inside `);
        const insideSeesHosts = (await inside('cat', '/proc/self/mountinfo')).includes(' /mnt/outside ');
        return { insideSeesHosts, hostSeesInsides };
      } finally {
        execFileSync('umount', [path.join(peer, 'outside')]);
        if (onHost().includes(`${peer}/inside `)) execFileSync('umount', [path.join(peer, 'inside')]);
        await request(SandboxesRemove, { sandbox: sandbox.id });
      }
    }

    test('that is private, as by default, neither follows the host nor is followed', async () => {
      assert.deepEqual(await exchange('rprivate'), { insideSeesHosts: false, hostSeesInsides: false });
    });

    test('that is a slave follows the host, and is not followed', async () => {
      assert.deepEqual(await exchange('rslave'), { insideSeesHosts: true, hostSeesInsides: false });
    });

    test('that is shared follows and is followed, and that is said', async () => {
      assert.deepEqual(await exchange('rshared'), { insideSeesHosts: true, hostSeesInsides: true });
      const mounts: Mounts = [{ destination: '/mnt', type: 'bind', source: peer, options: ['shared'] }];
      const { notes } = await request(SandboxesExplain, { spec: { mounts } });
      assert.ok(notes.some((note) => note.includes('is mounted on the host, too')));
    });

    test('that is to be shared is refused where that would not be so', async () => {
      const of = (source: string): Mounts => [{ destination: '/mnt', type: 'bind', source, options: ['rshared'] }];
      execFileSync('mount', ['-t', 'tmpfs', 'none', path.join(peer, 'outside')]);
      execFileSync('mount', ['--make-private', path.join(peer, 'outside')]);
      try {
        const explain = (spec: SandboxSpec) => request(SandboxesExplain, { spec });
        const alone = await refusalOf(explain({ mounts: of(path.join(peer, 'outside')) }), 'invalid');
        assert.match(alone.message, /not a shared mount/);
        const apart = await refusalOf(explain({ namespaces: { user: 'new' }, mounts: of(peer) }), 'invalid');
        assert.match(apart.message, /new user namespace/);
      } finally {
        execFileSync('umount', [path.join(peer, 'outside')]);
      }
    });
  });

  test('behind directories that its ids do not reach is taken by root for it', { skip: unlessHelperIsRoot }, async () => {
    const closed = inFolder('closed');
    fs.mkdirSync(path.join(closed, 'shared'), { recursive: true });
    fs.writeFileSync(path.join(closed, 'shared/file'), 'through');
    fs.chmodSync(closed, 0o700);
    const range = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    const idMappings = { uidMappings: range, gidMappings: range };
    const mounts: Mounts = [{ destination: '/mnt', type: 'bind', source: path.join(closed, 'shared') }];
    assert.equal(await output({ idMappings, mounts }, 'cat /mnt/file'), 'through');
    const root = path.join(closed, 'root');
    fs.mkdirSync(path.join(root, 'bin'), { recursive: true });
    for (const name of ['proc', 'dev']) fs.mkdirSync(path.join(root, name));
    fs.copyFileSync('/bin/busybox', path.join(root, 'bin/busybox'));
    for (const access of ['readOnly', 'overlay'] as const) {
      const { stdout } = await request(SandboxesRun, {
        spec: {
          idMappings,
          root: { type: 'directory', path: root, access },
          process: { args: ['/bin/busybox', 'ls', '/bin'] },
        },
      });
      assert.equal(stdout, 'busybox\n', access);
    }
  });

  test('of files that a person may not read stays closed', {
    skip: (isHelperRoot || !isRoot) && 'the helper is root',
  }, async () => {
    const closed = inFolder('others');
    fs.mkdirSync(path.join(closed, 'shared'), { recursive: true });
    fs.chmodSync(closed, 0o700);
    const mounts: Mounts = [{ destination: '/mnt', type: 'bind', source: path.join(closed, 'shared') }];
    await assert.rejects(output({ mounts }, 'true'), /EACCES/);
  });
});
