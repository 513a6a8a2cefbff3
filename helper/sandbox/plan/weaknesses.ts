/**
 * What a sandbox protects less than one could think. Judged by what things are, a device and inode number, a file system, a mount, a socket, and never by the
 * field that names them: the root directory of the host is that under every name.
 */

import fs from 'node:fs';
import path from 'node:path';
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_SHARED, MS_SLAVE } from '../../kernel/numbers.ts';
import { capabilityNames } from '../../proc/capabilities.ts';
import { parseOverlayOptions } from '../../proc/overlayOptions.ts';
import type { NamespaceKind } from '../../protocol/namespaces.ts';
import type { Said, SaidArgument } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { HostMounts } from '../hostFiles/hostMounts.ts';
import { isOfKernel } from '../hostFiles/systemPaths.ts';
import { isWithin } from '../hostFiles/within.ts';
import type { HeldTree } from '../idMaps/heldTrees.ts';
import type { BindMount, PlannedMount } from './plannedMounts.ts';
import type { RootPlan } from './planRoot.ts';
import type { UserPlan } from './planUser.ts';
import { coverOf, reachedSockets, type SeenPath } from './reachedSockets.ts';
import type { ResolvedSpec } from './resolvedSpec.ts';

/** What of a plan it is judged by. */
export interface Judged {
  spec: ResolvedSpec;
  fresh: ReadonlySet<NamespaceKind>;
  joined: readonly { name: string }[];
  root: RootPlan;
  mounts: readonly PlannedMount[];
  user: UserPlan;
  trees: readonly HeldTree[];
}

export interface Weakness {
  text: Said;
  /** The sandbox of an empty specification has it, too. */
  ofDefault?: boolean;
}

type Judgement = [holds: boolean, text: Said];

/** The files of the host that are seen, and how. */
interface Seen extends SeenPath {
  writable: boolean;
  devices: boolean;
  setUserId: boolean;
}

/** In the order of their weight. */
export function weaknessesOf(plan: Judged, host: HostMounts, isDeaf: (path: string) => boolean): Weakness[] {
  const seen = seenPaths(plan);
  const judged = [
    ...ofRoot(plan),
    ...(seen.length === 0 ? [] : ofHost(seen, plan, host, isDeaf)),
    ...ofMountOptions(seen, plan),
    ...ofCovers(plan),
    ...ofNamespaces(plan),
    ...ofNetwork(plan),
    ...ofProcess(plan),
  ];
  const runsAsRoot: Weakness[] =
    plan.user.identity.hostUid === 0 && seen.length > 0
      ? [
          {
            text: said('weakRunsAsRoot'),
            ofDefault: true,
          },
        ]
      : [];
  return [...judged.flatMap(([holds, text]) => (holds ? [{ text }] : [])), ...runsAsRoot];
}

function ofRoot({ spec, fresh, trees }: Judged): Judgement[] {
  const mapped = trees.filter((tree) => tree.mapped !== undefined).map((tree) => tree.path);
  return [
    [spec.changeRoot === 'chroot' && !(spec.root.type === 'host' && !fresh.has('mnt')), said('weakChroot')],
    [spec.oldRoot !== undefined, said('weakOldRootKept', spec.oldRoot ?? '')],
    [mapped.length > 0, said('weakUpperOwnedByRoot', mapped)],
  ];
}

/** Of the root, and of what the specification mounts. */
function seenPaths({ spec, root, mounts }: Judged): Seen[] {
  const asked = new Set(spec.mounts.filter(({ type }) => type === 'bind').map(({ destination }) => destination));
  if (spec.dev === 'host') asked.add('/dev');
  return [...seenOfRoot(root), ...mounts.flatMap((mount) => seenOfMount(mount, asked))];
}

function seenOfRoot(root: RootPlan): Seen[] {
  const shared = { destination: '/', devices: false, setUserId: false };
  if (root.type === 'asItIs') return [{ ...shared, path: root.path ?? '/', writable: true, devices: true }];
  if (root.type === 'bind') return [{ ...shared, path: root.path, writable: !root.readOnly }];
  if (root.type !== 'overlay') return [];
  const lowers = root.image === undefined && Array.isArray(root.lowers) ? root.lowers : [];
  const found: Seen[] = lowers.map((lower) => ({ ...shared, path: lower, writable: false }));
  if (root.upper !== undefined) found.push({ ...shared, path: root.upper, writable: true });
  return found;
}

/** `asked`: where the specification has something of the host. */
function seenOfMount(mount: PlannedMount, asked: ReadonlySet<string>): Seen[] {
  const { destination } = mount.place;
  if (mount.what === 'bind') return asked.has(destination) ? [seenOfBind(mount)] : [];
  if (mount.what !== 'new' || mount.type !== 'overlay') return [];
  const { lower, upper } = parseOverlayOptions(mount.options.map(([key, value]) => `${key}=${value}`));
  const shared = { destination, mount, devices: false, setUserId: false };
  const found: Seen[] = lower.map((layer) => ({ ...shared, path: layer.path, writable: false }));
  if (upper !== undefined) found.push({ ...shared, path: upper, writable: true });
  return found;
}

function seenOfBind(mount: BindMount): Seen {
  const lacks = (attribute: number) => (mount.set & attribute) === 0;
  return {
    path: mount.source,
    destination: `/${mount.place.parts.join('/')}`,
    mount,
    writable: lacks(MOUNT_ATTR_RDONLY),
    devices: lacks(MOUNT_ATTR_NODEV),
    setUserId: lacks(MOUNT_ATTR_NOSUID),
  };
}

/** Where services make the sockets that they are told by. */
const SOCKET_FOLDERS = ['/run', '/tmp', '/var/tmp'];
/** Whoever talks to these can start programs as root of the host. */
const ENGINES =
  /(docker|containerd|podman|crio|cri-dockerd|buildkit|libvirt|virt[a-z]+d|lxd|incus|snapd|machined|systemd\/private|dbus\/system_bus)/;
const MOST_NAMED = 5;

function ofHost(seen: readonly Seen[], plan: Judged, host: HostMounts, isDeaf: (path: string) => boolean): Judgement[] {
  return [...ofFiles(seen, plan, host), ...ofSockets(seen, plan, { host, isDeaf }), ...ofKernelFiles(seen, plan, host)];
}

function ofFiles(seen: readonly Seen[], plan: Judged, host: HostMounts): Judgement[] {
  const asRoot = plan.user.identity.hostUid === 0;
  const isWholeHost = (one: Seen) => host.holdRoot(one.path);
  const writable = seen.filter((one) => one.writable);
  const parts = writable.filter((one) => !isWholeHost(one));
  return [
    [parts.length < writable.length, said(asRoot ? 'weakFilesOfHostAsRoot' : 'weakFilesOfHost')],
    [seen.some((one) => one.mount !== undefined && !one.writable && isWholeHost(one)), said('weakRootOfHost')],
    [parts.length > 0, said(asRoot ? 'weakCanChangeFilesAsRoot' : 'weakCanChangeFiles', listOf(parts.map((one) => one.path)))],
  ];
}

/** Of what can be changed as a whole it was said already, and what listens there now is another list at any time. */
function ofSockets(
  all: readonly Seen[],
  { mounts, user }: Judged,
  { host, isDeaf }: { host: HostMounts; isDeaf: (path: string) => boolean },
): Judgement[] {
  const seen = all.filter((one) => !one.writable || !host.holdRoot(one.path));
  const reached = reachedSockets(seen, mounts, { uid: user.identity.hostUid, gid: user.identity.gid }, isDeaf);
  const { sockets, unanswered } = reached;
  const engines = sockets.filter((socket) => ENGINES.test(socket));
  const others = sockets.filter((socket) => !engines.includes(socket));
  const folders = seen.filter((one) => one.mount !== undefined && isFolderOfSockets(one.path));
  return [
    [unanswered.length > 0, said('weakSocketsUnknown', listOf(unanswered))],
    [engines.length > 0, said('weakSocketsOfEngines', listOf(engines))],
    [others.length > 0, said('weakSocketsReached', listOf(others))],
    [folders.length > 0, said('weakServiceSockets', listOf(folders.map((one) => one.path)))],
  ];
}

function isFolderOfSockets(file: string): boolean {
  return SOCKET_FOLDERS.some((folder) => isWithin(folder, file)) && isDirectory(file);
}

/** Of a root the host's /proc only: what else it has there the default one has, too. */
function ofKernelFiles(seen: readonly Seen[], { spec, mounts }: Judged, host: HostMounts): Judgement[] {
  const isOpen = spec.systemPaths === 'unmasked';
  const found = seen.flatMap((one) =>
    host
      .from(one.path, ({ type }) => isOfKernel(type))
      .flatMap(({ mount: { type, mountPoint }, path: below }) => {
        const isTold = type === 'proc' || one.mount !== undefined || one.writable;
        return isTold && coverOf(path.join(one.destination, below), mounts) === one.mount ? [{ ...one, at: mountPoint }] : [];
      }),
  );
  const code = isOpen && found.some((one) => one.writable) ? 'weakKernelFilesOpen' : 'weakKernelFilesSeen';
  return [[found.length > 0, said(code, listOf(found.map(({ at }) => at)))]];
}

function ofMountOptions(seen: readonly Seen[], { spec, mounts }: Judged): Judgement[] {
  const asked = new Set(spec.mounts.map(({ destination }) => destination));
  const without = (attribute: number, types: RegExp) =>
    mounts.flatMap((mount) => {
      const isAsked = mount.what === 'new' && asked.has(mount.place.destination) && !types.test(mount.type);
      return isAsked && (mount.attributes & attribute) === 0 ? [mount.place.destination] : [];
    });
  const devices = [...seen.filter((one) => one.devices).map((one) => one.path), ...without(MOUNT_ATTR_NODEV, /^devpts$/)];
  const setUserId = [...seen.filter((one) => one.setUserId).map((one) => one.path), ...without(MOUNT_ATTR_NOSUID, /^overlay$/)];
  const made = mounts.flatMap((mount) => {
    const isSwitch = mount.what === 'new' && isOfKernel(mount.type) && mount.type !== 'proc';
    const isCovered = mount.covers?.some(({ path: all, how }) => all === '' && how === 'readOnly') ?? false;
    return isSwitch && !isCovered && (mount.attributes & MOUNT_ATTR_RDONLY) === 0 ? [mount.place.destination] : [];
  });
  const binds = mounts.filter((mount): mount is BindMount => mount.what === 'bind');
  return [
    [made.length > 0, said('weakKernelFilesWritable', listOf(made))],
    [devices.length > 0, said('weakDeviceNodes', listOf(devices))],
    [setUserId.length > 0, said('weakSetUserId', listOf(setUserId))],
    ...binds.flatMap(({ propagation, place, source }): Judgement[] => [
      [propagation === MS_SHARED, said('weakPropagatesToHost', place.destination)],
      [propagation === MS_SLAVE, said('weakPropagatesFromHost', source)],
    ]),
  ];
}

function isDirectory(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Each once. */
function listOf(all: readonly string[]): SaidArgument {
  const names = [...new Set(all)];
  return someOf(names, names);
}

function someOf(names: readonly unknown[], shown: readonly SaidArgument[]): SaidArgument {
  return names.length > MOST_NAMED ? said('andMore', shown.slice(0, MOST_NAMED), names.length - MOST_NAMED) : shown;
}

/** What is dangerous in /proc and /sys and stays open. */
function ofCovers({ spec, fresh }: Judged): Judgement[] {
  return [[fresh.has('mnt') && spec.systemPaths === 'unmasked', said('weakNothingMasked')]];
}

const SHARED: Record<Exclude<NamespaceKind, 'user' | 'time' | 'net'>, Said> = {
  mnt: said('weakMnt'),
  pid: said('weakPid'),
  ipc: said('weakIpc'),
  uts: said('weakUts'),
  cgroup: said('weakCgroup'),
};

function ofNamespaces({ spec, fresh, joined, user }: Judged): Judgement[] {
  const kinds = Object.keys(SHARED) as (keyof typeof SHARED)[];
  const groups = spec.process.user?.additionalGids ?? [];
  return [
    ...kinds.map((kind): Judgement => [!fresh.has(kind), SHARED[kind]]),
    [joined.length > 0, said('weakEnters', listOf(joined.map(({ name }) => name)))],
    [groups.length > 0 && user.identity.hostUid !== undefined, said('weakGroups', listOf(groups.map(String)))],
    [spec.persistent, said('weakPersistent')],
  ];
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

function ofNetwork({ spec }: Judged): Judgement[] {
  const { network, namespaces } = spec;
  const ports = network.type === 'veth' ? (network.ports ?? []) : [];
  const open = ports.filter(({ hostAddress = '127.0.0.1' }) => !LOOPBACK.test(hostAddress));
  return [
    [namespaces.net === 'host', said('weakHostNetwork')],
    [network.type === 'veth', said('weakReachesHost')],
    [network.type === 'veth' && network.peers === true, said('weakPeers')],
    [network.type === 'veth' && network.nat === true, said('weakNat')],
    [
      open.length > 0,
      said(
        'weakOtherMachines',
        someOf(
          open,
          open.map(({ hostAddress = '', hostPort }) => said('portOnInterface', hostPort, hostAddress)),
        ),
      ),
    ],
    [ports.length > open.length, said('weakForwardedPorts')],
  ];
}

/** With one of these a program is, or can become, root of what owns them. */
const LEADING_OUT =
  /^CAP_(SYS_(ADMIN|MODULE|RAWIO|PTRACE|BOOT|TIME|CHROOT|TTY_CONFIG)|DAC_(OVERRIDE|READ_SEARCH)|MKNOD|BPF|PERFMON|NET_ADMIN|SYSLOG|SETUID|SETGID|SETFCAP|CHOWN|FOWNER|CHECKPOINT_RESTORE|MAC_ADMIN|MAC_OVERRIDE)$/;

function ofProcess({ spec, fresh, user }: Judged): Judgement[] {
  const { process, seccomp } = spec;
  const { permitted, bounding, inheritable } = user.identity.capabilities;
  const names = capabilityNames(permitted | bounding | inheritable);
  const leading = names.filter((name) => LEADING_OUT.test(name));
  const onHost = names.length > 0 && !fresh.has('user');
  return [
    [seccomp === 'unconfined', said('weakNoFilter')],
    [typeof seccomp === 'object', said('weakOwnFilter')],
    [!process.noNewPrivileges, said('weakNewPrivileges')],
    [onHost, said('weakCapabilitiesOnHost')],
    [onHost && leading.length > 0, said('weakLeadsOut', leading)],
    [names.length > 0 && !onHost, said('weakCapabilities')],
    [(process.oomScoreAdj ?? 0) < 0, said('weakOomScore')],
  ];
}
