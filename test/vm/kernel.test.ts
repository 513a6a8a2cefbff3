/**
 * The kernel suites once more on a second kind of host: systemd as pid 1, pure cgroup v2, rootless podman. One guest runs them with
 * the helper as root, another beside it as the ordinary user whose rootless podman it is: an emulated processor keeps one real one busy.
 */
import assert from 'node:assert/strict';
import { chmodSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { type Job, runInGuest } from './guest.ts';
import { guestImage } from './image.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const NODE_PACKAGES = ['vscode-jsonrpc', 'valibot', 'koffi', '@koromix'];
/** Emulated, a run of all suites takes about seven minutes on two processors; this only bounds a guest that hangs. */
const GUEST_MILLIS = 35 * 60_000;
const ROOTLESS_UID = 1000;

/**
 * What these suites test is the helper's own and the same on every kernel, or needs an engine that the guest has not: emulated they would take
 * longer than all the others together.
 */
const LEFT_OUT = [
  'launcher.test.ts',
  'layerDocker.test.ts',
  'life.test.ts',
  'programFiles.test.ts',
  'protocol.test.ts',
  'sandboxFaults.test.ts',
  'sandboxImages.test.ts',
];

const FILES: Job['files'] = [
  ...['dist', 'scripts', 'package.json'].map((name): [string, string] => [path.join(ROOT, name), name]),
  ...NODE_PACKAGES.map((name): [string, string] => [path.join(ROOT, 'node_modules', name), `node_modules/${name}`]),
  [process.execPath, 'bin/node'],
];

/**
 * The suites as JavaScript, one file each, in `folder`. Node removes types by WebAssembly, which needs V8's compiler, and that one
 * does not always survive emulation ("Check failed: it->second.Size() > offset", in one start of some twenty): the guest does without.
 */
async function compileSuites(folder: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: globSync('test/kernel/*.test.ts', { cwd: ROOT }).filter((file) => !LEFT_OUT.includes(path.basename(file))),
    outdir: folder,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node24',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    logLevel: 'warning',
  });
}

/** Who the helper runs as, what is tested by that, and what the guest's environment says of it. */
const RUNS = [
  { who: 'root', title: 'pass with the helper as root', environment: '' },
  { who: 'user', title: 'pass with the helper as an ordinary user', environment: `ISOSCOPE_TEST_UID=${ROOTLESS_UID}` },
];

/** The counts come on a line of their own. A small guest's own limit of namespaces is below what a test makes. */
const scriptFor = (environment: string) => `cd /project
export PATH=/project/bin:$PATH HOME=/root ISOSCOPE_GUEST=1 NODE_OPTIONS=--jitless ${environment}
sysctl -q -w user.max_uts_namespaces=20000
node --test --test-force-exit --test-concurrency=1 --test-timeout=180000 \\
  --test-reporter=spec --test-reporter-destination=stdout \\
  --test-reporter=./scripts/countReporter.mjs --test-reporter-destination=/tmp/counts test/kernel/*.test.mjs
printf 'counts:%s\\n' "$(cat /tmp/counts)"
`;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  failures: string[];
}

describe('the kernel suites on systemd and pure cgroup v2', () => {
  const counted = new Map<string, Counts>();

  before(
    async () => {
      const image = await guestImage(path.join(ROOT, '.cache/vm'));
      const suites = mkdtempSync(path.join(tmpdir(), 'isoscope-suites-'));
      try {
        // Some suites start themselves again as the ordinary user.
        chmodSync(suites, 0o755);
        await compileSuites(suites);
        const files: Job['files'] = [...FILES, [suites, 'test/kernel']];
        const guests = RUNS.map(({ who, environment }) =>
          runInGuest(image, {
            files,
            script: scriptFor(environment),
            timeoutMillis: GUEST_MILLIS,
            onLine: (line) => takeLine(who, line),
          }),
        );
        // Each comes to its end, whatever becomes of the other.
        await Promise.allSettled(guests);
        await Promise.all(guests);
      } finally {
        rmSync(suites, { recursive: true, force: true });
      }
    },
    { timeout: GUEST_MILLIS + 15 * 60_000 },
  );

  function takeLine(who: string, line: string): void {
    const counts = /^counts:(.*)$/.exec(line)?.[1];
    if (counts === undefined) process.stdout.write(`  ${who} | ${line}\n`);
    else counted.set(who, JSON.parse(counts) as Counts);
  }

  for (const { who, title } of RUNS) {
    test(title, (t) => {
      const counts = counted.get(who);
      t.diagnostic(`in the guest: ${counts?.passed} passed, ${counts?.failed} failed, ${counts?.skipped} skipped`);
      assert.ok(counts !== undefined && counts.passed > 0, 'no test ran in the guest');
      assert.equal(counts.failed, 0, `in the guest failed: ${counts.failures.join('\n')}`);
    });
  }
});
