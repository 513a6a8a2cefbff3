/** Net namespaces that nobody is in, kept by a socket of a process that is in another: listed, told of, entered and looked into. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { HostWatch } from '../../helper/protocol/host.ts';
import {
  type Namespace,
  type NamespaceRef,
  NamespacesInspect,
  NamespacesList,
  type NamespacesListResult,
} from '../../helper/protocol/namespaces.ts';
import { NetworkInspect } from '../../helper/protocol/network.ts';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import { has, isHelperRoot, isRoot, testUid, unlessHelperIsRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { until, untilAnswer, WAIT_MILLIS } from '../fixtures/until.ts';
import {
  heldByPassedSocket,
  heldBySocket,
  type Kept,
  namespaceOfPid,
  refOfProcess,
  SOCKET_KINDS,
  startSpecimen,
} from '../fixtures/zoo.ts';

/** More than one answer waits for. */
const MANY_SOCKETS = 1200;

describe('a net namespace that only a socket keeps', { skip: !isRoot && 'namespaces are made as root' }, () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  const list = (): Promise<NamespacesListResult> => helper.request(NamespacesList, { members: false });
  const listed = async (ref: NamespaceRef): Promise<Namespace | undefined> =>
    (await list()).namespaces.find(({ kind, ino }) => kind === ref.kind && ino === ref.ino);

  for (const kind of SOCKET_KINDS) {
    test(`is listed with the process and the descriptor that keep it, and no more when that is closed: ${kind}`, {
      skip: unlessHelperIsRoot,
    }, async (t) => {
      const kept = await heldBySocket(kind);
      t.after(kept.keeper.stop);
      const found = await listed(kept.namespace);
      assert.ok(found, 'it is not listed');
      assert.equal(found.dev, kept.namespace.dev);
      assert.equal(found.processCount, 0);
      const process = refOfProcess(kept.keeper.pid);
      const pin = { by: 'socket', process, name: 'node', descriptor: kept.descriptor, tun: kind === 'tun', others: 0 };
      assert.deepEqual(
        found.pins.map((one) => ({ ...one, name: 'node' })),
        [pin],
      );
      assert.equal((found.owner as NamespaceRef).ino, namespaceOfPid('user', kept.keeper.pid).ino);
      assertSeenByLsns(kept);
      await kept.release();
      await until(async () => (await listed(kept.namespace)) === undefined, 'it is listed no more');
    });
  }

  test('is looked into and entered through that socket', { skip: unlessHelperIsRoot }, async (t) => {
    const kept = await heldBySocket('tcp');
    t.after(kept.keeper.stop);
    // Also by a helper that has listed nothing.
    const other = await startHelper();
    t.after(other.stop);
    for (const one of [other, helper]) {
      const command = ['readlink', '/proc/self/ns/net'];
      const { stdout } = await one.request(ProgramsRun, { namespaces: [kept.namespace], command });
      assert.equal(stdout, `net:[${kept.namespace.ino}]\n`);
    }
    const { sockets, interfaces, rules } = await helper.request(NetworkInspect, { namespace: kept.namespace });
    assert.deepEqual(
      interfaces.map(({ name }) => name),
      ['lo'],
    );
    assert.ok(Array.isArray(sockets) && rules.length > 0);
    assert.deepEqual(
      sockets.map(({ protocol, port, processes }) => [
        protocol,
        port,
        processes.map(({ pid, descriptor }) => [pid, descriptor]),
      ]),
      [['tcp', 0x1f90, [[kept.keeper.pid, kept.descriptor]]]],
    );
  });

  test('of a rootless container that has ended is there for its user, with its owner, and can be entered', async (t) => {
    const kept = await heldByPassedSocket(isHelperRoot ? undefined : testUid);
    t.after(kept.keeper.stop);
    const found = await listed(kept.namespace);
    assert.ok(found, 'it is not listed');
    assert.deepEqual(
      found.pins.map((pin) => pin.by === 'socket' && [pin.process.pid, pin.descriptor]),
      [[kept.keeper.pid, kept.descriptor]],
    );
    const owner = await helper.request(NamespacesInspect, { namespace: found.owner as NamespaceRef });
    assert.deepEqual(
      owner.pins.filter(({ by }) => by === 'ownedNamespace'),
      [{ by: 'ownedNamespace', namespace: kept.namespace }],
    );
    const { sockets } = await helper.request(NetworkInspect, { namespace: kept.namespace });
    assert.ok(Array.isArray(sockets) && sockets.some(({ port, processes }) => port === 8080 && processes.length === 1));
    const command = ['readlink', '/proc/self/ns/net'];
    const { stdout } = await helper.request(ProgramsRun, { namespaces: [kept.namespace], identity: 'root', command });
    assert.equal(stdout, `net:[${kept.namespace.ino}]\n`);
  });

  test('comes up by itself while somebody looks, though no event tells', { skip: unlessHelperIsRoot }, async (t) => {
    const watching = await startHelper();
    t.after(watching.stop);
    await watching.request(HostWatch, { parts: ['namespaces'] });
    const { revision } = await watching.request(NamespacesList, { members: false });
    // What the first round tells of is nothing new.
    const ask = () => watching.request(NamespacesList, { since: revision, members: false });
    await untilAnswer('all sockets to have been asked', ask, ({ unknownSockets }) => unknownSockets.pending === 0);
    const kept = await heldBySocket('udp');
    t.after(kept.keeper.stop);
    for (;;) {
      await watching.changed(['namespaces'], WAIT_MILLIS);
      const { namespaces } = await ask();
      if (namespaces.some(({ ino }) => ino === kept.namespace.ino)) break;
    }
  });

  test('is there once all sockets were asked when there are many, and until then the list says that it may lack some', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const script = `const { createSocket } = require('node:dgram');
      let left = ${MANY_SOCKETS};
      for (let at = ${MANY_SOCKETS}; at > 0; at -= 1) createSocket('udp4').bind(0, '127.0.0.1', () => (left -= 1) === 0 && console.log('there'));`;
    const crowd = await startSpecimen([process.execPath, '-e', script]);
    t.after(crowd.stop);
    const kept = await heldBySocket('netlink');
    t.after(kept.keeper.stop);
    const fresh = await startHelper();
    t.after(fresh.stop);
    const first = await fresh.request(NamespacesList, { members: false });
    assert.ok(first.unknownSockets.pending > MANY_SOCKETS / 2, `${first.unknownSockets.pending} are to be asked`);
    assert.ok(first.namespaces.filter(({ kind }) => kind === 'net' || kind === 'user').every(({ incomplete }) => incomplete));
    await fresh.request(HostWatch, { parts: ['namespaces'] });
    await until(async () => {
      const { unknownSockets, namespaces } = await fresh.request(NamespacesList, { since: first.revision, members: false });
      if (unknownSockets.pending > 0) return false;
      assert.ok(namespaces.some(({ ino }) => ino === kept.namespace.ino));
      return true;
    }, 'all sockets were asked');
  });

  test('a file that is only called like the tun device is not taken for one', { skip: unlessHelperIsRoot }, async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-tun-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const before = (await list()).unknownSockets;
    const child = spawn('sh', ['-c', 'exec 5>"$1/tun"; echo there; read end', 'sh', folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const { unknownSockets, namespaces } = await list();
    assert.deepEqual(unknownSockets, before);
    assert.ok(namespaces.every(({ pins }) => pins.every((pin) => pin.by !== 'socket' || pin.process.pid !== child.pid)));
  });

  test('an ordinary user is told of how many sockets it is not known where they are', {
    skip: isHelperRoot && 'root sees everything',
  }, async (t) => {
    const script = `require('node:net').createServer().listen(0, '127.0.0.1', () => console.log('there'))`;
    const own = await startSpecimen([process.execPath, '-e', script], { uid: testUid });
    t.after(own.stop);
    const { unknownSockets } = await list();
    assert.ok(unknownSockets.refused > 0);
  });
});

/** Since util-linux 2.41 lsns(8) looks for them, too. */
function assertSeenByLsns({ namespace }: Kept): void {
  if (!has('lsns')) return;
  const [major = 0, minor = 0] = (/ (\d+)\.(\d+)/.exec(execFileSync('lsns', ['--version'], { encoding: 'utf8' })) ?? [])
    .slice(1)
    .map(Number);
  if (major < 2 || (major === 2 && minor < 41)) return;
  const { namespaces } = JSON.parse(execFileSync('lsns', ['--json', '--output', 'NS'], { encoding: 'utf8' }));
  assert.ok(namespaces.some(({ ns }: { ns: number }) => ns === namespace.ino));
}
