/** Making a sandbox, running /bin/true in it and removing it, against others that make the same; and minimal roots. */
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { IMAGE, startDocker } from '../fixtures/docker.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { INSPECTABLE, openHeap } from './heap.ts';
import { type Figures, inTurns, type Row } from './rows.ts';

const run = promisify(execFile);

const WARM_UP_ROUNDS = 200;

/**
 * Five namespaces, pivot_root into a directory and an own /proc: no more than what the peers make. bwrap keeps a pid 1 that reaps;
 * of the others the program is pid 1 itself.
 */
const specOf = (root: string, init: boolean): SandboxSpec => ({
  root: { type: 'directory', path: root },
  dev: 'none',
  namespaces: { cgroup: 'host' },
  network: { type: 'none' },
  systemPaths: 'unmasked',
  seccomp: 'unconfined',
  process: { args: ['/bin/true'], init },
});

async function inRoot(
  rounds: number,
  peer: (root: string) => Promise<unknown>,
  { init = false }: { init?: boolean } = {},
): Promise<Figures> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-bench-'));
  const root = path.join(folder, 'rootfs');
  try {
    for (const name of ['bin', 'proc', 'dev', 'sys']) fs.mkdirSync(path.join(root, name), { recursive: true });
    fs.copyFileSync('/bin/busybox', path.join(root, 'bin/busybox'));
    fs.symlinkSync('busybox', path.join(root, 'bin/true'));
    await using helper = await startHelper();
    const spec = specOf(root, init);
    // A warm helper is one whose code has been compiled, as that of the peers was when they were built.
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) await runTrue(helper, spec);
    return await inTurns(
      rounds,
      () => runTrue(helper, spec),
      async () => void (await peer(root)),
    );
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function runTrue(helper: RunningHelper, spec: SandboxSpec): Promise<void> {
  const { exit } = await helper.request(SandboxesRun, { spec });
  if (exit.code !== 0) throw new Error(`/bin/true ended: ${exit.message}`);
}

/** A bundle as runc(8) wants it, with the same namespaces. */
function writeBundle(root: string): string {
  const bundle = path.dirname(root);
  if (fs.existsSync(path.join(bundle, 'config.json'))) return bundle;
  execFileSync('runc', ['spec', '--bundle', bundle]);
  const config = JSON.parse(fs.readFileSync(path.join(bundle, 'config.json'), 'utf8'));
  config.process = { ...config.process, terminal: false, args: ['/bin/true'], rlimits: [] };
  config.root = { path: 'rootfs', readonly: false };
  config.mounts = config.mounts.filter(({ destination }: { destination: string }) => destination === '/proc');
  config.linux.namespaces = ['mount', 'pid', 'network', 'ipc', 'uts'].map((type) => ({ type }));
  Object.assign(config.linux, { maskedPaths: [], readonlyPaths: [] });
  fs.writeFileSync(path.join(bundle, 'config.json'), JSON.stringify(config));
  return bundle;
}

let runcs = 0;

/** What people do by hand. */
const COPIED_ROOT = `root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
for name; do
  program=$(command -v "$name")
  for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
  done
done
chroot "$root" "$(command -v ls)"`;

export const sandboxRows: Row[] = [
  {
    name: 'sandboxes/run of /bin/true (peer: bwrap)',
    target: 0.7,
    unit: 'ms',
    measure: () => {
      const unshared = ['pid', 'net', 'ipc', 'uts'].map((kind) => `--unshare-${kind}`);
      return inRoot(41, (root) => run('bwrap', ['--bind', root, '/', '--proc', '/proc', ...unshared, '/bin/true']), {
        init: true,
      });
    },
  },
  {
    name: 'sandboxes/run of /bin/true (peer: unshare)',
    target: 1,
    unit: 'ms',
    measure: () => {
      const unshared = ['mount', 'pid', 'net', 'ipc', 'uts'].map((kind) => `--${kind}`);
      return inRoot(41, (root) => run('unshare', [...unshared, '--fork', `--root=${root}`, '--mount-proc', '/bin/true']));
    },
  },
  {
    name: 'sandboxes/run of /bin/true (peer: runc run)',
    target: 0.2,
    unit: 'ms',
    measure: () =>
      inRoot(21, (root) => {
        runcs += 1;
        return run('runc', ['run', '--bundle', writeBundle(root), `isoscope-bench-${process.pid}-${runcs}`]);
      }),
  },
  {
    name: 'sandboxes/run of /bin/true (peer: docker run)',
    target: 0.02,
    unit: 'ms',
    measure: async () => {
      await using _docker = await startDocker();
      return await inRoot(11, () => run('docker', ['run', '--rm', IMAGE, '/bin/true']));
    },
  },
  {
    name: 'a minimal root of bash, ls, cat, ps and ip, made, run and removed (peer: ldd, cp and chroot)',
    target: 0.5,
    unit: 'ms',
    measure: async () => {
      await using helper = await startHelper();
      const programs = ['bash', 'ls', 'cat', 'ps', 'ip'];
      const spec: SandboxSpec = { root: { type: 'programs', programs }, process: { args: ['ls'] } };
      return await inTurns(
        21,
        () => runTrue(helper, spec),
        async () => void (await run('sh', ['-ec', COPIED_ROOT, 'sh', ...programs])),
      );
    },
  },
  {
    name: 'heap that 1,000 sandboxes in a row leave held in the helper (peer: what it held before)',
    target: 0.1,
    unit: 'MB',
    measure: async () => {
      await using helper = await startHelper({ environment: { ...process.env, ...INSPECTABLE } });
      using heap = await openHeap(helper);
      const spec: SandboxSpec = { process: { args: ['true'] } };
      const runMany = async (count: number) => {
        for (let round = 0; round < count; round += 1) await runTrue(helper, spec);
      };
      // What is compiled and cached by the first ones is there once.
      await runMany(WARM_UP_ROUNDS);
      const before = await heap.heldMegabytes();
      await runMany(1000);
      return { ours: (await heap.heldMegabytes()) - before, peer: before };
    },
  },
];
