/** What the Cgroups view shows first, and what it says when no row of its grouping is there: never that the host has no cgroups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { CgroupsListResult } from '../../helper/protocol/cgroups.ts';
import { cgroupAnswer, containerAnswer } from '../fixtures/hostAnswers.ts';
import { quietHost, rowsOf } from '../fixtures/quietHost.ts';
import { bench, Uri } from '../fixtures/vscodeStandIn.ts';

const { CgroupsTree } = await import('../../extension/trees/cgroupsTree.ts');
const { TreeFilter } = await import('../../extension/trees/treeFilter.ts');
const { ContextKey } = await import('../../extension/base/ids.ts');

const NO_CGROUPS: CgroupsListResult = { mode: 'v2', hierarchies: [], cgroups: [], unreadable: [], truncated: false };
const UNIFIED = { hierarchy: 'unified', version: 2, controllers: [], mountPoint: '/sys/fs/cgroup' } as const;

async function byContainer(answer: Partial<CgroupsListResult>, stored?: string, host = quietHost()): Promise<string[]> {
  host.cgroups.model.apply({ ...NO_CGROUPS, ...answer }, 0);
  const memory = { get: () => stored, update: async () => undefined, keys: () => [] };
  return await rowsOf(new CgroupsTree(host, new TreeFilter(host), Uri.file('/') as never, memory as never), 1);
}

test('grouped by container, a host without containers has cgroups all the same', async () => {
  const rows = await byContainer({ hierarchies: [UNIFIED] as never });
  assert.deepEqual(rows, ['No container has a cgroup group by hierarchy to see the others…']);
  assert.equal(bench.context.get(ContextKey.cgroupsList), 'rows', 'so the view’s own words are not shown');
});

test('grouped by container, a hierarchy that could not be read is told as unknown', async () => {
  const rows = await byContainer({
    hierarchies: [UNIFIED] as never,
    unreadable: [{ hierarchy: 'cpu', why: { unknown: 'busy' } }],
  });
  assert.equal(rows.length, 1);
  assert.match(rows[0] ?? '', /^cpu unknown/);
});

test('a host without hierarchies has none to tell of', async () => {
  assert.deepEqual(await byContainer({}), []);
});

test('until a person chose otherwise it is by container, and services of the host come after', async () => {
  const host = quietHost();
  const service = containerAnswer('cron.service', 2, { key: 'systemd cron', engine: 'systemd', isolated: false });
  host.model.applyContainers({ revision: 1, containers: [containerAnswer('web', 1), service] });
  const cgroups = [
    cgroupAnswer('unified', '/'),
    cgroupAnswer('unified', '/cron', { container: 'systemd cron', title: 'cron.service' }),
    cgroupAnswer('unified', '/web', { container: 'docker web', title: 'web' }),
  ];
  const rows = await byContainer({ hierarchies: [UNIFIED] as never, cgroups }, undefined, host);
  assert.deepEqual(
    rows.map((row) => row.split(' ')[0]),
    ['web', 'cron.service'],
  );
});
