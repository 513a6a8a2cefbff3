import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { mistakesOf, specOf, stateOf, type Words } from '../../webview/sandboxForm.ts';

const words: Words = { split: (line) => line.split(' ').filter((word) => word !== ''), join: (list) => list.join(' ') };

const ALL_NEW = {
  mnt: 'new',
  pid: 'new',
  net: 'new',
  ipc: 'new',
  uts: 'new',
  user: 'host',
  cgroup: 'new',
  time: 'host',
} as const;

const specs: Record<string, SandboxSpec> = {
  'an empty tmpfs with the old root kept': {
    root: { type: 'tmpfs', size: '1G' },
    oldRoot: '/old-rootfs',
    namespaces: ALL_NEW,
    network: { type: 'loopback' },
  },
  'programs, with limits': {
    name: 'small',
    root: { type: 'programs', programs: ['bash', 'ls'] },
    namespaces: ALL_NEW,
    network: { type: 'veth', nat: true },
    resources: { memory: { limit: '64M' }, cpu: { quota: 2000, period: 100_000 }, pids: { limit: 16 } },
    process: {
      args: ['ls', '-l'],
      env: { A: 'b=c' },
      cwd: '/tmp',
      user: { uid: 1000 },
      capabilities: ['CAP_KILL'],
      timeout: 5,
    },
  },
  'a directory under an overlay, entered by chroot': {
    root: { type: 'directory', path: '/srv', access: 'overlay' },
    changeRoot: 'chroot',
    namespaces: { ...ALL_NEW, net: 'host' },
    seccomp: 'unconfined',
    process: { noNewPrivileges: false, terminal: false, init: false },
    persistent: true,
  },
  'an image of an engine': {
    root: { type: 'image', image: { format: 'docker', reference: 'debian:12' } },
    namespaces: ALL_NEW,
    network: { type: 'none' },
  },
};

for (const [what, spec] of Object.entries(specs)) {
  test(`the form gives back what it was filled with: ${what}`, () => {
    assert.deepEqual(specOf(stateOf(spec, words), words), spec);
  });
}

test('without a mount namespace of its own there is no root to choose, and without a net namespace no network', () => {
  const spec = specOf(stateOf({ namespaces: { ...ALL_NEW, mnt: 'host', net: 'host' } }, words), words);
  assert.equal(spec.root, undefined);
  assert.equal(spec.network, undefined);
});

test('what is typed wrongly is told by its control, and only where it counts', () => {
  const right = stateOf({ root: { type: 'tmpfs', size: '1G' }, namespaces: ALL_NEW }, words);
  assert.deepEqual(mistakesOf(right, words), []);
  const wrong = {
    ...right,
    name: '-x',
    directory: 'srv',
    size: '12Q',
    oldRoot: '/',
    memory: 'much',
    cpus: 'two',
    processes: '1.5',
    timeout: '0',
    uid: 'root',
    environment: 'A=1 B',
  };
  const told = ['name', 'directory', 'size', 'oldRoot', 'memory', 'cpus', 'processes', 'timeout', 'uid', 'environment'];
  assert.deepEqual(mistakesOf(wrong, words), told);
  const elsewhere = mistakesOf({ ...wrong, root: 'host', changeRoot: 'chroot' }, words);
  assert.deepEqual(
    elsewhere,
    told.filter((key) => key !== 'size' && key !== 'oldRoot'),
  );
  assert.deepEqual(mistakesOf({ ...right, root: 'docker' }, words), ['path']);
  assert.deepEqual(mistakesOf({ ...right, root: 'docker', path: 'debian:12' }, words), []);
  assert.deepEqual(mistakesOf({ ...right, root: 'programs', programs: ' ' }, words), ['programs']);
});
