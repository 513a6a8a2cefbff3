import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientModel } from '../../extension/model/clientModel.ts';
import { nsenterNamespace, nsenterProcess } from '../../extension/words/nsenter.ts';
import { hostNamespaces, namespaceAnswer, processAnswer } from '../fixtures/hostAnswers.ts';

function hostModel(): ClientModel {
  const model = new ClientModel();
  model.applyNamespaces({
    revision: 1,
    namespaces: hostNamespaces(),
    unreadable: { count: 0, processes: [] },
    closed: { count: 0, processes: [] },
    unknownSockets: { pending: 0, refused: 0 },
    unsupported: [],
  });
  return model;
}

test('the line for a process enters the namespaces that are not the host’s, and no others', () => {
  const process = processAnswer(7, 1, { namespaces: { net: 99, mnt: 98 } });
  assert.equal(nsenterProcess(hostModel(), process), 'nsenter --target 7 --net --mount --root --wd');
});

test('the line for a namespace without members uses what keeps it alive', () => {
  const bound = namespaceAnswer('net', 99, {
    pins: [{ by: 'bindMount', mountNamespace: 2, mountId: 1, mountPoint: '/run/my netns' }],
  });
  assert.equal(nsenterNamespace(bound), "nsenter --net='/run/my netns'");
  const process = { pid: 5, startTime: 50 };
  const open = namespaceAnswer('mnt', 99, { pins: [{ by: 'descriptor', process, name: 'x', descriptor: 3 }] });
  assert.equal(nsenterNamespace(open), 'nsenter --mount=/proc/5/fd/3');
  const socket = { by: 'socket', process, name: 'x', descriptor: 7, tun: false, others: 0 } as const;
  assert.equal(nsenterNamespace(namespaceAnswer('net', 99, { pins: [socket] })), 'nsenter --target 5 --net-socket 7');
  assert.equal(
    nsenterNamespace(namespaceAnswer('net', 99, { pins: [socket, ...bound.pins] })),
    "nsenter --net='/run/my netns'",
  );
  assert.equal(nsenterNamespace(namespaceAnswer('user', 99, { pins: [{ by: 'initial' }] })), undefined);
});
