/** One regression test for each class of escape that sandboxes of others have had, named after it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import {
  SandboxesCreate,
  SandboxesExplain,
  SandboxesRemove,
  SandboxesRun,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { clientUid, isHelperRoot, isRoot, testUid, unlessHas, unlessHelperIsRoot } from '../fixtures/environment.ts';
import { HELPER_PROGRAM, startHelper } from '../fixtures/helper.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';
import { attachScreen } from '../fixtures/screen.ts';
import { refOfProcess } from '../fixtures/zoo.ts';

const NEEDS_PYTHON = unlessHas('python3');
const NEEDS_ORDINARY_HELPER = isHelperRoot && 'the helper is root';
/** What a careless person might grant, short of what undoes everything. */
const MANY = ['CAP_SYS_PTRACE', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_SYS_CHROOT', 'CAP_MKNOD', 'CAP_FOWNER'];

describe('a sandbox is safe from', () => {
  const client = sandboxClient(path.join(os.tmpdir(), 'isoscope-safety-'));
  const { request, inFolder, run, script, refused, rootDirectory } = client;

  test('1 a host binary overwritten through /proc/self/exe', async () => {
    const launcher = path.join(path.dirname(HELPER_PROGRAM), 'launcher');
    const digest = () => crypto.createHash('sha256').update(fs.readFileSync(launcher)).digest('hex');
    const before = digest();
    const text = 'for p in 1 self; do (echo overwritten >/proc/$p/exe) 2>&1; done; readlink /proc/1/exe; echo end';
    const { stdout } = await script({ process: { capabilities: MANY } }, text);
    assert.match(stdout, /end\n$/);
    // Whether or not it may look at pid 1: what that executes is a sealed memory file, and not a file of the host.
    assert.doesNotMatch(stdout, new RegExp(launcher));
    assert.equal(digest(), before);
    assert.equal((await run({ process: { args: ['true'] } })).exit.code, 0);
  });

  test('2 leaked descriptors and working directories', async () => {
    const text = `
      for p in 1 $$; do for f in /proc/$p/fd/* /proc/$p/cwd /proc/$p/root; do echo "$p $f $(readlink $f)"; done; done`;
    const spec: SandboxSpec = {
      process: { capabilities: MANY },
      ...(isHelperRoot ? { resources: { pids: { limit: 100 } } } : {}),
      oldRoot: '/mnt',
    };
    const { stdout, stderr } = await script(spec, text);
    assert.equal(stderr, '');
    const links = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
    for (const [pid, link = '', target = ''] of links) {
      if (/\/(cwd|root)$/.test(link)) assert.ok(target === '/' || target === '', `${pid} ${link} ${target}`);
      else assert.match(target, /^(pipe:\[\d+\]|\/proc\/\d+\/fd|)$/, `${pid} ${link} ${target}`);
    }
    assert.ok(links.filter(([pid, link]) => pid === '1' && /\/fd\/\d+$/.test(link ?? '')).length <= 1, stdout);
  });

  describe('3 symlinked or racing mount destinations', () => {
    const outside = () => inFolder('outside');
    const mounting = (root: string, destination: string): SandboxSpec => ({
      root: { type: 'directory', path: root },
      dev: 'none',
      mounts: [{ destination, type: 'tmpfs', options: ['mode=1777'] }],
    });

    test('which lead outside: they mean what they mean inside', async () => {
      fs.mkdirSync(outside(), { recursive: true });
      const root = rootDirectory('symlinks', []);
      fs.symlinkSync(outside(), path.join(root, 'absolute'));
      fs.symlinkSync('../../../../../../../../etc', path.join(root, 'relative'));
      for (const link of ['absolute', 'relative']) {
        const { stdout, exit } = await script(mounting(root, `/${link}/place`), 'cat /proc/self/mountinfo');
        assert.equal(exit.code, 0);
        const inside = link === 'absolute' ? `${outside()}/place` : '/etc/place';
        assert.ok(stdout.includes(` ${inside} rw`), stdout);
      }
      assert.deepEqual(fs.readdirSync(outside()), []);
      assert.ok(!fs.existsSync('/etc/place'));
    });

    test('which are exchanged while it is made', { timeout: 120_000 }, async () => {
      fs.mkdirSync(outside(), { recursive: true });
      const root = rootDirectory('race', []);
      fs.mkdirSync(path.join(root, 'swapped'));
      fs.symlinkSync(outside(), path.join(root, 'link'));
      // The sandbox may make the directory while neither is there, in whose place nothing can be renamed: then both are made anew.
      const swap = `
        const fs = require('fs'); process.chdir(process.argv[1]);
        const outside = process.argv[2];
        for (let swaps = 0; ; ) {
          try {
            fs.renameSync('swapped', 'third'); fs.renameSync('link', 'swapped'); fs.renameSync('third', 'link');
            if (++swaps % 1000 === 0) process.stdout.write('.');
          } catch {
            try {
              for (const name of ['swapped', 'link', 'third']) fs.rmSync(name, { recursive: true, force: true });
              fs.mkdirSync('swapped'); fs.chmodSync('swapped', 0o777); fs.symlinkSync(outside, 'link');
            } catch {}
          }
        }`;
      const racer = spawn(process.execPath, ['-e', swap, root, outside()], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        let made = 0;
        await once(racer.stdout, 'data');
        for (let round = 0; round < 60; round += 1) {
          const result = await script(mounting(root, '/swapped/place'), 'cat /proc/self/mountinfo').catch(() => undefined);
          if (result !== undefined) made += 1;
        }
        assert.ok(made > 0, 'it was made at least once');
        await once(racer.stdout, 'data');
      } finally {
        racer.kill('SIGKILL');
      }
      assert.deepEqual(fs.readdirSync(outside()), []);
      assert.ok(!fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(outside()));
    });

    test('while the ordinary ones keep working', async () => {
      const root = rootDirectory('ordinary', []);
      fs.mkdirSync(path.join(root, 'var'));
      fs.symlinkSync('/run', path.join(root, 'var/run'));
      fs.mkdirSync(path.join(root, 'real'));
      fs.symlinkSync('/real', path.join(root, 'absolute'));
      if (clientUid !== undefined)
        for (const name of ['var', 'real']) fs.chownSync(path.join(root, name), clientUid, clientUid);
      for (const [asked, real] of [
        ['/var/run/lock', '/run/lock'],
        ['/absolute/below', '/real/below'],
      ]) {
        const { stdout, stderr } = await script(mounting(root, asked!), 'cat /proc/self/mountinfo');
        assert.ok(stdout.includes(` ${real} rw`), `${asked}: ${stdout}${stderr}`);
      }
      const parent = inFolder('closed');
      fs.mkdirSync(path.join(parent, 'shared'), { recursive: true });
      fs.writeFileSync(path.join(parent, 'shared/file'), 'through');
      fs.chmodSync(parent, 0o711);
      const mounts: SandboxSpec['mounts'] = [{ destination: '/tmp', type: 'bind', source: path.join(parent, 'shared') }];
      assert.equal((await script({ mounts: mounts ?? [] }, 'cat /tmp/file')).stdout, 'through');
    });

    test('and sources: each is looked up once, and no symbolic link in its real path is followed', async () => {
      const real = inFolder('source');
      fs.mkdirSync(real);
      fs.writeFileSync(path.join(real, 'file'), 'content');
      fs.symlinkSync(real, inFolder('source-link'));
      const mounts: SandboxSpec['mounts'] = [{ destination: '/tmp', type: 'bind', source: inFolder('source-link') }];
      assert.equal((await script({ mounts: mounts ?? [] }, 'cat /tmp/file')).stdout, 'content');
      const { steps } = await request(SandboxesExplain, { spec: { mounts: mounts ?? [] } });
      const opened = steps.filter(({ call }) => call.includes(`"${real}"`));
      assert.equal(opened.length, 1);
      assert.match(opened[0]!.call, /^openat2\(.*RESOLVE_NO_SYMLINKS/);
    });
  });

  test('4 masking through the root’s own /dev/null, and a terminal of its own /dev/pts', async () => {
    const root = rootDirectory('devices', []);
    fs.mkdirSync(path.join(root, 'dev/pts'), { recursive: true });
    fs.writeFileSync(path.join(root, 'dev/null'), 'not a device');
    fs.symlinkSync('/etc/passwd', path.join(root, 'dev/pts/ptmx'));
    const spec: SandboxSpec = { root: { type: 'directory', path: root, access: 'overlay' }, dev: 'none' };
    const { stdout, stderr } = await script(spec, 'stat -c "%F %s" /proc/interrupts; cat /proc/interrupts');
    assert.equal(stdout, 'regular empty file 0\n', stderr);
    const { sandbox, terminal } = await request(SandboxesCreate, {
      spec: { ...spec, process: { args: ['/bin/sh'] } },
    });
    await using screen = attachScreen(terminal!, { uid: clientUid });
    screen.type('echo still $((1+1))\n');
    await screen.shows(/still 2/);
    await request(SandboxesRemove, { sandbox: sandbox.id });
  });

  test('5 a fake or redirected /proc', async () => {
    const root = rootDirectory('proc', []);
    fs.mkdirSync(path.join(root, 'elsewhere'));
    fs.symlinkSync('/elsewhere', path.join(root, 'proc'));
    assert.match(
      (await refused({ root: { type: 'directory', path: root } }, 'invalid')).message,
      /\/proc in the root is a symbolic link/,
    );
    fs.unlinkSync(path.join(root, 'proc'));
    fs.mkdirSync(path.join(root, 'proc/self'), { recursive: true });
    fs.writeFileSync(path.join(root, 'proc/self/oom_score_adj'), 'untouched');
    // What a process writes about itself goes to the helper's /proc, whatever the root has.
    await run({
      root: { type: 'directory', path: root },
      proc: 'none',
      dev: 'none',
      process: { args: ['/bin/true'], oomScoreAdj: 700 },
    });
    assert.equal(fs.readFileSync(path.join(root, 'proc/self/oom_score_adj'), 'utf8'), 'untouched');
  });

  test('6 input pushed into somebody else’s terminal (TIOCSTI, TIOCLINUX)', { skip: NEEDS_PYTHON }, async () => {
    const push = `
import fcntl, os
for name in ('/dev/tty', '/proc/self/fd/0', '/proc/1/fd/0', '/dev/console', '/dev/tty1'):
    for request, argument in ((0x5412, b'x'), (0x541c, b'\\x03')):
        try:
            with open(name) as terminal: fcntl.ioctl(terminal, request, argument)
            print('pushed', name)
        except OSError as error: print('refused', name, 'at the call' if error.filename is None else 'to open')
`;
    // The helper has a terminal that it could be pushed into, as one that was started in a shell has.
    const onTerminal = `
import fcntl, os, pty, sys, termios
master, terminal = pty.openpty()
os.set_inheritable(master, True)
if os.getpid() == os.getpgid(0): os.fork() and os._exit(os.wait()[1] >> 8)
os.setsid()
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
`;
    await using withTerminal = await startHelper({ through: ['python3', '-c', onTerminal] });
    for (const init of [true, false]) {
      const { stdout, stderr } = await withTerminal.request(SandboxesRun, {
        spec: { process: { args: ['python3', '-c', push], init } },
      });
      assert.doesNotMatch(stdout, /pushed/);
      // Not even open: whether the call itself would be refused depends on the kernel (dev.tty.legacy_tiocsti).
      assert.match(stdout, /^refused \/dev\/tty to open$/m, stderr);
    }
    // With pipes it has a session of its own as well, and no terminal.
    assert.match((await script({}, 'cut -d" " -f1,6,7 /proc/$$/stat')).stdout, /^(\d+) \1 0\n$/);
    // On a terminal it can reach that one only, which is its own: another session's is not even open.
    const { sandbox, terminal } = await request(SandboxesCreate, { spec: { process: { args: ['sh'] } } });
    await using screen = attachScreen(terminal!, { uid: clientUid });
    screen.type('echo session $(cut -d" " -f6,7 /proc/$$/stat) end\n');
    const shown = await screen.shows(/session \d+ \d+ end/);
    const [, session, device] = /session (\d+) (\d+) end/.exec(shown) ?? [];
    assert.equal(session, '2');
    assert.notEqual(device, '0');
    await request(SandboxesRemove, { sandbox: sandbox.id });
  });

  describe('7 a helper that does for an ordinary user what the user may not', { skip: NEEDS_ORDINARY_HELPER }, () => {
    test('ids of others are not mapped', async () => {
      const others = [{ containerID: 0, hostID: 0, size: 1 }];
      await assert.rejects(run({ idMappings: { uidMappings: others, gidMappings: others }, process: { args: ['true'] } }));
    });

    test('files of others stay closed', async () => {
      const secret = inFolder('secret');
      fs.writeFileSync(secret, 'secret', { mode: 0o600 });
      const { stdout } = await script({ root: { type: 'host', access: 'readWrite' } }, `cat ${secret}`);
      assert.equal(stdout, '');
      const mounts: SandboxSpec['mounts'] = [{ destination: '/mnt/file', type: 'bind', source: secret }];
      const bound = await script({ root: { type: 'host', access: 'readWrite' }, mounts: mounts ?? [] }, 'cat /mnt/file').catch(
        () => undefined,
      );
      assert.notEqual(bound?.stdout, 'secret');
    });

    test('namespaces of others are not joined', async () => {
      const refusal = await refused({ namespaces: { net: { process: refOfProcess(process.pid) } } }, 'permission');
      assert.match(refusal.message, /may not|permission/i);
    });

    test('privileges are not kept', async () => {
      await refused({ namespaces: { user: 'host' }, process: { args: ['true'] } }, 'permission');
      const { stdout } = await script(
        { process: { capabilities: ['CAP_SYS_ADMIN', 'CAP_DAC_OVERRIDE'] } },
        'cat /etc/shadow; id -u',
      );
      assert.equal(stdout, '0\n');
    });
  });

  test('8 code of the sandbox that runs in the helper', async () => {
    const marker = inFolder('executed');
    const canary = inFolder('canary');
    fs.writeFileSync(canary, `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o755 });
    await run({ root: { type: 'programs', programs: [canary, 'true'] }, process: { args: ['true'] } });
    await request(SandboxesExplain, { spec: { root: { type: 'programs', programs: [canary] } } });
    assert.ok(!fs.existsSync(marker));
    const maps = isRoot ? fs.readFileSync(`/proc/${client.helper.process.pid}/maps`, 'utf8') : '';
    assert.doesNotMatch(maps, /libnss|isoscope-safety/);
  });

  test('9 a tracer of what is half made, and of its init', { skip: !isRoot && 'the tests are not root' }, async () => {
    const range = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    // Of an id that is not root's, so that whose the files in /proc are tells whether it can be traced.
    const maps: SandboxSpec = isHelperRoot ? { idMappings: { uidMappings: range, gidMappings: range } } : {};
    const { sandbox } = await request(SandboxesCreate, {
      spec: { ...maps, process: { args: ['sleep', '1000'], terminal: false } },
    });
    const shown = sandbox.process!.pid;
    const parent = Number(/^PPid:\s+(\d+)$/m.exec(fs.readFileSync(`/proc/${shown}/status`, 'utf8'))?.[1]);
    const inits = isHelperRoot ? [shown, parent] : [parent];
    // /proc/PID belongs to root for what is not dumpable, whoever's it is: ptrace(2) and all of /proc/PID/ refuse others.
    for (const pid of inits) {
      const uid = Number(/^Uid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
      assert.equal(uid, isHelperRoot ? 100_000 : testUid);
      assert.equal(fs.statSync(`/proc/${pid}/mem`).uid, 0);
    }
    const program = isHelperRoot ? onlyChildOf(shown) : shown;
    assert.equal(fs.statSync(`/proc/${program}/mem`).uid, isHelperRoot ? 100_000 : testUid, 'while the program is its user’s');
    await request(SandboxesRemove, { sandbox: sandbox.id });
  });

  test('10 cgroup paths that lead elsewhere, and release_agent (CVE-2022-0492)', async () => {
    const text = `
      cd /tmp; mkdir c; mount -t cgroup -o pids x c 2>&1 && echo '#' >c/release_agent && echo written
      mount -t cgroup2 x c 2>&1; for f in /sys/fs/cgroup/*/release_agent; do (echo /tmp/x >$f) 2>/dev/null && echo written; done
      # Into a cgroup above its own, whose file belongs to root.
      for f in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs; do (echo $$ >$f) 2>/dev/null && echo written; done; echo end`;
    const agents = fs.globSync('/sys/fs/cgroup/*/release_agent').map((file) => [file, fs.readFileSync(file, 'utf8')] as const);
    // By default it is root of the host, whose files these are, though without capabilities.
    const specs: SandboxSpec[] = [
      {},
      ...[[], ['CAP_SYS_ADMIN']].map((capabilities) => ({ namespaces: { user: 'new' as const }, process: { capabilities } })),
    ];
    try {
      for (const spec of specs) {
        const { stdout } = await script(spec, text);
        assert.match(stdout, /end\n$/);
        assert.doesNotMatch(stdout, /written/);
      }
    } finally {
      if (isRoot) for (const [file, content] of agents) fs.writeFileSync(file, content);
    }
    await assert.rejects(run({ name: '../../escape', process: { args: ['true'] } }), /name/);
  });

  test('11 capabilities and users that are misread', async () => {
    for (const name of ['CAP_NONE', 'ALL', '', 'CAP_', '21', 'cap_sys_admin,cap_net_raw', 'CAP_SYS_ADMIN\0']) {
      await assert.rejects(run({ process: { capabilities: [name], args: ['true'] } }), `"${name}"`);
    }
    const { stdout } = await script(
      { namespaces: { user: 'new' }, process: { capabilities: ['net_raw'] } },
      'grep CapEff /proc/self/status',
    );
    assert.equal(stdout, 'CapEff:\t0000000000002000\n');
    for (const uid of [-1, 4_294_967_295, 1.5, Number.NaN]) {
      await assert.rejects(run({ process: { user: { uid }, args: ['true'] } }), String(uid));
    }
    await assert.rejects(run({ process: { user: { uid: 'root' as unknown as number }, args: ['true'] } }));
  });

  test('12 names and configuration that are read as something else', async () => {
    for (const hostname of ['a\nb', 'a b', '$(id)', '-x']) await assert.rejects(run({ hostname, process: { args: ['true'] } }));
    for (const name of ['a/b', 'a b', '..', '', 'x'.repeat(64)])
      await assert.rejects(run({ name, process: { args: ['true'] } }));
    // Characters that mean something in mount options, shells and terminals.
    const odd = 'a:b,c=d\\e \'f"\n\x1b[31m$(id)';
    const root = rootDirectory(odd, []);
    for (const name of ['proc', 'dev']) fs.mkdirSync(path.join(root, name));
    const spec: SandboxSpec = { root: { type: 'directory', path: root, access: 'overlay' }, dev: 'none' };
    const { stdout, stderr } = await script(spec, 'touch /made; ls /');
    assert.equal(stdout, 'bin\ndev\nmade\nproc\n', stderr);
    assert.ok(!fs.existsSync(path.join(root, 'made')));
    const { syscalls, equivalents, steps } = await request(SandboxesExplain, { spec });
    assert.equal(syscalls.split('\n').length, steps.length);
    assert.doesNotMatch(`${syscalls}${JSON.stringify(equivalents.map(({ command }) => command))}`, /\x1b/);
    const env = { 'A B': '$(id)', PATH: '/usr/bin:/bin' };
    assert.match((await run({ process: { env, args: ['env'] } })).stdout, /^A B=\$\(id\)$/m);
  });

  test('what is on the host’s root only by a device node', { skip: unlessHelperIsRoot }, async () => {
    const text = 'mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk >/dev/null && echo read; echo end';
    const { stdout } = await script({ process: { capabilities: MANY } }, text);
    assert.equal(stdout, 'end\n');
  });
});

function onlyChildOf(pid: number): number {
  return Number(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
}
