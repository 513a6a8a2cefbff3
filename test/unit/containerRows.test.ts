/** What the row of a container says first, and when it is drawn again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { Cgroup } from '../../helper/protocol/cgroups.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import { cgroupAnswer, containerAnswer } from '../fixtures/hostAnswers.ts';
import { quietHost } from '../fixtures/quietHost.ts';
import { type TreeItem, Uri } from '../fixtures/vscodeStandIn.ts';

const { ContainersTree } = await import('../../extension/trees/containersTree.ts');
const { TreeFilter } = await import('../../extension/trees/treeFilter.ts');

const MIB = 2 ** 20;
const HIERARCHIES = [{ hierarchy: 'unified', version: 2, controllers: ['cpu', 'memory'] }] as never;

/** A host with one container, of which lists of cgroups come every 2 s. */
function hostWith(container: Container) {
  const host = quietHost();
  host.model.applyContainers({ revision: 1, containers: [container] });
  const tree = new ContainersTree(host, new TreeFilter(host), Uri.file('/') as never);
  let atMillis = 0;
  const list = (...cgroups: Cgroup[]) => {
    atMillis += 2000;
    return host.cgroups.model.apply(
      { mode: 'v2', hierarchies: HIERARCHIES, cgroups, unreadable: [], truncated: false },
      atMillis,
    );
  };
  const row = async () => (await tree.getChildren())[0]!;
  const item = async () => tree.getTreeItem(await row()) as TreeItem;
  return { host, tree, list, row, item };
}

const root = cgroupAnswer('unified', '/');
const web = containerAnswer('web', 10);

function cgroupOf(figures: Cgroup['figures'], given: Partial<Cgroup> = {}): Cgroup {
  return cgroupAnswer('unified', '/web', { container: web.key, title: 'web', figures, ...given });
}

test('a row says the CPUs that were used since the list before, and memory of its limit', async () => {
  const { list, item } = hostWith({ ...web, image: 'nginx:1.27' });
  const memory = { memoryBytes: 212.3 * MIB, memoryLimitBytes: 512 * MIB };
  list(root, cgroupOf({ cpuUsageMicros: 1_000_000, ...memory }));
  assert.equal((await item()).description, '212 MiB of 512 MiB', 'what one reading does not tell is left out');
  list(root, cgroupOf({ cpuUsageMicros: 1_800_000, ...memory }));
  assert.equal((await item()).description, '0.4 CPU · 212 MiB of 512 MiB');
  assert.equal(
    (await item()).accessibilityInformation?.label,
    'web, Docker, running, 0.4 CPUs used, 212 MiB of 512 MiB of memory used',
  );
});

test('the limit is the one that binds, also where it is that of a cgroup above', async () => {
  const { list, item } = hostWith(web);
  const slice = cgroupAnswer('unified', '/slice', { figures: { memoryLimitBytes: 256 * MIB } });
  const below = (figures: Cgroup['figures']) => cgroupAnswer('unified', '/slice/web', { container: web.key, figures });
  list(root, slice, below({ memoryBytes: 9.5 * MIB }));
  assert.equal((await item()).description, '9.5 MiB of 256 MiB');
  list(root, slice, below({ memoryBytes: 9.5 * MIB, memoryLimitBytes: 64 * MIB }));
  assert.equal((await item()).description, '9.5 MiB of 64 MiB');
});

test('what is not known is not shown as nothing: without a cgroup of its own a row says its processes', async () => {
  const { list, item } = hostWith({ ...web, engine: 'unnamed', processCount: 3 });
  list(root);
  assert.equal((await item()).description, '3 processes');
});

test('only what is out of the ordinary is said beside: a state, a pod, an owner, what is wrong', async () => {
  const pod = { uid: 'u', name: 'web-0' };
  const { list, item } = hostWith({ ...web, state: 'paused', pod, rootlessUid: 1000 });
  list(
    root,
    cgroupOf({ memoryBytes: 60 * MIB, memoryLimitBytes: 64 * MIB }, { badges: ['throttled', 'nearLimit', 'delegated'] }),
  );
  assert.equal((await item()).description, 'paused · 60 MiB of 64 MiB · near its limit · throttled · web-0 · rootless');
});

test('a row is drawn again when its text is another, and not before', async () => {
  const { list, item, row } = hostWith(web);
  list(root, cgroupOf({ memoryBytes: 212.3 * MIB }));
  await item();
  const node = await row();
  assert.equal(node.touchedBy(list(root, cgroupOf({ memoryBytes: 212.4 * MIB }))), false);
  assert.equal(node.touchedBy(list(root, cgroupOf({ memoryBytes: 213.4 * MIB }))), true);
});

test('figures of an unfolded row, with which all below it is drawn, are drawn less often, and none is missed', async (t) => {
  const { list, item, row, tree } = hostWith(web);
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  list(root, cgroupOf({ memoryBytes: 10 * MIB }));
  await item();
  const node = await row();
  await tree.getChildren(node);
  now = 2000;
  assert.equal(node.touchedBy(list(root, cgroupOf({ memoryBytes: 20 * MIB }))), false);
  now = 8000;
  const others = list({ ...root, figures: { memoryBytes: 1 } }, cgroupOf({ memoryBytes: 20 * MIB }));
  assert.equal(node.touchedBy(others), true);
});
