/** What nobody on a host may examine is told once, at the end of the Namespaces view; what root could see stays unknown wherever it matters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { NamespacesListResult } from '../../helper/protocol/namespaces.ts';
import { hostNamespaces, processAnswer } from '../fixtures/hostAnswers.ts';
import { quietHost, rowsOf } from '../fixtures/quietHost.ts';
import { Uri } from '../fixtures/vscodeStandIn.ts';

const { NamespacesTree } = await import('../../extension/trees/namespacesTree.ts');
const { TreeFilter } = await import('../../extension/trees/treeFilter.ts');

const NONE = { count: 0, processes: [] };
const INIT = { count: 1, processes: [{ pid: 1, startTime: 1 }] };

async function rows(answer: Pick<NamespacesListResult, 'unreadable' | 'closed'>, incomplete: boolean) {
  const host = quietHost();
  const namespaces = hostNamespaces().map((namespace) => ({ ...namespace, incomplete }));
  host.model.applyProcesses({ revision: 1, complete: true, processes: [processAnswer(1, 0), processAnswer(7, 1)], gone: [] });
  host.model.applyNamespaces({
    revision: 1,
    namespaces,
    unknownSockets: { pending: 0, refused: 0 },
    unsupported: [],
    ...answer,
  });
  const memory = { get: () => undefined, update: async () => undefined, keys: () => [] };
  const tree = new NamespacesTree(host, new TreeFilter(host), Uri.file('/') as never, memory as never);
  return await rowsOf(tree, 4);
}

test('a process that is closed to root, too, is one row, and nothing else is in doubt for its sake', async () => {
  const all = await rows({ unreadable: NONE, closed: INIT }, false);
  const about = all.filter((row) => /at least|closed|readable|maybe|Membership of|Descriptors of/.test(row));
  assert.deepEqual(about, ['1 process closed to everybody also to root']);
});

test('processes that root could examine leave what is listed in doubt', async () => {
  const all = await rows({ unreadable: { count: 1, processes: [{ pid: 7, startTime: 7 }] }, closed: NONE }, true);
  assert.ok(all.some((row) => /^1 process not readable unknown/.test(row)));
  assert.ok(all.some((row) => /at least/.test(row)));
  assert.ok(all.some((row) => /^Membership of 1 process unknown/.test(row)));
});
