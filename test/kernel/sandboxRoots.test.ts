/** The files of a sandbox: what its root is made of, how it got there, and its /etc/hosts. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { firstChoices } from '../../extension/programs/firstChoices.ts';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import { SandboxesExplain, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { clientUid, isHelperRoot, unlessHas, unlessHelperIsRoot } from '../fixtures/environment.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

const NEEDS_PYTHON = unlessHas('python3');

describe('the files of a sandbox', () => {
  const { request, inFolder, run, output, refused, rootDirectory } = sandboxClient(path.join(os.tmpdir(), 'isoscope-roots-'));

  describe('root', () => {
    test('what is proposed at first in a new namespace starts for the user who is asked', async () => {
      const { kinds, root } = firstChoices(!isHelperRoot);
      const own: NamespaceKind[] = isHelperRoot ? kinds : [...kinds, 'user'];
      const namespaces = Object.fromEntries(NAMESPACE_KINDS.map((kind) => [kind, own.includes(kind) ? 'new' : 'host']));
      assert.equal(await output({ root, namespaces }, 'echo $$'), '2\n');
    });

    test('an empty tmpfs has the size asked for, and says what is missing in it', async () => {
      const refusal = await refused({ root: { type: 'tmpfs', size: '1G' }, process: { args: ['ls'] } }, 'notFound');
      assert.match(refusal.message, /^ls: not found.*empty tmpfs/);
      assert.match(refusal.data?.hint ?? '', /root "programs" and name ls/);
      const { steps } = await request(SandboxesExplain, {
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
      const upper = inFolder('changes');
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
        if (clientUid !== undefined) fs.chownSync(path.join(root, made), clientUid, clientUid);
      }
      const upper = fs.mkdtempSync(inFolder('deleted-'));
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

    test('of the host’s root under an overlay nothing below is reached', { skip: unlessHelperIsRoot }, async () => {
      const marker = `isoscope-overlay-${process.pid}`;
      const text = await output({ root: { type: 'host', access: 'overlay' } }, `touch /${marker}; ls /; ls -di / /..; ls /..`);
      assert.equal(text.split(marker).length, 3);
      assert.ok(!fs.existsSync(`/${marker}`));
    });

    test('the old root is where it was asked for, and nowhere otherwise', async () => {
      const root = rootDirectory('kept');
      const spec: SandboxSpec = { root: { type: 'directory', path: root }, oldRoot: '/old' };
      assert.match(await output(spec, 'ls /old/etc/passwd'), /passwd/);
      const { notes } = await request(SandboxesExplain, { spec });
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
        const { notes } = await request(SandboxesExplain, { spec: withPython(changeRoot) });
        return notes.some((note) => note.startsWith('chroot changes only where paths begin'));
      };
      assert.deepEqual([await says('chroot'), await says('pivot_root')], [true, false]);
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

  test('a root of programs that is just full is refused, with what to do', async () => {
    const program = 'bash';
    const spec: SandboxSpec = {
      root: { type: 'programs', programs: [program], files: 'copy', size: '100K' },
      process: { args: [program] },
    };
    const { message, data } = await refused(spec, 'busy');
    assert.match(message, /no room left/);
    assert.match(data?.hint ?? '', /root\.size/);
  });
});
