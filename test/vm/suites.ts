/** The kernel suites in guests: compiled there, run as root and as an ordinary user, and what they counted. */
import assert from 'node:assert/strict';
import { chmodSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compileTests, TEST_PACKAGES } from '../../scripts/compileTests.mjs';
import { unexpectedSkips } from '../../scripts/expectedSkips.mjs';
import { type Job, runInGuest } from './guest.ts';
import { guestImage, type Release } from './image.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Longer than a test may take there: how long all of them take is not bounded, while they come to their ends. */
const SILENT_MILLIS = 12 * 60_000;
const ROOTLESS_UID = 1000;

const FILES: Job['files'] = [
  ...['dist', 'media', 'scripts', 'package.json'].map((name): [string, string] => [path.join(ROOT, name), name]),
  ...TEST_PACKAGES.map((name): [string, string] => [path.join(ROOT, 'node_modules', name), `node_modules/${name}`]),
  [process.execPath, 'bin/node'],
];

/** While one works on them: `ISOSCOPE_SUITES=network,mounts npm test vm` runs only these. */
const NAMED = process.env.ISOSCOPE_SUITES?.split(',');

/** The counts of each run come on a line of their own. A small guest's own limit of namespaces is below what a test makes. */
const scriptOf = (guest: number, guests: number, runs: readonly Who[]) => `cd /project
export PATH=/project/bin:$PATH HOME=/root ISOSCOPE_GUEST=1 NODE_OPTIONS=--jitless
sysctl -q -w user.max_uts_namespaces=20000
run() {
  node --test --test-force-exit --test-concurrency=1 --test-timeout=600000 --test-shard=${guest}/${guests} \\
    --test-reporter=spec --test-reporter-destination=stdout \\
    --test-reporter=./scripts/countReporter.mjs --test-reporter-destination=/tmp/counts test/kernel/*.test.mjs
  printf 'counts of %s:%s\\n' $1 "$(cat /tmp/counts)"
}
${runs.map((who) => (who === 'root' ? 'run root' : `(export ISOSCOPE_TEST_UID=${ROOTLESS_UID}; run user)`)).join('\n')}
`;

/** As whom the helper runs. */
export type Who = 'root' | 'user';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  failures: string[];
  skips: { name: string; reason: string }[];
}

export interface SuitesInGuests {
  release: Release;
  /** Before each line of a guest's output. */
  title: string;
  /** They have a share of the suites each, beside each other: an emulated guest keeps one processor busy. */
  guests: number;
  runs: readonly Who[];
  isWanted(suite: string): boolean;
}

/** By who the helper ran as, one for each guest. */
export async function countsInGuests({
  release,
  title,
  guests,
  runs,
  isWanted,
}: SuitesInGuests): Promise<Record<Who, Counts[]>> {
  const counted: Record<Who, Counts[]> = { root: [], user: [] };
  const takeLine = (guest: number, line: string): void => {
    const [, who, counts] = /^counts of (root|user):(.*)$/.exec(line) ?? [];
    if (who === undefined || counts === undefined) process.stdout.write(`  ${title} ${guest} | ${line}\n`);
    else counted[who as Who].push(JSON.parse(counts) as Counts);
  };
  const image = await guestImage(path.join(ROOT, '.cache/vm'), release);
  const suites = mkdtempSync(path.join(tmpdir(), 'isoscope-suites-'));
  try {
    // Some suites start themselves again as the ordinary user.
    chmodSync(suites, 0o755);
    const names = globSync('test/kernel/*.test.ts', { cwd: ROOT }).map((file) => path.basename(file, '.test.ts'));
    const wanted = names.filter((name) => NAMED?.includes(name) ?? isWanted(name));
    await compileTests(
      wanted.map((name) => `test/kernel/${name}.test.ts`),
      suites,
      'node24',
    );
    const files: Job['files'] = [...FILES, [suites, 'test/kernel']];
    const running = Array.from({ length: guests }, (_, index) =>
      runInGuest(image, {
        files,
        script: scriptOf(index + 1, guests, runs),
        silentMillis: SILENT_MILLIS,
        onLine: (line) => takeLine(index + 1, line),
      }),
    );
    // Each comes to its end, whatever becomes of the other.
    await Promise.allSettled(running);
    const ends = await Promise.all(running);
    // By the memory of the guest, say: the line before tells how.
    assert.deepEqual(
      ends.flatMap((status, index) => (status === 0 ? [] : `${title} ${index + 1} ended with ${status}`)),
      [],
    );
  } finally {
    rmSync(suites, { recursive: true, force: true });
  }
  return counted;
}

/** @param run by which scripts/expectedSkips.mjs knows it */
export function assertPassed(run: string, counts: readonly Counts[], guests: number, tell: (text: string) => void): void {
  const sum = (of: (one: Counts) => number) => counts.reduce((all, one) => all + of(one), 0);
  const [passed, failed, skipped] = [sum((one) => one.passed), sum((one) => one.failed), sum((one) => one.skipped)];
  tell(`in the guests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  assert.equal(counts.length, guests, 'each guest came to the end of its suites');
  assert.ok(passed > 0, 'no test ran in the guests');
  assert.equal(failed, 0, `in the guests failed: ${counts.flatMap(({ failures }) => failures).join('\n')}`);
  const skips = counts.flatMap((one) => one.skips);
  assert.deepEqual(unexpectedSkips(run, skips), []);
}
