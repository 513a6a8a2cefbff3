/**
 * What the tests of bubblewrap (tests/test-run.sh) and of runc (tests/integration) make sure of, restated as what one can rely on here. What they have
 * that is not below is in the tests of its own subject: id-mapped mounts, propagation, cgroups, capabilities, images, safety.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ProgramsRun, TerminalsOpen } from '../../helper/protocol/programs.ts';
import { SandboxesCreate, SandboxesExplain, SandboxesRemove, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { clientUid, has, isHelperRoot, isRoot, unlessHas, unlessHelperIsRoot } from '../fixtures/environment.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';
import { attachScreen } from '../fixtures/screen.ts';

const NEEDS_ORDINARY_HELPER = (isHelperRoot || !isRoot) && 'the helper is root';
const NEEDS_PYTHON = unlessHas('python3');
const ENXIO = 6;
const ENOSYS = 38;

describe('like its peers, a sandbox', () => {
  const client = sandboxClient('/var/tmp/isoscope-peers-');
  const { request, inFolder, run, script, output } = client;
  /** With directories in it that belong to the helper's user, too. */
  const rootDirectory = (name: string, ...directories: string[]): string => {
    const root = client.rootDirectory(name, ['proc', 'dev', ...directories]);
    if (clientUid !== undefined) for (const one of directories) fs.chownSync(path.join(root, one), clientUid, clientUid);
    return root;
  };
  const ofDirectory = (root: string, more: SandboxSpec = {}): SandboxSpec => ({
    root: { type: 'directory', path: root },
    ...more,
  });

  describe('mounts', () => {
    test('on a destination that is a link to a directory inside where that leads', async () => {
      const root = rootDirectory('linked', 'dir');
      fs.symlinkSync('dir', path.join(root, 'link'));
      const mounts: SandboxSpec['mounts'] = [{ destination: '/link', type: 'bind', source: '/etc' }];
      assert.equal(await output(ofDirectory(root, { mounts: mounts ?? [] }), 'ls /dir/passwd'), '/dir/passwd\n');
    });

    test('through dangling links of the root, whose targets are made inside', async () => {
      const root = rootDirectory('dangling');
      fs.symlinkSync('/missing/directory', path.join(root, 'link'));
      fs.symlinkSync('../../../other', path.join(root, 'up'));
      const file = inFolder('source-of-dangling');
      fs.writeFileSync(file, 'content');
      const mounts: SandboxSpec['mounts'] = [
        { destination: '/link/sub/file', type: 'bind', source: file },
        { destination: '/up', type: 'tmpfs' },
      ];
      const text = await output(
        ofDirectory(root, { mounts: mounts ?? [] }),
        'cat /missing/directory/sub/file; cat /proc/self/mountinfo',
      );
      assert.match(text, /^content/);
      assert.match(text, / \/other rw/);
      assert.ok(!fs.existsSync(inFolder('other')) && !fs.existsSync('/other'));
    });

    test('in their order, each seeing what those before it brought', async () => {
      const sources = ['a/x', 'b/y', 'c/z'];
      for (const source of sources) {
        fs.mkdirSync(inFolder(`order/${source}`), { recursive: true });
        fs.writeFileSync(inFolder(`order/${source}/file`), source);
      }
      const at = (destination: string, name: string) =>
        ({ destination, type: 'bind', source: inFolder(`order/${name}`) }) as const;
      const mounts = [at('/mnt', 'a'), at('/mnt/x', 'b'), at('/mnt/x/y', 'c'), at('/mnt/x/y/z', 'a')];
      const root = rootDirectory('order-root', 'mnt');
      assert.equal(await output(ofDirectory(root, { mounts }), 'cat /mnt/x/y/z/x/file'), 'a/x');
    });

    test('what it makes a place for with directories of mode 0755 and files that only their owner may write', async () => {
      const root = rootDirectory('places');
      fs.writeFileSync(inFolder('placed'), '');
      const mounts: SandboxSpec['mounts'] = [
        { destination: '/made/directory', type: 'bind', source: client.folder },
        { destination: '/made/file', type: 'bind', source: inFolder('placed') },
      ];
      await output(ofDirectory(root, { mounts: mounts ?? [] }), 'true');
      const mode = (name: string) => fs.statSync(path.join(root, name)).mode & 0o777;
      assert.deepEqual([mode('made'), mode('made/directory'), mode('made/file')], [0o755, 0o755, 0o644]);
    });

    test('a socket over a socket', async () => {
      const root = rootDirectory('sockets', 'run');
      const listen = async (file: string) => {
        const server = net.createServer().listen(file);
        await once(server, 'listening');
        return server;
      };
      const servers = [await listen(inFolder('s')), await listen(path.join(root, 'run/s'))];
      try {
        const mounts: SandboxSpec['mounts'] = [{ destination: '/run/s', type: 'bind', source: inFolder('s') }];
        const inode = await output(ofDirectory(root, { mounts: mounts ?? [] }), 'stat -c %i /run/s');
        assert.equal(Number(inode), fs.statSync(inFolder('s')).ino);
      } finally {
        for (const server of servers) server.close();
      }
    });

    test('a tmpfs with the mode and size that are given, and refuses sizes that are none', async () => {
      const of = (...options: string[]): SandboxSpec => ({ mounts: [{ destination: '/mnt', type: 'tmpfs', options }] });
      assert.equal(
        await output(of('mode=0710', 'size=1M'), 'stat -c %a /mnt; df -k /mnt | grep -o " 1024 " | head -1'),
        '710\n 1024 \n',
      );
      assert.equal(await output(of(), 'stat -c %a /mnt'), '1777\n');
      assert.match((await script(of('ro'), 'touch /mnt/x')).stderr, /Read-only/);
      for (const size of ['0', '0K', '123bogus', '', '-12345678', ' -1', '18446744073709551616', '101%']) {
        const mounted = await refusalOf(run({ ...of(`size=${size}`), process: { args: ['true'] } }), 'invalid');
        assert.match(mounted.message, /size/, size);
        await refusalOf(run({ root: { type: 'tmpfs', size }, process: { args: ['true'] } }), 'invalid');
      }
    });

    test('nothing that was used in making it: neither an old root nor a place for layers', async () => {
      const text = await output(
        { root: { type: 'host', access: 'readOnly' }, hosts: [] },
        'cat /proc/self/mountinfo; ls -d /oldroot /newroot 2>&1 || true',
      );
      assert.doesNotMatch(text, /changes|image\/|lower0/);
      // Each mount but the root has its parent in the table: none is of another tree.
      const rows = text
        .split('\n')
        .filter((line) => / - /.test(line))
        .map((line) => line.split(' '));
      const ids = new Set(rows.map(([id]) => id));
      assert.equal(rows.filter(([, parent]) => !ids.has(parent)).length, 1);
    });
  });

  describe('covers', () => {
    const masked = (name: string, more: SandboxSpec = {}): SandboxSpec => {
      const root = rootDirectory(name, 'secrets');
      fs.writeFileSync(path.join(root, 'secret'), 'Forbidden');
      fs.writeFileSync(path.join(root, 'secrets/secret'), 'Forbidden');
      return ofDirectory(root, { maskedPaths: ['/secret', '/secrets', '/secret', '/secrets', '/not/there'], ...more });
    };

    test('a file and a directory, each once, so that nothing of them is read, written, removed or uncovered', async () => {
      const text = `cat /secret; ls -A /secrets; cat /secrets/secret; touch /secrets/x; echo x >/secret && cat /secret
        rm -f /secret; rm -rf /secrets; umount /secret; umount /secrets; grep -c " /secrets\\? " /proc/self/mountinfo`;
      for (const access of ['readWrite', 'readOnly'] as const) {
        const spec = masked(`masked-${access}`);
        const { stdout, stderr } = await script(
          { ...spec, root: { ...spec.root!, access } as SandboxSpec['root'] & object },
          text,
        );
        assert.doesNotMatch(stdout, /Forbidden/);
        assert.match(stdout, /2\n$/, 'each is covered once');
        assert.match(stderr, /Read-only file system/);
      }
    });

    test('what is read-only with all that is mounted below it', async () => {
      const root = rootDirectory('fixed', 'data');
      const spec = ofDirectory(root, {
        mounts: [{ destination: '/data/below', type: 'tmpfs' }],
        readonlyPaths: ['/data'],
      });
      const { stderr } = await script(spec, 'touch /data/x; touch /data/below/x');
      assert.equal(stderr.match(/Read-only file system/g)?.length, 2);
    });

    test('/proc so well that no new one shows more, even in a user namespace of its own', {
      skip: !has('unshare') && 'no unshare',
    }, async () => {
      const text = 'unshare -mrpf sh -c "mount -t proc none /proc && echo h >/proc/sysrq-trigger && echo shown" 2>&1; echo end';
      const { stdout } = await script({ seccomp: 'unconfined' }, text);
      assert.match(stdout, /end\n$/);
      assert.doesNotMatch(stdout, /shown/);
    });
  });

  describe('gives its program', () => {
    test('no file that the user could not read', { skip: NEEDS_ORDINARY_HELPER }, async () => {
      const secret = inFolder('unreadable');
      fs.writeFileSync(secret, 'secret', { mode: 0o600 });
      const mounts: SandboxSpec['mounts'] = [{ destination: '/tmp/file', type: 'bind', source: secret }];
      const { stdout } = await script(
        { mounts: mounts ?? [], process: { capabilities: ['CAP_DAC_OVERRIDE'] } },
        `cat ${secret} /tmp/file`,
      );
      assert.equal(stdout, '');
    });

    test('no way to make a user namespace, unless the seccomp filter is taken away', {
      skip: !has('unshare') && 'no unshare',
    }, async () => {
      assert.match((await script({}, 'unshare -U true')).stderr, /not permitted/);
      assert.match((await script({ namespaces: { user: 'new' } }, 'unshare -U true')).stderr, /not permitted/);
    });

    test('its own arguments, though its name begins with a dash', async () => {
      const bin = inFolder('dashes');
      fs.mkdirSync(bin);
      fs.writeFileSync(path.join(bin, '--dash'), '#!/bin/sh\necho "$#" "$@"\n', { mode: 0o755 });
      const root = { type: 'host', access: 'readWrite' } as const;
      const process = { args: ['--dash', '--bind', '/', '$(id)'], env: { PATH: `${bin}:/usr/bin:/bin` } };
      assert.equal((await run({ root, process })).stdout, '3 --bind / $(id)\n');
    });

    test('the environment that is given and no other, with HOME unless it is given, newlines and empty values too', async () => {
      const env = { A: 'one\ntwo', EMPTY: '', HOME: '/somewhere' };
      const { stdout } = await run({ process: { args: ['env'], env } });
      const seen = stdout.trim().split('\n').sort();
      assert.deepEqual(seen, [
        'A=one',
        'EMPTY=',
        'HOME=/somewhere',
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'two',
      ]);
      assert.match((await run({ process: { args: ['env'] } })).stdout, /^HOME=\/root$/m);
    });

    test('the working directory that is given, and refuses one that is lacking or closed to its user', async () => {
      assert.equal(await output({ process: { cwd: '/usr/bin' } }, 'pwd'), '/usr/bin\n');
      const lacking = await refusalOf(run({ process: { args: ['true'], cwd: '/no/such' } }), 'notFound');
      assert.match(lacking.message, /\/no\/such/);
      if (!isHelperRoot) return;
      const root = { type: 'host', access: 'readWrite' } as const;
      const closed = inFolder('closed-cwd');
      fs.mkdirSync(closed, { mode: 0o700 });
      const refused = await refusalOf(run({ root, process: { args: ['true'], cwd: closed, user: { uid: 42 } } }), 'permission');
      assert.match(refused.message, /cannot be used in the sandbox: EACCES/);
    });

    test('a session keyring of its own', { skip: NEEDS_PYTHON }, async () => {
      // keyctl(2) is refused by the filter, /proc/keys covered: both taken away.
      const spec: SandboxSpec = { seccomp: 'unconfined', maskedPaths: [] };
      const ask = 'import ctypes; print(ctypes.CDLL(None).syscall(250, 0, -3, 0))';
      const serial = async () => (await run({ ...spec, process: { args: ['python3', '-c', ask] } })).stdout;
      const [first, second] = [await serial(), await serial()];
      assert.match(first, /^[1-9]\d*\n$/);
      assert.notEqual(first, second);
    });

    test('no capability beyond those of an ambient set that is inheritable, and new privileges only when asked', async () => {
      const refused = run({ process: { args: ['true'], capabilities: { permitted: ['CAP_CHOWN'], ambient: ['CAP_CHOWN'] } } });
      assert.match((await refusalOf(refused, 'invalid')).message, /ambient must be part of permitted and of inheritable/);
      assert.match(await output({ process: { noNewPrivileges: false } }, 'grep NoNewPrivs /proc/self/status'), /\t0\n$/);
    });

    test('devices that stay whose they are, whoever it runs as', { skip: unlessHelperIsRoot }, async () => {
      const owner = () => fs.statSync('/dev/null').uid;
      const before = owner();
      await run({ process: { args: ['true'], user: { uid: 1234 } } });
      const { sandbox } = await request(SandboxesCreate, {
        spec: { process: { args: ['sleep', '1000'], user: { uid: 1234 } } },
      });
      await request(SandboxesRemove, { sandbox: sandbox.id });
      assert.equal(owner(), before);
    });

    test('a terminal that is its user’s, and has a name inside', {
      skip: unlessHelperIsRoot,
    }, async () => {
      for (const uid of [0, 1234]) {
        const { sandbox, terminal } = await request(SandboxesCreate, {
          spec: { process: { args: ['sh'], user: { uid } } },
          columns: 101,
          rows: 31,
        });
        await using screen = attachScreen(terminal!, { uid: clientUid });
        screen.type('echo "is $(tty) $(stat -c %u $(tty))"\n');
        await screen.shows(new RegExp(`is /dev/pts/0 ${uid}\\b`));
        await request(SandboxesRemove, { sandbox: sandbox.id });
      }
    });
  });

  describe('filters system calls', () => {
    const call = (number: number) =>
      `import ctypes; l=ctypes.CDLL(None, use_errno=True); print(l.syscall(${number}), ctypes.get_errno())`;
    const python = async (seccomp: SandboxSpec['seccomp'] & object, text: string) =>
      await run({ seccomp, process: { args: ['python3', '-c', text] } });
    const allowAll = { defaultAction: 'SCMP_ACT_ALLOW' } as const;
    const getsid = process.arch === 'x64' ? 124 : 156;

    test('with the errno of a rule, or of the profile', { skip: NEEDS_PYTHON }, async () => {
      const rule = (errnoRet?: number) => ({
        ...allowAll,
        syscalls: [{ names: ['getsid'], action: 'SCMP_ACT_ERRNO' as const, ...(errnoRet === undefined ? {} : { errnoRet }) }],
      });
      assert.equal((await python(rule(), call(getsid))).stdout, '-1 1\n');
      assert.equal((await python(rule(ENXIO), call(getsid))).stdout, '-1 6\n');
    });

    test('by killing, which is told as the reason of the end', { skip: NEEDS_PYTHON }, async () => {
      for (const action of ['SCMP_ACT_KILL', 'SCMP_ACT_KILL_PROCESS'] as const) {
        const { exit } = await python({ ...allowAll, syscalls: [{ names: ['getsid'], action }] }, call(getsid));
        assert.deepEqual([exit.reason, exit.signal], ['signal', 'SIGSYS']);
      }
    });

    test('so that what is newer than the profile does not exist, by which programs fall back', {
      skip: NEEDS_PYTHON,
    }, async () => {
      const { stdout } = await run({ process: { args: ['python3', '-c', call(1000)] } });
      assert.equal(stdout, `-1 ${ENOSYS}\n`);
    });

    test('for what is entered later, too', { skip: NEEDS_PYTHON }, async () => {
      const seccomp = { ...allowAll, syscalls: [{ names: ['getsid'], action: 'SCMP_ACT_ERRNO' as const, errnoRet: ENXIO }] };
      const { sandbox } = await request(SandboxesCreate, {
        spec: { seccomp, process: { args: ['sleep', '1000'], terminal: false } },
      });
      const { stdout } = await request(ProgramsRun, {
        sandbox: sandbox.id,
        command: ['python3', '-c', call(getsid)],
      });
      assert.equal(stdout, '-1 6\n');
      await request(SandboxesRemove, { sandbox: sandbox.id });
    });
  });

  describe('runs a program in one that runs', () => {
    test('with its exit status, directory, environment and errors told', async () => {
      const { sandbox } = await request(SandboxesCreate, {
        spec: { process: { args: ['sleep', '1000'], terminal: false, env: { FROM_SPEC: 'yes' } } },
      });
      const inside = (...command: string[]) => request(ProgramsRun, { sandbox: sandbox.id, command });
      for (const code of [0, 1, 42]) assert.equal((await inside('sh', '-c', `exit ${code}`)).exit.code, code);
      const { stdout } = await inside('sh', '-c', 'pwd; echo $FROM_SPEC $HOME');
      assert.equal(stdout, '/\nyes /root\n');
      assert.match((await refusalOf(inside('no-such-program'), 'notFound')).message, /no-such-program/);
      const terminal = await request(TerminalsOpen, { sandbox: sandbox.id, columns: 91, rows: 33 });
      await using screen = attachScreen(terminal, { uid: clientUid });
      screen.type('echo of $(hostname)\n');
      await screen.shows(/of host-sleep/);
      await request(SandboxesRemove, { sandbox: sandbox.id });
    });
  });

  describe('joins', () => {
    test('the user namespace of another, with its id maps', async () => {
      const range = [{ containerID: 0, hostID: 100_000, size: 1000 }];
      const maps: SandboxSpec = isHelperRoot
        ? { idMappings: { uidMappings: range, gidMappings: range } }
        : { namespaces: { user: 'new' } };
      const { sandbox } = await request(SandboxesCreate, {
        spec: { name: 'with-maps', ...maps, process: { args: ['sleep', '1000'], terminal: false } },
      });
      const text = await output(
        { namespaces: { user: { sandbox: 'with-maps' } } },
        'readlink /proc/self/ns/user; cat /proc/self/uid_map',
      );
      assert.match(
        text,
        new RegExp(
          `^user:\\[${sandbox.namespaces.user?.ino}\\]\\n\\s+0\\s+${isHelperRoot ? 100_000 : client.helper.host.uid}\\s`,
        ),
      );
      await request(SandboxesRemove, { sandbox: sandbox.id });
    });

    test('nothing of another owner: a net namespace whose user namespace it does not have', {
      skip: unlessHelperIsRoot,
    }, async () => {
      const { sandbox } = await request(SandboxesCreate, {
        spec: { name: 'owner', process: { args: ['sleep', '1000'], terminal: false } },
      });
      const joining: SandboxSpec = { namespaces: { user: 'new', net: { sandbox: 'owner' } }, process: { args: ['true'] } };
      assert.match((await refusalOf(run(joining), 'permission')).message, /net/);
      await request(SandboxesRemove, { sandbox: sandbox.id });
    });

    test('clocks of its own with a user namespace of its own', async () => {
      const text = await output(
        { namespaces: { user: 'new' }, timeOffsets: { boottime: 86_400 } },
        'cat /proc/self/timens_offsets',
      );
      assert.match(text, /boottime\s+86400\s+0/);
    });
  });

  test('can be made in another, where that has the capabilities for it', {
    skip: !has('bwrap') && 'bwrap is not installed',
  }, async () => {
    const capabilities = [
      'CAP_SYS_ADMIN',
      'CAP_SETUID',
      'CAP_SETGID',
      'CAP_SYS_CHROOT',
      'CAP_NET_ADMIN',
      'CAP_SETPCAP',
      'CAP_SYS_PTRACE',
      'CAP_SETFCAP',
      'CAP_DAC_OVERRIDE',
    ];
    const args = ['bwrap', '--unshare-all', '--bind', '/', '/', '--bind', '/proc', '/proc', 'echo', 'hello'];
    const { stdout, stderr } = await run({
      namespaces: { user: 'new' },
      seccomp: 'unconfined',
      process: { args, capabilities },
    });
    assert.equal(stdout, 'hello\n', stderr);
  });

  test('that cannot be started tells no exit status, but what failed', async () => {
    const directory = await refusalOf(run({ process: { args: ['/'] } }), 'permission');
    assert.match(directory.message, /may not be executed/);
    const { steps } = await request(SandboxesExplain, { spec: { process: { args: ['/'], terminal: false } } });
    assert.match(steps[directory.data?.step ?? -1]?.call ?? '', /^execve\("\/"/);
    const script = inFolder('no-interpreter');
    fs.writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 });
    assert.match(
      (await refusalOf(run({ root: { type: 'host', access: 'readWrite' }, process: { args: [script] } }), 'notFound')).message,
      /interpreter/,
    );
  });

  test('leaves no mount on this machine, whatever was mounted in it', {
    skip: !isRoot && 'the tests are not root',
  }, async () => {
    const table = () =>
      execFileSync('cat', ['/proc/self/mountinfo'], { encoding: 'utf8' })
        .split('\n')
        .filter((line) => line.includes(client.folder));
    const before = table();
    const root = rootDirectory('left', 'data');
    const mounts: SandboxSpec['mounts'] = [{ destination: '/data', type: 'bind', source: client.folder }];
    await output(ofDirectory(root, { mounts: mounts ?? [] }), 'true');
    assert.deepEqual(table(), before);
  });
});
