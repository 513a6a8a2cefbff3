/** The cgroups of containers: their names, limits and risks, against docker(1). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Cgroup } from '../../helper/protocol/cgroups.ts';
import { mountWith } from '../fixtures/cgroup.ts';
import { cgroupClient } from '../fixtures/cgroupClient.ts';
import { type Docker, startDocker } from '../fixtures/docker.ts';
import { isHelperRoot, unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { untilAnswer } from '../fixtures/until.ts';

const NAME = `isoscope-test-${process.pid}`;
const MIB = 2 ** 20;

describe('cgroups of Docker', { skip: unlessRootHas('docker', 'dockerd') }, () => {
  const { list, inspect } = cgroupClient();
  let engine: Docker;
  before(async () => {
    engine = await startDocker();
  });
  after(() => engine?.[Symbol.asyncDispose]());

  test('bear the name of the container, with its limits and what docker stats measures', async () => {
    using made = engine.run(NAME, ['sleep', '1000'], ['--cpu-quota=2000', '--memory=64m', '--pids-limit=20']);
    const ownOf = (cgroups: Cgroup[]) => cgroups.filter(({ path }) => path.includes(made.id));
    const mergedOf = (own: Cgroup[]) => Object.assign({}, ...own.map(({ figures }) => figures)) as Cgroup['figures'];
    // The engine's own program, which has threads, executes the container's a moment after the container is said to run.
    const { cgroups } = await untilAnswer(
      'the container with its own program',
      () => list(),
      (answer) => mergedOf(ownOf(answer.cgroups)).tasks === 1,
    );
    const own = ownOf(cgroups);
    const merged = mergedOf(own);
    assert.deepEqual([merged.cpuLimitCores, merged.memoryLimitBytes, merged.tasksLimit], [0.02, 64 * MIB, 20]);
    for (const { container, title } of own)
      assert.deepEqual([container, title], [`docker:${made.id}`, isHelperRoot ? NAME : title]);
    const memory = own.find(({ figures }) => figures.memoryBytes !== undefined);
    assert.ok(memory);
    const stats = execFileSync('docker', ['stats', '--no-stream', '--format', '{{.MemUsage}}|{{.PIDs}}', NAME], {
      encoding: 'utf8',
    });
    const { memory: section } = await inspect(memory);
    assert.ok('workingSetBytes' in section && typeof section.workingSetBytes === 'number');
    assert.match(stats, /\/ 64MiB\|1$/m);
    const shown = Number(/^([0-9.]+)/.exec(stats)?.[1]) * (stats.includes('KiB /') ? 1024 : MIB);
    assert.ok(Math.abs(shown - section.workingSetBytes) < MIB / 4, `docker: ${stats}, here: ${section.workingSetBytes}`);
    assert.ok(!own.some(({ badges }) => badges.includes('escapeRisk') || badges.includes('escapeUnknown')));
  });

  test('with CAP_SYS_ADMIN are neither safe nor a danger for whom may not read their mounts', {
    skip: isHelperRoot && 'root may read them',
  }, async (t) => {
    const v1 = mountWith('pids');
    if (v1?.type !== 'cgroup') return t.skip('this host has no v1 hierarchy');
    using made = engine.run(NAME, ['sleep', '1000'], ['--cap-add=SYS_ADMIN', `--volume=${v1.mountPoint}:/hierarchy`]);
    const own = await untilAnswer(
      'the mark',
      async () => (await list()).cgroups.filter(({ path, hierarchy }) => path.includes(made.id) && hierarchy !== 'unified'),
      (cgroups) => cgroups.length > 0 && cgroups.every(({ badges }) => badges.includes('escapeUnknown')),
    );
    assert.ok(!own.some(({ badges }) => badges.includes('escapeRisk')));
    const { risks } = await inspect(own[0]!);
    const [unknown] = risks.filter(({ kind }) => kind === 'writableByContainer');
    assert.equal(unknown?.severity, 'unknown');
    assert.match(unknown.evidence, new RegExp(`the container .* is not known: .* ${made.pid}( |,).*may not be read`));
    assert.match(unknown.fix, /as root/);
  });

  test('with CAP_SYS_ADMIN and a writable v1 hierarchy are a danger, with the evidence', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const v1 = mountWith('pids');
    if (v1?.type !== 'cgroup') return t.skip('this host has no v1 hierarchy');
    using made = engine.run(NAME, ['sleep', '1000'], ['--cap-add=SYS_ADMIN', `--volume=${v1.mountPoint}:/hierarchy`]);
    const { cgroups } = await untilAnswer(
      'the container',
      () => list(),
      (answer) => answer.cgroups.some((one) => one.path.includes(made.id)),
    );
    const own = cgroups.filter(({ path, hierarchy }) => path.includes(made.id) && hierarchy !== 'unified');
    for (const { badges } of own) assert.ok(badges.includes('escapeRisk'));
    const { risks } = await inspect(own[0]!);
    const danger = risks.find(({ kind }) => kind === 'writableByContainer');
    assert.equal(danger?.severity, 'danger');
    assert.match(danger?.evidence ?? '', new RegExp(`${NAME}.*/hierarchy \\(pids\\).*${made.pid}.*CAP_SYS_ADMIN`));
  });

  for (const [options, badge, severity] of [
    [['--security-opt=seccomp=unconfined', '--security-opt=apparmor=unconfined'], 'escapeRisk', 'danger'],
    // Docker's filter lets who has the capability mount, but which filter it is cannot be known from outside.
    [[], 'escapeUnknown', 'note'],
  ] as const) {
    const how =
      options.length > 0 ? 'whom nothing else confines are a danger' : 'whom a filter confines are said to be not known';
    test(`with CAP_SYS_ADMIN, without a mount, ${how}`, { skip: unlessHelperIsRoot }, async () => {
      using made = engine.run(NAME, ['sleep', '1000'], ['--cap-add=SYS_ADMIN', ...options]);
      const { cgroups } = await untilAnswer(
        'the container',
        () => list(),
        (answer) => answer.cgroups.some((one) => one.path.includes(made.id)),
      );
      const own = cgroups.filter(({ path, hierarchy }) => path.includes(made.id) && hierarchy !== 'unified');
      for (const { badges } of own)
        assert.deepEqual(
          badges.filter((one) => one.startsWith('escape')),
          [badge],
        );
      const { risks } = await inspect(own[0]!);
      assert.deepEqual(
        risks.map((risk) => risk.severity),
        [severity],
      );
    });
  }

  test('with a process that was given more privilege than its first are a danger by that one', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const v1 = mountWith('pids');
    if (v1?.type !== 'cgroup') return t.skip('this host has no v1 hierarchy');
    using made = engine.run(
      NAME,
      ['sleep', '1000'],
      ['--cap-add=SYS_ADMIN', '--user=1000', `--volume=${v1.mountPoint}:/hierarchy`],
    );
    const { cgroups } = await untilAnswer(
      'the container',
      () => list(),
      (answer) => answer.cgroups.some((one) => one.path.includes(made.id)),
    );
    const own = cgroups.find(({ path, hierarchy }) => path.includes(made.id) && hierarchy !== 'unified');
    const dangers = async () => (await inspect(own!)).risks.filter(({ severity }) => severity === 'danger');
    const isMarked = async () => (await list()).cgroups.find(({ ino }) => ino === own!.ino)?.badges.includes('escapeRisk');
    // Until its program is executed, its first process is the engine's own, which has every privilege.
    await untilAnswer('no danger', dangers, (found) => found.length === 0);
    await untilAnswer('no mark', isMarked, (marked) => marked === false);
    execFileSync('docker', ['exec', '--detach', '--user=0', NAME, 'sleep', '999']);
    // On its way there it is the engine's own program, under a pid that is gone when it forks.
    const programOf = (evidence = '') => {
      const [, pid] = /its process, (\d+), holds CAP_SYS_ADMIN/.exec(evidence) ?? [];
      return existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
    };
    await untilAnswer('the danger by what was started', dangers, ([danger]) =>
      /^sleep\x00999/.test(programOf(danger?.evidence)),
    );
    await untilAnswer('the mark in the list', isMarked, (marked) => marked === true);
  });
});
