/**
 * `npm test [stage…]`: checks everything, on a machine that has only Node and root or sudo, and ends with one line
 * `N passed, M failed, K skipped`. Each stage says what it does; a stage that cannot run is a failure, never silence.
 */
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { unexpectedSkips } from './expectedSkips.mjs';
import { Leftovers } from './leftovers.mjs';
import { OWN_TARGET, packageTarget } from './package.mjs';
import {
  CACHE,
  ensureCodeServer,
  ensureDebianPackages,
  ensureNode,
  ensureNodePackages,
  ensureOldNodes,
  NODE,
  nodeEnvironment,
  OLD_NODE_VERSIONS,
  ROOT,
} from './prerequisites.mjs';
import { isReachable, runFromReachablePlace } from './reachablePlace.mjs';
import { Failure, main, run, SIGNALS, say } from './run.mjs';
import { ensureTestUser } from './testUser.mjs';

/** What a stage adds to the last lines. */
const NOTHING = { passed: 0, failed: 0, skipped: 0, failures: [], skips: [] };

/**
 * In this order; a stage that has shown nothing for `silentMinutes` is ended, however long it takes in all; `needs` are the purposes of scripts/prerequisites.mjs. A check counts as one test. One that is `beside` goes on while those
 * after it run, and its output is shown when all have ended: the guest computes at the lowest priority, while they mostly wait.
 */
const STAGES = {
  lint: { silentMinutes: 3, needs: [], run: (stage) => check(stage, 'npm', ['run', '--silent', 'lint']) },
  types: { silentMinutes: 5, needs: [], run: (stage) => check(stage, 'npm', ['run', '--silent', 'types']) },
  build: { silentMinutes: 3, needs: ['build'], run: (stage) => check(stage, NODE, ['esbuild.mjs']) },
  unit: { silentMinutes: 5, needs: ['build', 'package'], run: (stage) => testFolder(stage, 'unit') },
  vm: { silentMinutes: 15, needs: ['build', 'vm'], beside: true, run: (stage) => testFolder(stage, 'vm') },
  kernel: { silentMinutes: 10, touchesKernel: true, needs: ['build', 'engines', 'kernelTests'], run: kernelTests },
  nodes: {
    silentMinutes: 5,
    touchesKernel: true,
    needs: ['build', 'package', 'engines', 'kernelTests'],
    run: (stage) => oldNodeTests(stage, OLD_NODE_VERSIONS.slice(0, 1)),
  },
  package: { silentMinutes: 5, needs: ['build', 'package'], run: (stage) => testFolder(stage, 'package') },
  e2e: {
    silentMinutes: 10,
    touchesKernel: true,
    needs: ['build', 'package', 'engines', 'kernelTests', 'browser', 'vm'],
    prepare: ensureCodeServer,
    run: endToEndTests,
  },
  // Only when they are named: what they need may be gone from where it is fetched, and they take minutes.
  allnodes: {
    isOptional: true,
    silentMinutes: 5,
    touchesKernel: true,
    needs: ['build', 'package', 'engines', 'kernelTests'],
    run: (stage) => oldNodeTests(stage, OLD_NODE_VERSIONS),
  },
  oldvm: { isOptional: true, silentMinutes: 15, needs: ['build', 'vm'], run: (stage) => testFolder(stage, 'oldvm') },
};

/**
 * @typedef {object} RunningStage
 * @property {AbortSignal} signal
 * @property {number} silentMillis
 * @property {number} [output] a descriptor, instead of standard error
 * @property {Record<string, string>} environment by which what it starts is known
 */

/** @param {RunningStage} stage */
async function check({ environment, ...stage }, program, args) {
  await run(program, args, { cwd: ROOT, env: { ...nodeEnvironment(), ...environment }, ...stage });
  return { ...NOTHING, passed: 1 };
}

/**
 * Runs every `*.test.ts` of a folder below test/, a file after the other, and gives the counts.
 * @param {RunningStage} stage
 * @param {string} [runName] by which scripts/expectedSkips.mjs knows the run
 */
async function testFolder(stage, folder, environment = {}, runName = folder) {
  const files = readdirSync(path.join(ROOT, 'test', folder)).filter((name) => name.endsWith('.test.ts'));
  if (files.length === 0) throw new Failure(`test/${folder} holds no test`);
  const tests = files.sort().map((name) => path.join('test', folder, name));
  return await runTests(stage, { program: NODE, tests, environment, runName });
}

/** @param {RunningStage} stage */
async function runTests({ environment: mark, ...stage }, { program, tests, environment = {}, runName }) {
  const work = mkdtempSync(path.join(os.tmpdir(), 'isoscope-test-'));
  const counts = path.join(work, 'counts.json');
  try {
    const reporters = ['spec', 'stdout', './scripts/countReporter.mjs', counts];
    const args = [
      ...(program === NODE ? ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'] : []),
      '--test',
      '--test-concurrency=1',
      ...[0, 2].flatMap((at) => [`--test-reporter=${reporters[at]}`, `--test-reporter-destination=${reporters[at + 1]}`]),
      ...tests,
    ];
    const env = { ...nodeEnvironment(), ...mark, ...environment };
    const failure = await run(program, args, { cwd: ROOT, env, ...stage }).then(
      () => undefined,
      (error) => error,
    );
    const result = readCounts(counts);
    // A failed run must not look green, whatever it counted.
    if (failure !== undefined && result.failed === 0) throw failure;
    return withFailures(result, unexpectedSkips(runName, result.skips));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return NOTHING;
  }
}

/** As root, then with the helper as an ordinary user; an ordinary user can only do the second. */
async function kernelTests(stage) {
  const asUser = (uid) => testFolder(stage, 'kernel', { ISOSCOPE_TEST_UID: String(uid) }, 'kernel as a user');
  if (process.getuid() !== 0) return asUser(process.getuid());
  const asRoot = await testFolder(stage, 'kernel', {}, 'kernel as root');
  const uid = await ensureTestUser();
  say(`stage kernel again, with the helper as the ordinary user ${uid}`);
  return added(asRoot, await asUser(uid));
}

/** What may differ with Node, on older ones than the tests': some do not run TypeScript. */
async function oldNodeTests(stage, versions) {
  const { compileTests } = await import('./compileTests.mjs');
  const units = readdirSync(path.join(ROOT, 'test/unit')).filter((name) => name.endsWith('.test.ts'));
  const files = [
    ...units.map((name) => `test/unit/${name}`),
    ...['protocol', 'programs', 'terminals'].map((name) => `test/kernel/${name}.test.ts`),
  ];
  // As deep below the project as the tests themselves are.
  const folder = path.join(CACHE, 'old-node-tests');
  let total = NOTHING;
  try {
    await compileTests(files, folder, 'node20');
    const tests = files.map((file) => path.join(folder, `${path.basename(file, '.ts')}.mjs`));
    for (const { version, program } of await ensureOldNodes(versions)) {
      say(`with Node ${version}`);
      total = added(total, await runTests(stage, { program, tests, runName: 'old Node' }));
    }
    return total;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function endToEndTests(stage) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-vsix-'));
  try {
    // One package for all of the tests; each would make its own otherwise.
    return await testFolder(stage, 'e2e', { ISOSCOPE_VSIX: await packageTarget(OWN_TARGET, folder) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function added(one, other) {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
    failures: [...one.failures, ...other.failures],
    skips: [...one.skips, ...other.skips],
  };
}

function withFailures(counts, failures) {
  return { ...counts, failed: counts.failed + failures.length, failures: [...counts.failures, ...failures] };
}

/** By Ctrl-C or a signal: no further stage starts. */
let interrupted = false;

/** Fetching is not a stage's time: it depends on the network, and happens once. Gives what went wrong, else nothing. */
async function prepareStage(name) {
  const stage = STAGES[name];
  say(`stage ${name}`);
  try {
    await ensureDebianPackages(stage.needs);
    await stage.prepare?.();
    return undefined;
  } catch (error) {
    return failed(name, error);
  }
}

function failed(name, error) {
  const why = `stage ${name} failed: ${error.message ?? String(error)}`;
  say(why);
  return { ...NOTHING, failed: 1, failures: [why] };
}

/** Runs a stage and removes what it leaves, also when it was interrupted; whatever it throws or leaves is a failure, shown at once. */
async function runStage(name, output) {
  const stage = STAGES[name];
  const started = Date.now();
  const leftovers = new Leftovers(stage.touchesKernel === true);
  const limit = new AbortController();
  const interrupt = () => {
    interrupted = true;
    limit.abort('interrupted');
  };
  for (const signal of SIGNALS) process.once(signal, interrupt);
  try {
    const counts = await stage.run({
      signal: limit.signal,
      silentMillis: stage.silentMinutes * 60_000,
      environment: leftovers.environment,
      ...(output === undefined ? {} : { output }),
    });
    const seconds = Math.round((Date.now() - started) / 1000);
    say(`stage ${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ${seconds} s`);
    if (counts.passed + counts.failed === 0) throw new Failure('nothing ran');
    return withFailures(counts, await left(leftovers, name));
  } catch (error) {
    return withFailures(failed(name, error), await left(leftovers, name));
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

async function left(leftovers, name) {
  return (await leftovers.remove()).map((one) => {
    say(`stage ${name} left ${one}`);
    return `stage ${name} left ${one}`;
  });
}

/** Starts a stage whose output waits in a file until `shown`. */
function startBeside(name) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-beside-'));
  const file = path.join(folder, 'output');
  const output = openSync(file, 'a');
  const ended = runStage(name, output);
  return {
    shown: async () => {
      const counts = await ended;
      closeSync(output);
      process.stderr.write(readFileSync(file));
      rmSync(folder, { recursive: true, force: true });
      return counts;
    },
  };
}

await main(async () => {
  const named = process.argv.slice(2);
  const unknown = named.filter((name) => !(name in STAGES));
  if (unknown.length > 0) throw new Failure(`no stage ${unknown.join(', ')}; there are ${Object.keys(STAGES).join(', ')}`);
  if (process.getuid() === 0 && !isReachable(ROOT)) {
    process.exitCode = await runFromReachablePlace(ROOT, 'scripts/test.mjs', named);
    return;
  }
  await ensureNodePackages();
  await ensureNode();
  // A stage that runs what was built needs the build of these very sources.
  const chosen = named.length === 0 ? Object.keys(STAGES).filter((name) => !STAGES[name].isOptional) : withBuild(named);
  let total = NOTHING;
  const beside = [];
  for (const name of chosen) {
    const unprepared = await prepareStage(name);
    if (unprepared !== undefined) total = added(total, unprepared);
    else if (STAGES[name].beside && name !== chosen.at(-1)) beside.push(startBeside(name));
    else total = added(total, await runStage(name));
    if (interrupted) break;
  }
  for (const { shown } of beside) total = added(total, await shown());
  for (const [reason, count] of reasonsOf(total.skips)) process.stdout.write(`skipped: ${count} × ${reason}\n`);
  for (const failure of total.failures) process.stdout.write(`failed: ${failure.replaceAll('\n', '\n    ')}\n`);
  const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
});

/** The commonest first. */
function reasonsOf(skips) {
  const counts = new Map();
  for (const { reason } of skips) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one);
}

function withBuild(named) {
  const needBuild = ['unit', 'kernel', 'nodes', 'package', 'vm', 'e2e', 'allnodes', 'oldvm'];
  return needBuild.some((name) => named.includes(name)) && !named.includes('build') ? ['build', ...named] : named;
}
