import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientModel, isEmpty } from '../../extension/model/clientModel.ts';
import type { Process, ProcessesListResult } from '../../helper/protocol/processes.ts';
import { containerAnswer, hostNamespaces, namespaceAnswer, processAnswer } from '../fixtures/hostAnswers.ts';

function everything(...processes: Process[]): ProcessesListResult {
  return { revision: 1, complete: true, processes, gone: [] };
}

function changes(processes: Process[], gone: Process[] = []): ProcessesListResult {
  return { revision: 2, complete: false, processes, gone: gone.map(({ pid, startTime }) => ({ pid, startTime })) };
}

test('an answer that says the same again changes nothing', () => {
  const model = new ClientModel();
  const answer = everything(processAnswer(1, 0), processAnswer(2, 1));
  model.applyProcesses(answer);
  assert.ok(isEmpty(model.applyProcesses(structuredClone(answer))));
});

test('a new process is told with its parent, its container and its namespaces, and nothing else', () => {
  const model = new ClientModel();
  model.applyProcesses(everything(processAnswer(1, 0), processAnswer(2, 1)));
  const delta = model.applyProcesses(changes([processAnswer(7, 2, { container: 'docker web', namespaces: { net: 99 } })]));
  assert.deepEqual([...delta.processes].sort(), [2, 7]);
  assert.deepEqual([...delta.containerProcesses], ['docker web']);
  assert.ok(delta.members.has('net:99'));
  assert.ok(!delta.members.has('net:4'));
});

test('a process that moves to another namespace leaves the members of the old one', () => {
  const model = new ClientModel();
  model.applyProcesses(everything(processAnswer(2, 1)));
  const delta = model.applyProcesses(changes([processAnswer(2, 1, { namespaces: { net: 99 } })]));
  assert.deepEqual([...model.membersOf('net:4')], []);
  assert.deepEqual([...model.membersOf('net:99')], [2]);
  assert.ok(delta.members.has('net:4') && delta.members.has('net:99'));
});

test('a pid that is used again is another process', () => {
  const model = new ClientModel();
  const before = processAnswer(2, 1, { container: 'docker web' });
  model.applyProcesses(everything(before));
  model.applyProcesses(changes([processAnswer(2, 1, { startTime: 999, name: 'other' })]));
  assert.equal(model.process(before), undefined);
  assert.equal(model.process({ pid: 2, startTime: 999 })?.name, 'other');
  assert.deepEqual([...model.processesOf('docker web')], []);
});

test('the end of an earlier process does not remove the one that has its pid now', () => {
  const model = new ClientModel();
  const before = processAnswer(2, 1);
  model.applyProcesses(everything(processAnswer(2, 1, { startTime: 999 })));
  model.applyProcesses(changes([], [before]));
  assert.ok(model.process({ pid: 2, startTime: 999 }));
});

test('what a complete answer leaves out has ended, also after the helper was started anew', () => {
  const model = new ClientModel();
  model.applyProcesses(everything(processAnswer(1, 0), processAnswer(2, 1), processAnswer(3, 2)));
  const delta = model.applyProcesses(everything(processAnswer(1, 0), processAnswer(2, 1)));
  assert.deepEqual([...model.processes.keys()], [1, 2]);
  assert.deepEqual([...model.childrenOf(2)], []);
  assert.ok(delta.processes.has(3) && delta.processes.has(2));
});

test('a container whose processes are counted anew changes its row but not the list of containers', () => {
  const model = new ClientModel();
  model.applyContainers({ revision: 1, containers: [containerAnswer('web', 7)] });
  const delta = model.applyContainers({ revision: 2, containers: [containerAnswer('web', 7, { processCount: 2 })] });
  assert.deepEqual([...delta.containers], ['docker web']);
  assert.equal(delta.containerList, false);
});

test('a container that ends changes the list of containers', () => {
  const model = new ClientModel();
  model.applyContainers({ revision: 1, containers: [containerAnswer('web', 7)] });
  const delta = model.applyContainers({ revision: 2, containers: [] });
  assert.equal(delta.containerList, true);
  assert.equal(model.containers.size, 0);
});

test('a namespace that is pinned by something new changes its row but not the list of namespaces', () => {
  const model = new ClientModel();
  const answer = {
    revision: 1,
    unreadable: { count: 0, processes: [] },
    closed: { count: 0, processes: [] },
    unknownSockets: { pending: 0, refused: 0 },
    unsupported: [],
  };
  model.applyNamespaces({ ...answer, namespaces: [...hostNamespaces(), namespaceAnswer('net', 99)] });
  const pinned = namespaceAnswer('net', 99, {
    pins: [{ by: 'bindMount', mountNamespace: 2, mountId: 5, mountPoint: '/run/netns/x' }],
  });
  const delta = model.applyNamespaces({ ...answer, namespaces: [...hostNamespaces(), pinned] });
  assert.deepEqual([...delta.namespaces], ['net:99']);
  assert.equal(delta.namespaceList, false);
  assert.equal(model.applyNamespaces({ ...answer, namespaces: hostNamespaces() }).namespaceList, true);
});

test('one more process among five thousand touches only what shows it', () => {
  const model = new ClientModel();
  const many = Array.from({ length: 5000 }, (_, index) => processAnswer(index + 10, 1));
  model.applyProcesses(everything(processAnswer(1, 0), ...many));
  const delta = model.applyProcesses(changes([processAnswer(9000, 17)]));
  assert.deepEqual([...delta.processes].sort(), [17, 9000]);
});

test('a list is complete when every process could be read, but for the host’s init, which some hosts hide from everybody', () => {
  const model = new ClientModel();
  const answer = {
    revision: 1,
    namespaces: hostNamespaces(),
    closed: { count: 0, processes: [] },
    unknownSockets: { pending: 0, refused: 0 },
    unsupported: [],
  };
  const apply = (...pids: number[]) => {
    const processes = pids.map((pid) => ({ pid, startTime: pid }));
    model.applyNamespaces({ ...answer, unreadable: { count: pids.length, processes } });
    return model.isComplete;
  };
  assert.deepEqual([apply(), apply(1), apply(1, 7), apply(7)], [true, true, false, false]);
});

test('whether all net namespaces are known, and who owns them, hangs also on what sockets tell', () => {
  const model = new ClientModel();
  const none = { count: 0, processes: [] };
  const answer = { revision: 1, namespaces: hostNamespaces(), unreadable: none, closed: none, unsupported: [] };
  const apply = (pending: number, refused: number) =>
    model.applyNamespaces({ ...answer, unknownSockets: { pending, refused } }).namespaceList;
  const known = () => (['net', 'user', 'pid'] as const).map((kind) => model.knowsAll(kind));
  apply(0, 0);
  assert.deepEqual(known(), [true, true, true]);
  assert.deepEqual([apply(3, 0), known()], [true, [false, false, true]]);
  assert.deepEqual([apply(0, 3), known()], [true, [false, false, true]]);
  assert.deepEqual([apply(0, 3), apply(0, 0)], [false, true]);
});
