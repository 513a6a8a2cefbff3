/** `namespaces/list` against lsns(8), and against namespaces that lsns cannot see: each with what truly keeps it alive. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { LayersList } from '../../helper/protocol/layers.ts';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import {
  type Namespace,
  type NamespaceRef,
  NamespacesList,
  type NamespacesListResult,
  type Pin,
} from '../../helper/protocol/namespaces.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { has, isHelperRoot, isRoot, patient, testUid } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import {
  boundNetNamespace,
  emptyUserNamespace,
  heldByDescriptor,
  heldByThread,
  heldForChildren,
  namespaceAt,
  namespaceOfPid,
  nested,
  refOfProcess,
  type Specimen,
  startSleeper,
  timeNamespace,
} from '../fixtures/zoo.ts';

const SETTLE_MILLIS = patient(10_000);
/** How many are made for one of them to get a certain number. */
const MAX_NAMESPACES = 60;
const skipWithoutRoot = isHelperRoot ? false : 'only root sees what keeps it alive';
/** Who owns what the helper may look into: the helper's user. */
const ownUid = isHelperRoot ? undefined : testUid;

interface LsnsRow {
  ns: number;
  type: string;
  nprocs: number;
  pns: number;
  ons: number;
}

/** util-linux before 2.38. */
const withoutParents = has('lsns')
  ? !/\bPNS\b/.test(execFileSync('lsns', ['--help'], { encoding: 'utf8' })) && 'this lsns does not tell of parents'
  : 'lsns is not installed';

function lsns(): Map<number, LsnsRow> {
  const text = execFileSync('lsns', ['--json', '--output', 'NS,TYPE,NPROCS,PNS,ONS'], { encoding: 'utf8' });
  return new Map((JSON.parse(text) as { namespaces: LsnsRow[] }).namespaces.map((row) => [row.ns, row]));
}

/** Whether the kernel refuses to show this link; false for one that is gone. */
function isRefused(link: string): boolean {
  try {
    readlinkSync(link);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

function find(list: NamespacesListResult, { kind, ino }: NamespaceRef): Namespace | undefined {
  return list.namespaces.find((namespace) => namespace.kind === kind && namespace.ino === ino);
}

function found(list: NamespacesListResult, ref: NamespaceRef): Namespace {
  const namespace = find(list, ref);
  assert.ok(namespace, `${ref.kind}:[${ref.ino}] is not listed`);
  assert.equal(namespace.dev, ref.dev);
  return namespace;
}

const list = (helper: RunningHelper) => helper.request(NamespacesList, {});

/** Asks until the namespace is no longer listed. */
async function gone(helper: RunningHelper, ref: NamespaceRef): Promise<void> {
  const deadline = Date.now() + SETTLE_MILLIS;
  for (;;) {
    const still = find(await list(helper), ref);
    if (still === undefined) return;
    assert.ok(Date.now() < deadline, `${ref.kind}:[${ref.ino}] is still listed, pinned by ${JSON.stringify(still.pins)}`);
  }
}

/** Asserts that nobody is in it, that exactly `pins` keep it, and that it is listed no more when they do not. */
async function assertKeptBy(helper: RunningHelper, ref: NamespaceRef, pins: Pin[], release: () => Promise<void>) {
  const namespace = found(await list(helper), ref);
  assert.deepEqual({ count: namespace.processCount, pins: namespace.pins }, { count: 0, pins });
  await release();
  await gone(helper, ref);
}

/** Id of the mount at `mountPoint` as a process sees it. A space in a path is written as `\040`. */
function mountIdAt(pid: number, mountPoint: string): number {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
  const line = lines.find((text) => text.split(' ')[4] === mountPoint.replaceAll(' ', '\\040'));
  return Number(line?.split(' ')[0]);
}

describe('namespaces/list', () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  test('the namespaces of the host are marked, one of each kind that the kernel has', async () => {
    const { namespaces, unsupported } = await list(helper);
    const hosts = namespaces.filter(({ host }) => host);
    const expected = NAMESPACE_KINDS.filter((kind) => !unsupported.includes(kind)).map((kind) =>
      namespaceAt(kind, `/proc/self/ns/${kind}`),
    );
    const sorted = (refs: NamespaceRef[]) => refs.map(({ kind, dev, ino }) => `${kind} ${dev} ${ino}`).sort();
    assert.deepEqual(sorted(hosts), sorted(expected));
  });

  test('everything that lsns lists is listed', {
    skip: skipWithoutRoot || withoutParents,
  }, async (t) => {
    const { specimen } = await nested();
    t.after(specimen.stop);
    const earlier = lsns();
    const answer = await list(helper);
    const later = lsns();
    const missing = [...later.values()].filter(({ ns, type }) => {
      return earlier.get(ns)?.type === type && !answer.namespaces.some(({ kind, ino }) => kind === type && ino === ns);
    });
    assert.deepEqual(missing, []);
  });

  test('nested namespaces have the members, the owner and the parent that lsns shows', {
    skip: skipWithoutRoot || withoutParents,
  }, async (t) => {
    const { specimen, middle, inner } = await nested();
    t.after(specimen.stop);
    const rows = lsns();
    const answer = await list(helper);
    for (const pid of [middle, inner]) {
      for (const kind of ['user', 'mnt', 'pid'] as const) {
        const namespace = found(answer, namespaceOfPid(kind, pid));
        const row = rows.get(namespace.ino);
        assert.ok(row, `lsns does not list ${kind}:[${namespace.ino}]`);
        assert.equal(namespace.processCount, row.nprocs, `members of ${kind}:[${namespace.ino}]`);
        assert.equal((namespace.owner as NamespaceRef).ino, row.ons, `owner of ${kind}:[${namespace.ino}]`);
        if (row.pns !== 0)
          assert.equal((namespace.parent as NamespaceRef).ino, row.pns, `parent of ${kind}:[${namespace.ino}]`);
      }
    }
  });

  test('a nested pid namespace names its parent, its init and its owner', async (t) => {
    const { specimen, middle, inner } = await nested(ownUid);
    t.after(specimen.stop);
    const answer = await list(helper);
    const namespace = found(answer, namespaceOfPid('pid', inner));
    assert.deepEqual(namespace.parent, namespaceOfPid('pid', middle));
    assert.deepEqual(namespace.owner, namespaceOfPid('user', inner));
    assert.deepEqual(namespace.members, [refOfProcess(inner)]);
    assert.equal(namespace.leader?.pid, inner);
    const upper = found(answer, namespaceOfPid('pid', middle));
    const below: Pin = { by: 'childNamespace', namespace: namespaceOfPid('pid', inner) };
    assert.ok(upper.pins.some((pin) => JSON.stringify(pin) === JSON.stringify(below)));
  });

  test('a rootless user namespace shows its creator and its id maps', async (t) => {
    const uid = ownUid ?? testUid ?? (isRoot ? 1000 : undefined);
    const specimen = await startSleeper(['unshare', '--user', '--map-root-user'], { uid });
    t.after(specimen.stop);
    const { ownerUid, uidMap, parent, processCount } = found(await list(helper), namespaceOfPid('user', specimen.pid));
    const outside = uid ?? process.getuid?.();
    assert.deepEqual(
      { ownerUid, uidMap, processCount },
      { ownerUid: outside, uidMap: [{ inside: 0, outside, count: 1 }], processCount: 1 },
    );
    assert.equal((parent as NamespaceRef).ino, namespaceAt('user', '/proc/self/ns/user').ino);
  });

  test('a user namespace that nobody is in lives by its child, and ends with it', async (t) => {
    const { specimen, middle } = await emptyUserNamespace(ownUid);
    t.after(specimen.stop);
    const child = namespaceOfPid('user', specimen.pid);
    await assertKeptBy(helper, middle, [{ by: 'childNamespace', namespace: child }], specimen.stop);
  });

  test('a namespace that got the number of one that ended is shown with its own parent', async (t) => {
    const enter = ['unshare', '--user', '--map-root-user'];
    const parent = await startSleeper(enter, { uid: ownUid });
    t.after(parent.stop);
    const former = await startSleeper(enter, { uid: ownUid });
    t.after(former.stop);
    const { ino } = found(await list(helper), namespaceOfPid('user', former.pid));
    await former.stop();
    // The kernel lets go of the number a little later and then gives it to the next; the ones before keep theirs.
    const inParent = ['nsenter', '--user', '--preserve-credentials', '--target', String(parent.pid), 'unshare', '--user'];
    for (let attempt = 0; attempt < MAX_NAMESPACES; attempt += 1) {
      const latter = await startSleeper(inParent, { uid: ownUid });
      t.after(latter.stop);
      const ref = namespaceOfPid('user', latter.pid);
      if (ref.ino !== ino) continue;
      assert.deepEqual(found(await list(helper), ref).parent, namespaceOfPid('user', parent.pid));
      return;
    }
    t.skip('the kernel gave the number to another program');
  });

  for (const hidden of [false, true]) {
    const where = hidden ? 'in another mount namespace' : "in the host's mount namespace";
    test(`a net namespace lives by a bind mount ${where}, and its owner by it`, { skip: skipWithoutRoot }, async (t) => {
      const kept = await boundNetNamespace(hidden);
      t.after(kept.release);
      const mountPoint = kept.mountPoint ?? '';
      const pins: Pin[] = found(await list(helper), kept.namespace).pins;
      const expected: Pin = {
        by: 'bindMount',
        mountNamespace: namespaceOfPid('mnt', kept.keeper.pid).ino,
        mountId: mountIdAt(kept.keeper.pid, mountPoint),
        mountPoint,
      };
      // Mount propagation may have copied it to the mount namespaces of others.
      assert.ok(pins.every(({ by }) => by === 'bindMount'));
      assert.deepEqual(
        pins.find((pin) => pin.by === 'bindMount' && pin.mountNamespace === expected.mountNamespace),
        expected,
      );
      const owner = found(await list(helper), kept.owner);
      assert.deepEqual(owner.pins, [{ by: 'ownedNamespace', namespace: kept.namespace }]);
      assert.equal(owner.processCount, 0);
      await kept.release();
      await gone(helper, kept.namespace);
      await gone(helper, kept.owner);
    });
  }

  test('a uts namespace lives by an open descriptor', { skip: skipWithoutRoot }, async (t) => {
    const { namespace, keeper, release } = await heldByDescriptor();
    t.after(keeper.stop);
    const pin: Pin = { by: 'descriptor', process: refOfProcess(keeper.pid), name: nameOf(keeper), descriptor: 3 };
    await assertKeptBy(helper, namespace, [pin], release);
  });

  test('a uts namespace lives by a single thread of a process', { skip: skipWithoutRoot }, async (t) => {
    const { namespace, keeper, tid, release } = await heldByThread();
    t.after(keeper.stop);
    const name = readFileSync(`/proc/${keeper.pid}/task/${tid}/comm`, 'utf8').slice(0, -1);
    await assertKeptBy(helper, namespace, [{ by: 'thread', process: refOfProcess(keeper.pid), tid, name }], release);
    assert.equal(keeper.child.exitCode, null, 'the process itself goes on');
  });

  test('a pid namespace lives by the process whose children would be in it', { skip: skipWithoutRoot }, async (t) => {
    const { namespace, keeper, release } = await heldForChildren();
    t.after(keeper.stop);
    const pin: Pin = { by: 'forChildren', process: refOfProcess(keeper.pid), name: nameOf(keeper) };
    await assertKeptBy(helper, namespace, [pin], release);
  });

  test('a time namespace has the child as its member, and the parent pins it', { skip: skipWithoutRoot }, async (t) => {
    const { specimen, inner } = await timeNamespace();
    t.after(specimen.stop);
    const ref = namespaceOfPid('time', inner);
    assert.notEqual(ref.ino, namespaceAt('time', '/proc/self/ns/time').ino);
    const { members, pins } = found(await list(helper), ref);
    assert.deepEqual(members, [refOfProcess(inner)]);
    assert.deepEqual(pins, [{ by: 'forChildren', process: refOfProcess(specimen.pid), name: nameOf(specimen) }]);
    await specimen.stop();
    await gone(helper, ref);
  });

  test('members are left out when asked, and only the kinds that were asked for are listed', async () => {
    const { namespaces } = await helper.request(NamespacesList, { kinds: ['uts', 'net'], members: false });
    assert.deepEqual(new Set(namespaces.map(({ kind }) => kind)), new Set(['uts', 'net']));
    assert.ok(namespaces.every((namespace) => !('members' in namespace) && namespace.processCount >= 0));
  });

  test('what is closed to root itself is told once, and leaves no list in doubt', {
    skip: !isHelperRoot && 'the helper is not root',
  }, async () => {
    const { closed, unreadable, namespaces } = await list(helper);
    const refused = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isRefused(`/proc/${name}/ns/net`));
    assert.deepEqual(closed.processes.map(({ pid }) => String(pid)).sort(), refused.sort());
    assert.equal(closed.count, closed.processes.length);
    assert.deepEqual(unreadable, { count: 0, processes: [] });
    assert.deepEqual(
      namespaces.filter(({ incomplete }) => incomplete),
      [],
    );
    assert.equal((await helper.request(LayersList, {})).unreadable.count, 0);
  });

  test("what an ordinary user may not see of another's process is counted as unknown, never shown as nothing", {
    skip: isHelperRoot && 'root sees everything',
  }, async (t) => {
    const foreign = isRoot ? await startSleeper(['unshare', '--uts']) : undefined;
    if (foreign !== undefined) t.after(foreign.stop);
    const pid = foreign?.pid ?? 1;
    const answer = await list(helper);
    assert.ok(answer.unreadable.count > 0);
    assert.ok(
      answer.namespaces.every(({ incomplete }) => incomplete),
      'every namespace may have more members and pins',
    );
    if (answer.unreadable.count === answer.unreadable.processes.length) {
      assert.ok(answer.unreadable.processes.some((process) => process.pid === pid));
    }
    const { processes } = await helper.request(ProcessesList, {});
    const shown = processes.find((process) => process.pid === pid)?.namespaces ?? {};
    const kinds = NAMESPACE_KINDS.filter((kind) => !answer.unsupported.includes(kind));
    assert.deepEqual(shown, Object.fromEntries(kinds.map((kind) => [kind, null])));
  });
});

function nameOf({ pid }: Specimen): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').slice(0, -1);
}
