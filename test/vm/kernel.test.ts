/**
 * The kernel suites once more on a second kind of host: systemd as pid 1, pure cgroup v2, rootless podman. They run twice, with the helper
 * as root and as the ordinary user whose rootless podman it is, in two guests beside each other that have half of the suites each: an
 * emulated guest keeps one processor busy.
 */
import assert from 'node:assert/strict';
import { chmodSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { unexpectedSkips } from '../../scripts/expectedSkips.mjs';
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
  'forkServer.test.ts',
  'launcher.test.ts',
  'layerDocker.test.ts',
  'life.test.ts',
  'programFiles.test.ts',
  'protocol.test.ts',
  'sandboxEquivalents.test.ts',
  'sandboxImages.test.ts',
  'sandboxPersistence.test.ts',
  'sandboxRefusals.test.ts',
  'sandboxTars.test.ts',
  'terminals.test.ts',
];

const FILES: Job['files'] = [
  ...['dist', 'media', 'scripts', 'package.json'].map((name): [string, string] => [path.join(ROOT, name), name]),
  ...NODE_PACKAGES.map((name): [string, string] => [path.join(ROOT, 'node_modules', name), `node_modules/${name}`]),
  [process.execPath, 'bin/node'],
];

/** While one works on them: `ISOSCOPE_SUITES=network,mounts npm test vm` runs only these. */
const NAMED = process.env.ISOSCOPE_SUITES?.split(',').map((name) => `${name}.test.ts`);

function isWanted(suite: string): boolean {
  return NAMED === undefined ? !LEFT_OUT.includes(suite) : NAMED.includes(suite);
}

/** What suites start as programs of their own. */
const STARTED = ['readHolder', 'exchangePath', 'liar'];

/**
 * The suites as JavaScript, one file each, in `folder`. Node removes types by WebAssembly, which needs V8's compiler, and that one
 * does not always survive emulation ("Check failed: it->second.Size() > offset", in one start of some twenty): the guest does without.
 */
async function compileSuites(folder: string): Promise<void> {
  const suites = globSync('test/kernel/*.test.ts', { cwd: ROOT }).filter((file) => isWanted(path.basename(file)));
  await build({
    absWorkingDir: ROOT,
    // Beside them what they start.
    entryPoints: [...suites, ...STARTED.map((name) => `test/fixtures/${name}.ts`)].map((file) => ({
      in: file,
      out: path.basename(file, '.ts'),
    })),
    outdir: folder,
    bundle: true,
    external: NODE_PACKAGES.flatMap((name) => [name, `${name}/*`]),
    // What is of CommonJS asks for Node's own modules by it.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    platform: 'node',
    target: 'node24',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    logLevel: 'warning',
  });
}

const GUESTS = 2;

/** The counts of each run come on a line of their own. A small guest's own limit of namespaces is below what a test makes. */
const scriptOf = (guest: number) => `cd /project
export PATH=/project/bin:$PATH HOME=/root ISOSCOPE_GUEST=1 NODE_OPTIONS=--jitless
sysctl -q -w user.max_uts_namespaces=20000
run() {
  node --test --test-force-exit --test-concurrency=1 --test-timeout=600000 --test-shard=${guest}/${GUESTS} \\
    --test-reporter=spec --test-reporter-destination=stdout \\
    --test-reporter=./scripts/countReporter.mjs --test-reporter-destination=/tmp/counts test/kernel/*.test.mjs
  printf 'counts of %s:%s\\n' $1 "$(cat /tmp/counts)"
}
run root
export ISOSCOPE_TEST_UID=${ROOTLESS_UID}
run user
`;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  failures: string[];
  skips: { name: string; reason: string }[];
}

describe('the kernel suites on systemd and pure cgroup v2', () => {
  /** By who the helper ran as, one for each guest. */
  const counted: Record<string, Counts[]> = { root: [], user: [] };

  before(
    async () => {
      const image = await guestImage(path.join(ROOT, '.cache/vm'));
      const suites = mkdtempSync(path.join(tmpdir(), 'isoscope-suites-'));
      try {
        // Some suites start themselves again as the ordinary user.
        chmodSync(suites, 0o755);
        await compileSuites(suites);
        const files: Job['files'] = [...FILES, [suites, 'test/kernel']];
        const guests = Array.from({ length: GUESTS }, (_, index) =>
          runInGuest(image, {
            files,
            script: scriptOf(index + 1),
            timeoutMillis: GUEST_MILLIS,
            onLine: (line) => takeLine(index + 1, line),
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

  function takeLine(guest: number, line: string): void {
    const [, who, counts] = /^counts of (\w+):(.*)$/.exec(line) ?? [];
    if (who === undefined || counts === undefined) process.stdout.write(`  guest ${guest} | ${line}\n`);
    else counted[who]?.push(JSON.parse(counts) as Counts);
  }

  for (const [who, title] of [
    ['root', 'pass with the helper as root'],
    ['user', 'pass with the helper as an ordinary user'],
  ] as const) {
    test(title, (t) => {
      const counts = counted[who] ?? [];
      const sum = (of: (one: Counts) => number) => counts.reduce((all, one) => all + of(one), 0);
      const [passed, failed, skipped] = [sum((one) => one.passed), sum((one) => one.failed), sum((one) => one.skipped)];
      t.diagnostic(`in the guests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
      assert.equal(counts.length, GUESTS, 'each guest came to the end of its suites');
      assert.ok(passed > 0, 'no test ran in the guests');
      assert.equal(failed, 0, `in the guests failed: ${counts.flatMap(({ failures }) => failures).join('\n')}`);
      const skips = counts.flatMap((one) => one.skips);
      assert.deepEqual(unexpectedSkips(`guest as ${who}`, skips), []);
    });
  }
});
