/** Which processes are one container, who leads it and what it is in, on the process tables of many engines as they were recorded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Grouping, groupProcesses } from '../../helper/host/grouping.ts';
import type { HostModel } from '../../helper/host/hostModel.ts';
import { ownNamespaces } from '../../helper/host/hostNamespaces.ts';
import { NamespaceIndex } from '../../helper/host/namespaceIndex.ts';
import { NO_SOCKETS, type ProcessRecord } from '../../helper/host/processRecord.ts';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { claimOfCgroups } from '../../helper/proc/cgroupClaim.ts';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';

const ID = 'c5db98afcc8a0e0f099e5773e4c35ad3b7cb18e474b8c832f86b32de7f0f3e66';
const OTHER = '58ddc2f7d1d8a1f0a8b1a5a1a0a9b8c7d6e5f4030201000f0e0d0c0b0a090807';
const ALL: NamespaceKind[] = ['mnt', 'pid', 'uts', 'ipc', 'net', 'cgroup'];

const own = ownNamespaces();
const host = Object.fromEntries(NAMESPACE_KINDS.map((kind) => [kind, own[kind]?.ino]));
let lastIno = 100;

/** New namespaces of these kinds, beside those of `of` or the host's. */
function namespaces(
  kinds: NamespaceKind[],
  of: Partial<Record<NamespaceKind, number>> = {},
): Partial<Record<NamespaceKind, number>> {
  const made = { ...of };
  for (const kind of kinds) {
    lastIno += 1;
    made[kind] = lastIno;
  }
  return made;
}

interface Given {
  name?: string;
  in?: Partial<Record<NamespaceKind, number>>;
  cgroup?: string;
  words?: string[];
  state?: string;
  forChildren?: NamespaceKind[];
}

/** A process that started when its pid says. */
function processOf(pid: number, parentPid: number, given: Given = {}): ProcessRecord {
  const cgroups = parseCgroups(given.cgroup === undefined ? '0::/session' : `0::${given.cgroup}`);
  const inside = { ...host, ...given.in };
  return {
    pid,
    startTime: pid,
    parentPid,
    name: given.name ?? `process${pid}`,
    state: given.state ?? 'S',
    threads: 1,
    kernelThread: false,
    uid: 0,
    arguments: given.words ?? [],
    nestedPids: given.in?.pid === undefined ? [] : [1],
    namespaces: NAMESPACE_KINDS.map((kind) => inside[kind]),
    forChildren: (given.forChildren ?? []).map((kind) => ({ kind, ino: 1 })),
    descriptors: [],
    sockets: [],
    socketPlaces: NO_SOCKETS,
    differingThreads: [],
    membership: { cgroups, claim: claimOfCgroups(cgroups) },
    ran: 0,
    revision: 0,
  };
}

function grouped(...records: ProcessRecord[]): Grouping {
  const index = new NamespaceIndex();
  const byPid = new Map(records.map((record) => [record.pid, record]));
  for (const record of records) index.add(record);
  const model = { processes: records, process: (pid: number) => byPid.get(pid), namespaces: index };
  return groupProcesses(model as unknown as HostModel);
}

/** `leader: other pids in the leader of the outer one`, by leader. */
function shape({ groups }: Grouping): string[] {
  const leaders = new Map([...groups.values()].map(({ key, leader }) => [key, leader.pid]));
  return [...groups.values()]
    .sort((one, other) => one.leader.pid - other.leader.pid)
    .map(({ leader, processes, outer }) => {
      const others = processes.map(({ pid }) => pid).filter((pid) => pid !== leader.pid);
      const where = outer === undefined ? '' : ` in ${leaders.get(outer)}`;
      return `${leader.pid}: ${others.sort((a, b) => a - b).join(' ')}${where}`;
    });
}

test('gVisor: what stands for the container is a process of its own namespaces, and not the shim beside it', () => {
  const cgroup = `/kubepods/besteffort/pod0a1b2c3d-1111-2222-3333-444455556666/${ID}`;
  const sandbox = namespaces([...ALL, 'user']);
  const groups = grouped(
    processOf(10, 1, { name: 'containerd-shim-runsc-v1', cgroup }),
    processOf(20, 10, { name: 'runsc-gofer', cgroup, in: namespaces(['mnt', 'pid', 'uts', 'ipc', 'net', 'user']) }),
    processOf(30, 10, { name: 'runsc-sandbox', cgroup, in: sandbox }),
    processOf(40, 30, { name: 'exe', cgroup, in: sandbox }),
  );
  assert.deepEqual(shape(groups), ['20: 10 30 40']);
});

test('kata: what runs on the host for a virtual machine stands for it, since nothing else can', () => {
  const cgroup = `/kubepods/besteffort/pod0a1b2c3d-1111-2222-3333-444455556666/${ID}`;
  const groups = grouped(
    processOf(10, 1, { name: 'containerd-shim-kata-v2', cgroup }),
    processOf(20, 10, { name: 'virtiofsd', cgroup, in: namespaces(['mnt', 'pid']) }),
    processOf(30, 10, { name: 'qemu-system-x86_64', cgroup }),
  );
  assert.deepEqual(shape(groups), ['20: 10 30']);
  assert.deepEqual(shape(grouped(processOf(10, 1, { cgroup }), processOf(30, 10, { cgroup }))), ['10: 30']);
});

test('rootless podman without cgroups: each container is one, and neither is what its user namespace is kept by', () => {
  const podman = namespaces(['user', 'mnt']);
  const one = namespaces(ALL, podman);
  const two = namespaces(ALL, podman);
  const groups = grouped(
    processOf(10, 1, { name: 'podman pause', in: podman }),
    processOf(20, 1, { name: 'conmon', in: podman }),
    processOf(30, 20, { in: one }),
    processOf(31, 30, { in: one }),
    processOf(40, 1, { name: 'conmon', in: podman }),
    processOf(50, 40, { in: two }),
  );
  assert.deepEqual(shape(groups), ['10: 20 40', '30: 31', '50: ']);
});

test('a pod of podman in one cgroup each: conmon, which is in the pod’s, is in none', () => {
  const pod = namespaces(['net', 'uts', 'ipc']);
  const groups = grouped(
    processOf(10, 1, { name: 'conmon', cgroup: `/libpod_parent/${OTHER}/conmon` }),
    processOf(20, 10, { cgroup: `/libpod_parent/${OTHER}/libpod-${ID}`, in: namespaces(['mnt', 'pid'], pod) }),
    processOf(30, 1, { name: 'conmon', cgroup: `/libpod_parent/${OTHER}/conmon` }),
    processOf(40, 30, {
      cgroup: `/libpod_parent/${OTHER}/libpod-${ID.replace('c', 'd')}`,
      in: namespaces(['mnt', 'pid'], pod),
    }),
  );
  assert.deepEqual(shape(groups), ['20: ', '40: ']);
  assert.equal(groups.keys.get(10), undefined);
});

for (const [what, inner] of [
  ['in a cgroup namespace of its own', `/docker/${ID}/docker/${OTHER}`],
  ['in the host’s cgroups', `/docker/${OTHER}`],
]) {
  test(`Docker in Docker ${what}: the inner container is below the outer one`, () => {
    const outer = namespaces(ALL);
    const cgroup = `/docker/${ID}`;
    const within = namespaces(ALL);
    const groups = grouped(
      processOf(10, 1, { name: 'containerd-shim' }),
      processOf(20, 10, { name: 'dockerd', cgroup, in: outer }),
      processOf(30, 20, { name: 'containerd', cgroup, in: outer }),
      processOf(40, 20, { name: 'containerd-shim', cgroup, in: outer }),
      processOf(50, 40, { cgroup: inner!, in: within }),
      processOf(51, 50, { cgroup: inner!, in: within }),
    );
    assert.deepEqual(shape(groups), ['20: 30 40', '50: 51 in 20']);
    assert.equal(groups.entered.size, 0);
  });
}

test('a program that bubblewrap confines in a container is one of its own, below that one', () => {
  const cgroup = `/docker/${ID}`;
  const outer = namespaces(ALL);
  const inner = namespaces(['mnt', 'pid', 'user'], outer);
  const groups = grouped(
    processOf(20, 1, { cgroup, in: outer }),
    processOf(30, 20, { name: 'bwrap', cgroup, in: outer }),
    processOf(40, 30, { name: 'bwrap', cgroup, in: inner }),
    processOf(50, 40, { cgroup, in: inner }),
  );
  assert.deepEqual(shape(groups), ['20: 30', '40: 50 in 20']);
});

test('a container of unshare --fork is one for what is confined in it', () => {
  const made = namespaces(['mnt', 'uts']);
  const inside = namespaces(['pid'], made);
  const groups = grouped(
    processOf(1, 0),
    processOf(10, 1, { name: 'unshare', in: made, forChildren: ['pid'] }),
    processOf(20, 10, { in: inside }),
    processOf(30, 20, { name: 'bwrap', in: namespaces(['mnt', 'pid'], inside) }),
  );
  assert.deepEqual(shape(groups), ['20: 10', '30:  in 20']);
});

test('what unshare --fork confines in a container is one of its own, with unshare', () => {
  const cgroup = `/docker/${ID}`;
  const outer = namespaces(ALL);
  const made = namespaces(['mnt'], outer);
  const groups = grouped(
    processOf(20, 1, { cgroup, in: outer }),
    processOf(30, 20, { cgroup, in: made, forChildren: ['pid'] }),
    processOf(40, 30, { cgroup, in: namespaces(['pid'], made) }),
  );
  assert.deepEqual(shape(groups), ['20: ', '40: 30 in 20']);
});

test('services that systemd gives files or pids of their own in a container are the container', () => {
  const cgroup = '/lxc.payload.web';
  const outer = namespaces(ALL);
  const groups = grouped(
    processOf(20, 1, { name: 'systemd', cgroup: `${cgroup}/init.scope`, in: outer }),
    processOf(30, 20, { cgroup: `${cgroup}/system.slice/a.service`, in: namespaces(['mnt'], outer) }),
    processOf(40, 20, { cgroup: `${cgroup}/system.slice/b.service`, in: namespaces(['net', 'mnt'], outer) }),
    processOf(50, 20, { cgroup: `${cgroup}/system.slice/c.service`, in: namespaces(['pid'], outer) }),
  );
  assert.deepEqual(shape(groups), ['20: 30 40 50']);
});

test('a browser’s sandboxes below one another are one', () => {
  const zygote = namespaces(['user', 'pid', 'net']);
  const groups = grouped(
    processOf(10, 1, { name: 'chrome' }),
    processOf(20, 10, { name: 'chrome', in: zygote }),
    processOf(30, 20, { name: 'chrome', in: namespaces(['pid'], zygote) }),
    processOf(40, 20, { name: 'chrome', in: namespaces(['pid', 'user'], zygote) }),
  );
  assert.deepEqual(shape(groups), ['20: 30 40']);
});

test('what only joined the namespaces of a container belongs to it and is marked, whichever it joined, but not what that starts', () => {
  const inside = namespaces(ALL);
  const cgroup = `/docker/${ID}`;
  const groups = grouped(
    processOf(10, 1, { name: 'containerd-shim' }),
    processOf(20, 10, { cgroup, in: inside }),
    processOf(30, 10, { name: 'docker exec', cgroup, in: inside }),
    processOf(31, 30, { cgroup, in: inside }),
    processOf(40, 1, { name: 'nsenter -a', in: inside }),
    processOf(50, 1, { name: 'nsenter -n', in: { net: inside.net! } }),
    processOf(60, process.pid, { name: 'terminal', in: { net: inside.net! } }),
    processOf(61, 60, { in: { net: inside.net! } }),
  );
  assert.deepEqual(shape(groups), ['20: 30 31 40 50 60 61']);
  assert.deepEqual(
    [...groups.entered],
    [
      [30, 'other'],
      [40, 'other'],
      [50, 'other'],
      [60, 'isoscope'],
    ],
  );
});

test('a daemon of the host that is older than the container whose network it joined does not have that container', () => {
  const inside = namespaces(ALL);
  const groups = grouped(
    processOf(5, 1, { in: { net: inside.net! } }),
    processOf(20, 1, { cgroup: `/docker/${ID}`, in: inside }),
  );
  assert.deepEqual(shape(groups), ['20: 5']);
});

test('what Isoscope itself starts is no container, but what is confined in its terminal is', () => {
  const net = namespaces(['net']);
  const begun = namespaces(['mnt', 'pid'], net);
  const groups = grouped(
    processOf(60, process.pid, { name: 'terminal', in: net }),
    processOf(61, 60, { in: net }),
    processOf(70, 61, { in: begun }),
    processOf(80, process.pid, { name: 'looks at a mount namespace', in: namespaces(['mnt']) }),
  );
  assert.deepEqual(shape(groups), ['70: ']);
  assert.deepEqual([...groups.entered.keys()], [60, 80]);
});

test('what unshare --fork starts leads, since unshare itself stays outside of the new pids', () => {
  const made = namespaces(['mnt', 'uts']);
  const groups = grouped(
    processOf(10, 1, { name: 'unshare', in: made, forChildren: ['pid'] }),
    processOf(20, 10, { in: namespaces(['pid'], made) }),
  );
  assert.deepEqual(shape(groups), ['20: 10']);
});

test('processes that seem to be each other’s parent, as reparented ones may, keep nothing from ending', () => {
  const groups = grouped(processOf(10, 20, { in: namespaces(ALL) }), processOf(20, 10, { in: namespaces(ALL) }));
  assert.equal(groups.groups.size > 0, true);
});

/** Pids that this process and its parents have not. */
const OUT_OF_WAY = 10_000_000;

test('a chain of containers in containers of any length, listed from its end, keeps nothing from ending', () => {
  const length = 20_000;
  const chain = Array.from({ length }, (_, at) =>
    processOf(OUT_OF_WAY + at + 1, OUT_OF_WAY + at, { in: namespaces(['mnt', 'uts', 'ipc']) }),
  );
  assert.equal(grouped(...chain.reverse()).groups.size, length);
});
