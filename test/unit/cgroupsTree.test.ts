/** What the Cgroups view says when no row of its grouping is there: never that the host has no cgroups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { CgroupsListResult } from '../../helper/protocol/cgroups.ts';
import { quietHost, rowsOf } from '../fixtures/quietHost.ts';
import { bench, Uri } from '../fixtures/vscodeStandIn.ts';

const { CgroupsTree } = await import('../../extension/trees/cgroupsTree.ts');
const { TreeFilter } = await import('../../extension/trees/treeFilter.ts');
const { ContextKey } = await import('../../extension/base/ids.ts');

const NO_CGROUPS: CgroupsListResult = { mode: 'v2', hierarchies: [], cgroups: [], unreadable: [], truncated: false };
const UNIFIED = { hierarchy: 'unified', version: 2, controllers: [], mountPoint: '/sys/fs/cgroup' } as const;

async function byContainer(answer: Partial<CgroupsListResult>): Promise<string[]> {
  const host = quietHost();
  host.cgroups.model.apply({ ...NO_CGROUPS, ...answer }, 0);
  const memory = { get: () => 'container', update: async () => undefined, keys: () => [] };
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
