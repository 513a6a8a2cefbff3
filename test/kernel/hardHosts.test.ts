/** Hosts that are hard to read: one that hides processes, one with ten thousand namespaces, one where a container covers `/proc`. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Initialize } from '../../helper/protocol/host.ts';
import { NamespacesInspect, NamespacesList } from '../../helper/protocol/namespaces.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { isHelperRoot, isRoot, testUid } from '../fixtures/environment.ts';
import { startHelper } from '../fixtures/helper.ts';
import { namespaceOfPid, startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const NOBODY = 65534;
const MANY = 10_000;

/** Makes uts namespaces and keeps each by a descriptor only; says so when they are all there. */
const KEEPER = `
const fs = require('node:fs');
const unshare = require('koffi').load(null).func('int unshare(int flags)');
for (let at = 0; at < ${MANY}; at += 1) {
  if (unshare(0x04000000) !== 0) throw new Error('unshare failed');
  fs.openSync('/proc/thread-self/ns/uts', 'r');
}
process.stdout.write('there');
process.stdin.resume();
`;

describe('a /proc that hides the processes of others', { skip: !isRoot && 'only root can mount it' }, () => {
  const through = ['unshare', '--mount', 'sh', '-c', 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', 'sh'];
  const asNobody = [...through, 'setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

  test('gives an ordinary user what is its own, and says that there may be more', async (t) => {
    const foreign = await startSleeper([]);
    t.after(foreign.stop);
    const own = await startSleeper([], { uid: NOBODY });
    t.after(own.stop);
    await using helper = await startHelper({ uid: 0, through: asNobody });
    const { processes } = await helper.request(ProcessesList, {});
    assert.ok(processes.some(({ pid }) => pid === own.pid));
    assert.ok(!processes.some(({ pid }) => pid === foreign.pid));
    const { namespaces } = await helper.request(NamespacesList, {});
    assert.ok(namespaces.length > 0 && namespaces.every(({ incomplete }) => incomplete));
  });

  test('hides nothing from root', async (t) => {
    const foreign = await startSleeper([], { uid: NOBODY });
    t.after(foreign.stop);
    await using helper = await startHelper({ uid: 0, through });
    const { processes } = await helper.request(ProcessesList, {});
    assert.ok(processes.some(({ pid }) => pid === foreign.pid));
  });
});

test(`${MANY} namespaces that one process keeps are all listed, with their pins, while other requests are served`, {
  skip: !isHelperRoot && 'only root can make so many',
}, async (t) => {
  const limit = `ulimit -n ${MANY + 1000} && exec "$@"`;
  const keeper = await startSpecimen(['sh', '-c', limit, 'sh', process.execPath, '-e', KEEPER]);
  t.after(keeper.stop);
  await using helper = await startHelper();
  let isListed = false;
  const listing = helper.request(NamespacesList, { kinds: ['uts'], members: false }).finally(() => {
    isListed = true;
  });
  await helper.request(Initialize, {});
  assert.ok(!isListed, 'another request was answered meanwhile');
  const { namespaces } = await listing;
  const kept = namespaces.filter(({ pins }) => pins.some((pin) => pin.by === 'descriptor' && pin.process.pid === keeper.pid));
  assert.equal(kept.length, MANY);
  assert.ok(kept.every(({ owner }) => owner !== null && !('unknown' in owner)));
});

test('a process whose own /proc is covered is read through the host’s', {
  skip: !isRoot && 'only root can mount',
}, async (t) => {
  const covered = await startSleeper(['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs /proc && exec "$@"', 'sh']);
  t.after(covered.stop);
  await using helper = await startHelper();
  const { processes } = await helper.request(ProcessesList, {});
  const shown = processes.find(({ pid }) => pid === covered.pid);
  assert.equal(shown?.name, 'busybox');
  assert.equal(shown.namespaces.mnt, isHelperRoot ? namespaceOfPid('mnt', covered.pid).ino : null);
});

test('a namespace is inspected with its members, and one that is not there is gone', async () => {
  const uid = isHelperRoot ? undefined : testUid;
  const sleeper = await startSleeper(['unshare', '--user', '--map-root-user'], { uid });
  await using helper = await startHelper();
  try {
    const namespace = namespaceOfPid('user', sleeper.pid);
    const inspected = await helper.request(NamespacesInspect, { namespace });
    assert.deepEqual(
      inspected.members?.map(({ pid }) => pid),
      [sleeper.pid],
    );
    await assert.rejects(helper.request(NamespacesInspect, { namespace: { ...namespace, dev: namespace.dev + 1 } }), {
      data: { reason: 'gone', hint: 'Refresh the view and choose another namespace.' },
    });
  } finally {
    await sleeper.stop();
  }
});
