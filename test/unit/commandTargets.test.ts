/** A command that was given a row acts on what that row names, or says that it cannot: it never asks for another. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { CgroupsListResult } from '../../helper/protocol/cgroups.ts';
import { cgroupAnswer, containerAnswer, namespaceAnswer, processAnswer } from '../fixtures/hostAnswers.ts';
import { quietHost } from '../fixtures/quietHost.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const { cgroupsOf, pickCgroup } = await import('../../extension/changes/cgroupPicks.ts');
const { processOrPicked } = await import('../../extension/programs/targetPicks.ts');

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Those that ask for a process beside their target: what to move, whose namespace to join. */
const ASK_BESIDE = ['extension/commands/cgroups/moveProcess.ts', 'extension/programs/sandboxPicks.ts'];
const PICKS = 'extension/programs/targetPicks.ts';

const web = containerAnswer('web', 7, { cgroups: [{ hierarchy: 'unified', path: '/web' }] });

/** A host whose list of cgroups has the container's only once it was read again, or never. */
function hostThatReads(answer: Partial<CgroupsListResult>) {
  const host = quietHost();
  const hierarchies = [{ hierarchy: 'unified', version: 2, controllers: [], mountPoint: '/sys/fs/cgroup' }];
  const list = { mode: 'v2', hierarchies, cgroups: [], unreadable: [], truncated: false } as unknown as CgroupsListResult;
  host.cgroups.model.apply({ ...list, cgroups: [cgroupAnswer('unified', '/')] }, 0);
  host.cgroups.load = async () => undefined;
  host.cgroups.refresh = async () => {
    host.cgroups.model.apply({ ...list, ...answer }, 1);
  };
  return host;
}

test('the cgroups of a container that is newer than their list are looked for again', async () => {
  const host = hostThatReads({ cgroups: [cgroupAnswer('unified', '/'), cgroupAnswer('unified', '/web')] });
  const found = await cgroupsOf(host, { container: web });
  assert.deepEqual(
    found?.map(({ path: place }) => place),
    ['/web'],
  );
});

test('of a container whose cgroups are not in sight that is said, and no other cgroup is asked for', async () => {
  const host = hostThatReads({});
  await assert.rejects(cgroupsOf(host, { container: web }), /No cgroup of web can be seen from here/);
  await assert.rejects(pickCgroup(host, { container: web }, 'any'), /No cgroup of web can be seen from here/);
});

test('a target that names nothing has no cgroups: then a person is asked', async () => {
  assert.equal(await cgroupsOf(quietHost(), {}), undefined);
});

test('of a namespace without a process in sight that is said, and no other process is asked for', async () => {
  const connection = { request: () => assert.fail('a process is asked for') } as never;
  await assert.rejects(processOrPicked(connection, { namespace: namespaceAnswer('net', 12) }), /No process of it is in sight/);
  const process = processAnswer(9, 1);
  assert.deepEqual(await processOrPicked(connection, { process }), { pid: 9, startTime: 90 });
});

test('no command asks for a process by itself when it was given none', () => {
  const files = sourceFiles('extension');
  const asking = files.filter((file) => file !== PICKS && readFileSync(path.join(ROOT, file), 'utf8').includes('pickProcess('));
  assert.deepEqual(asking.sort(), ASK_BESIDE);
});
