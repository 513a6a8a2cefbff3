import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientModel, keyOf } from '../../extension/model/clientModel.ts';
import {
  childProcesses,
  containerRoots,
  containersIn,
  containersWithin,
  members,
  namespaceForest,
  outerContainer,
  sortedContainers,
  sortedNamespaces,
} from '../../extension/model/hierarchy.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import type { Namespace } from '../../helper/protocol/namespaces.ts';
import type { Process } from '../../helper/protocol/processes.ts';
import { containerAnswer, HOST, hostNamespaces, namespaceAnswer, processAnswer, ref } from '../fixtures/hostAnswers.ts';

function modelOf(processes: Process[], containers: Container[] = [], namespaces: Namespace[] = hostNamespaces()): ClientModel {
  const model = new ClientModel();
  model.applyProcesses({ revision: 1, complete: true, processes, gone: [] });
  model.applyContainers({ revision: 1, containers });
  model.applyNamespaces({
    revision: 1,
    namespaces,
    unreadable: { count: 0, processes: [] },
    closed: { count: 0, processes: [] },
    unknownSockets: { pending: 0, refused: 0 },
    unsupported: [],
  });
  return model;
}

const pids = (processes: Process[]) => processes.map(({ pid }) => pid);

test("a container's process tree begins with what the engine started, and with what was started into it from outside", () => {
  const inside = { container: 'docker web' };
  const model = modelOf([
    processAnswer(1, 0),
    processAnswer(50, 1),
    processAnswer(70, 50, inside),
    processAnswer(71, 70, inside),
    processAnswer(90, 50, inside),
  ]);
  assert.deepEqual(pids(containerRoots(model, 'docker web')), [70, 90]);
  const [root] = containerRoots(model, 'docker web');
  assert.deepEqual(pids(childProcesses(model, root!)), [71]);
});

test('members are listed with those of containers first, by name, and kernel threads last', () => {
  const model = modelOf(
    [
      processAnswer(2, 0, { kernelThread: true }),
      processAnswer(5, 1),
      processAnswer(70, 5, { container: 'docker web' }),
      processAnswer(60, 5, { container: 'docker zebra' }),
    ],
    [containerAnswer('web', 70), containerAnswer('zebra', 60)],
  );
  assert.deepEqual(pids(members(model, `net:${HOST.net}`)), [70, 60, 5, 2]);
});

test('containers are sorted by name as people count, and services that isolate nothing are apart', () => {
  const model = modelOf(
    [],
    [
      containerAnswer('web10', 1),
      containerAnswer('web2', 2),
      containerAnswer('cron', 3, { isolated: false, engine: 'systemd' }),
    ],
  );
  assert.deepEqual(
    sortedContainers(model, true).map(({ name }) => name),
    ['web2', 'web10'],
  );
  assert.deepEqual(
    sortedContainers(model, false).map(({ name }) => name),
    ['cron'],
  );
});

test('what an engine runs is a container also when its namespaces may not be read', () => {
  const model = modelOf([], [containerAnswer('web', 1, { isolated: false, namespaces: { net: null, mnt: null } })]);
  assert.deepEqual(
    sortedContainers(model, true).map(({ name }) => name),
    ['web'],
  );
});

test("the host's namespace comes first, then those of containers by name", () => {
  const namespaces = [namespaceAnswer('net', 90), namespaceAnswer('net', 91), namespaceAnswer('net', HOST.net)];
  const containers = [
    containerAnswer('b', 2, { namespaces: { net: 90 } }),
    containerAnswer('a', 1, { namespaces: { net: 91 } }),
  ];
  const model = modelOf([], containers, namespaces);
  assert.deepEqual(
    sortedNamespaces(model, model.namespaces.values()).map(({ ino }) => ino),
    [HOST.net, 91, 90],
  );
});

test('by owner, every namespace is below the user namespace that owns it', () => {
  const inner = namespaceAnswer('user', 100);
  const owned = namespaceAnswer('net', 101, { owner: ref('user', 100) });
  const forest = namespaceForest(modelOf([], [], [...hostNamespaces(), inner, owned]), 'owner');
  assert.deepEqual(forest.roots.map(keyOf), [`user:${HOST.user}`]);
  assert.deepEqual(forest.below.get('user:100')?.map(keyOf), ['net:101']);
  assert.equal(forest.above.get('net:101'), 'user:100');
});

test('a pid namespace whose parent is out of sight or unknown is a root of the pid tree, not missing from it', () => {
  const outOfSight = namespaceAnswer('pid', 200, { parent: null });
  const unknown = namespaceAnswer('pid', 201, { parent: { unknown: 'permission' } });
  const child = namespaceAnswer('pid', 202, { parent: ref('pid', 201) });
  const forest = namespaceForest(modelOf([], [], [...hostNamespaces(), outOfSight, unknown, child]), 'pid');
  assert.deepEqual(forest.roots.map(({ ino }) => ino).sort(), [200, 201, HOST.pid].sort());
  assert.deepEqual(
    forest.below.get('pid:201')?.map(({ ino }) => ino),
    [202],
  );
});

test('namespaces that claim to be above each other are still all shown, each once', () => {
  const one = namespaceAnswer('pid', 300, { parent: ref('pid', 301) });
  const other = namespaceAnswer('pid', 301, { parent: ref('pid', 300) });
  const itself = namespaceAnswer('pid', 302, { parent: ref('pid', 302) });
  const forest = namespaceForest(modelOf([], [], [one, other, itself]), 'pid');
  const shown = [...forest.roots, ...[...forest.below.values()].flat()].map(({ ino }) => ino);
  assert.deepEqual(shown.sort(), [300, 301, 302]);
});

test('containers in containers are below the outer one, and answers that make a circle of it hide none', () => {
  const within = (model: ClientModel, key: string) =>
    containersWithin(model, model.containers.get(key)!).map(({ name }) => name);
  const node = containerAnswer('node', 60);
  const model = modelOf(
    [],
    [node, containerAnswer('pod', 70, { outer: node.key }), containerAnswer('web', 80, { outer: 'gone' })],
  );
  assert.deepEqual(within(model, 'docker node'), ['pod']);
  assert.equal(outerContainer(model, model.containers.get('docker pod')!)?.name, 'node');
  assert.equal(outerContainer(model, model.containers.get('docker web')!), undefined);
  const circle = modelOf(
    [],
    [containerAnswer('a', 60, { outer: 'docker b' }), containerAnswer('b', 70, { outer: 'docker a' })],
  );
  for (const container of circle.containers.values()) assert.equal(outerContainer(circle, container), undefined);
});

test('a namespace that containers share is known by the one that made it, not by the first name', () => {
  const [alpha, web] = [
    containerAnswer('alpha', 80, { namespaces: { net: 99 } }),
    containerAnswer('web', 70, { namespaces: { net: 99 } }),
  ];
  const model = modelOf([], [alpha, web], [...hostNamespaces(), namespaceAnswer('net', 99, { container: web.key })]);
  assert.deepEqual(
    containersIn(model, ref('net', 99)).map(({ name }) => name),
    ['web', 'alpha'],
  );
  const unknown = modelOf([], [alpha, web], [...hostNamespaces(), namespaceAnswer('net', 99)]);
  assert.equal(containersIn(unknown, ref('net', 99))[0]?.name, 'alpha');
});
