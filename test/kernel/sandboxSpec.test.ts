/** What a specification of a sandbox means: what holds by default, what it cannot say, and its explanation. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import { SandboxesExplain, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

describe('the specification of a sandbox', () => {
  const { request, run, output, refused } = sandboxClient(path.join(os.tmpdir(), 'isoscope-spec-'));

  test('what is wrong in it is said in a sentence, with the field', async () => {
    const wrong: [spec: object, message: string, field: (string | number)[]][] = [
      [{ process: { argz: ['ls'] } }, 'There is no field "process.argz".', ['spec', 'process', 'argz']],
      [{ root: { type: 'directory' } }, '"root.path" is missing.', ['spec', 'root', 'path']],
      [{ process: { terminal: 'yes' } }, '"process.terminal" must be boolean, not "yes".', ['spec', 'process', 'terminal']],
      [{ mounts: [{ type: 'tmpfs' }] }, '"mounts[0].destination" is missing.', ['spec', 'mounts', 0, 'destination']],
      [
        { namespaces: { net: { sandbox: 7 } } },
        '"namespaces.net.sandbox" must be string, not 7.',
        ['spec', 'namespaces', 'net', 'sandbox'],
      ],
    ];
    for (const [spec, message, field] of wrong) {
      await assert.rejects(request(SandboxesExplain, { spec }), (error: Error & { data?: ErrorData }) => {
        assert.equal(error.message, message);
        assert.deepEqual([error.data?.reason, error.data?.field], ['invalid', field]);
        return true;
      });
    }
  });

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

  test('an explanation runs nothing, and names every default, step and equivalent', async () => {
    const explained = await request(SandboxesExplain, { spec: { process: { args: ['true'] } } });
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
});
