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
  text: string;
  /** The sandbox of an empty specification has it, too. */
  ofDefault?: boolean;
}

type Said = [holds: boolean, text: string];

/** The files of the host that are seen, and how. */
interface Seen extends SeenPath {
  writable: boolean;
  devices: boolean;
  setUserId: boolean;
}

/** In the order of their weight. */
export function weaknessesOf(plan: Judged, host: HostMounts, isDeaf: (path: string) => boolean): Weakness[] {
  const seen = seenPaths(plan);
  const said = [
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
            text: 'It runs as the root of the host: it can read the files that root owns. Set process.user, or idMappings.',
            ofDefault: true,
          },
        ]
      : [];
  return [...said.flatMap(([holds, text]) => (holds ? [{ text }] : [])), ...runsAsRoot];
}

function ofRoot({ spec, fresh, trees }: Judged): Said[] {
  const mapped = trees.filter((tree) => tree.mapped !== undefined).map((tree) => tree.path);
  return [
    [
      spec.changeRoot === 'chroot' && !(spec.root.type === 'host' && !fresh.has('mnt')),
      'chroot changes only where paths begin. The old root stays mounted, and a program with CAP_SYS_CHROOT, or with a descriptor of a directory outside, can walk back to it.',
    ],
    [spec.oldRoot !== undefined, `The old root is kept at ${spec.oldRoot}: everything of the host can be reached through it.`],
    [
      mapped.length > 0,
      `In ${mapped.join(', ')} root inside owns what root owns on the disk, and what it makes there belongs to root of the host, set-user-ID files included.`,
    ],
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

function ofHost(seen: readonly Seen[], plan: Judged, host: HostMounts, isDeaf: (path: string) => boolean): Said[] {
  return [...ofFiles(seen, plan, host), ...ofSockets(seen, plan, { host, isDeaf }), ...ofKernelFiles(seen, plan, host)];
}

function ofFiles(seen: readonly Seen[], plan: Judged, host: HostMounts): Said[] {
  const asRoot =
    plan.user.identity.hostUid === 0 ? ', and what it makes there belongs to root of the host, set-user-ID files included' : '';
  const isWholeHost = (one: Seen) => host.holdRoot(one.path);
  const writable = seen.filter((one) => one.writable);
  const parts = writable.filter((one) => !isWholeHost(one));
  return [
    [parts.length < writable.length, `The files of the host can be changed, and the sockets of its services reached${asRoot}.`],
    [
      seen.some((one) => one.mount !== undefined && !one.writable && isWholeHost(one)),
      'The root directory of the host is mounted in it, with everything that is mounted below.',
    ],
    [parts.length > 0, `It can change the files in ${listOf(parts.map((one) => one.path))}${asRoot}.`],
  ];
}

/** Of what can be changed as a whole it was said already, and what listens there now is another list at any time. */
function ofSockets(
  all: readonly Seen[],
  { mounts, user }: Judged,
  { host, isDeaf }: { host: HostMounts; isDeaf: (path: string) => boolean },
): Said[] {
  const seen = all.filter((one) => !one.writable || !host.holdRoot(one.path));
  const reached = reachedSockets(seen, mounts, { uid: user.identity.hostUid, gid: user.identity.gid }, isDeaf);
  const { sockets, unanswered } = reached;
  const engines = sockets.filter((socket) => ENGINES.test(socket));
  const others = sockets.filter((socket) => !engines.includes(socket));
  const folders = seen.filter((one) => one.mount !== undefined && isFolderOfSockets(one.path));
  return [
    [
      unanswered.length > 0,
      `Whether sockets in ${listOf(unanswered)} are reached is not known: the file system there does not answer.`,
    ],
    [engines.length > 0, `Sockets are reached by which one has programs run on the host, often as root: ${listOf(engines)}.`],
    [others.length > 0, `Programs of the host listen on sockets that are reached: ${listOf(others)}.`],
    [
      folders.length > 0,
      `Services of the host have their sockets in ${listOf(folders.map((one) => one.path))}: those that are made later are reached, too.`,
    ],
  ];
}

function isFolderOfSockets(file: string): boolean {
  return SOCKET_FOLDERS.some((folder) => isWithin(folder, file)) && isDirectory(file);
}

/** Of a root the host's /proc only: what else it has there the default one has, too. */
function ofKernelFiles(seen: readonly Seen[], { spec, mounts }: Judged, host: HostMounts): Said[] {
  const isOpen = spec.systemPaths === 'unmasked';
  const found = seen.flatMap((one) =>
    host
      .from(one.path, ({ type }) => isOfKernel(type))
      .flatMap(({ mount: { type, mountPoint }, path: below }) => {
        const isTold = type === 'proc' || one.mount !== undefined || one.writable;
        return isTold && coverOf(path.join(one.destination, below), mounts) === one.mount ? [{ ...one, at: mountPoint }] : [];
      }),
  );
  const writable = isOpen && found.some((one) => one.writable) ? ', and it can write there' : '';
  return [[found.length > 0, `The files of the host's kernel in ${listOf(found.map(({ at }) => at))} are seen${writable}.`]];
}

function ofMountOptions(seen: readonly Seen[], { spec, mounts }: Judged): Said[] {
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
    [made.length > 0, `In ${listOf(made)} it can write files by which the kernel is told what to do.`],
    [devices.length > 0, `Device nodes in ${listOf(devices)} work: whoever may open one has the device of the host.`],
    [setUserId.length > 0, `Set-user-ID programs in ${listOf(setUserId)} are heeded, unless no_new_privs is on.`],
    ...binds.flatMap(({ propagation, place, source }): Said[] => [
      [
        propagation === MS_SHARED,
        `What is mounted below ${place.destination} inside is mounted on the host, too, and stays there.`,
      ],
      [propagation === MS_SLAVE, `What is mounted on the host below ${source} later appears in it.`],
    ]),
  ];
}

function isDirectory(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function listOf(all: readonly string[]): string {
  const names = [...new Set(all)];
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return `${names.slice(0, MOST_NAMED).join(', ')}${more}`;
}

/** What is dangerous in /proc and /sys and stays open. */
function ofCovers({ spec, fresh }: Judged): Said[] {
  return [
    [
      fresh.has('mnt') && spec.systemPaths === 'unmasked',
      'Nothing in /proc and /sys is hidden or read-only: who is root of the host changes the settings of its kernel there, without a capability.',
    ],
  ];
}

const SHARED: Record<Exclude<NamespaceKind, 'user' | 'time' | 'net'>, string> = {
  mnt: 'Its mounts are those of what it runs beside: nothing is covered, and files of the host are changed where their permissions allow it.',
  pid: 'Without a pid namespace of its own it sees other processes, may signal those of its user, and what it leaves behind in the background is not ended with it.',
  ipc: 'System V IPC and POSIX message queues are not its own.',
  uts: 'The host name is not its own.',
  cgroup: 'It sees the cgroups above its own.',
};

function ofNamespaces({ spec, fresh, joined, user }: Judged): Said[] {
  const kinds = Object.keys(SHARED) as (keyof typeof SHARED)[];
  const groups = spec.process.user?.additionalGids ?? [];
  return [
    ...kinds.map((kind): Said => [!fresh.has(kind), SHARED[kind]]),
    [
      joined.length > 0,
      `It enters ${listOf(joined.map(({ name }) => name))}, and can do there what its ids and capabilities allow.`,
    ],
    [
      groups.length > 0 && user.identity.hostUid !== undefined,
      `It has the groups ${listOf(groups.map(String))}, and what they may use: disks, devices, an engine's socket.`,
    ],
    [spec.persistent, 'It goes on when VS Code and the helper have ended, until it is removed.'],
  ];
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

function ofNetwork({ spec }: Judged): Said[] {
  const { network, namespaces } = spec;
  const ports = network.type === 'veth' ? (network.ports ?? []) : [];
  const open = ports.filter(({ hostAddress = '127.0.0.1' }) => !LOOPBACK.test(hostAddress));
  return [
    [namespaces.net === 'host', "The network is the host's, its abstract Unix sockets included."],
    [network.type === 'veth', 'It reaches the host, and what listens there on more than loopback.'],
    [
      network.type === 'veth' && network.peers === true,
      'It reaches other sandboxes that say the same, and is reached by them.',
    ],
    [network.type === 'veth' && network.nat === true, 'It reaches whatever the host reaches.'],
    [
      open.length > 0,
      `Other machines reach it: ${listOf(open.map(({ hostAddress = '', hostPort }) => `port ${hostPort} on ${hostAddress}`))}.`,
    ],
    [ports.length > open.length, 'Programs of the host reach it by the ports that are forwarded.'],
  ];
}

/** With one of these a program is, or can become, root of what owns them. */
const LEADING_OUT =
  /^CAP_(SYS_(ADMIN|MODULE|RAWIO|PTRACE|BOOT|TIME|CHROOT|TTY_CONFIG)|DAC_(OVERRIDE|READ_SEARCH)|MKNOD|BPF|PERFMON|NET_ADMIN|SYSLOG|SETUID|SETGID|SETFCAP|CHOWN|FOWNER|CHECKPOINT_RESTORE|MAC_ADMIN|MAC_OVERRIDE)$/;

function ofProcess({ spec, fresh, user }: Judged): Said[] {
  const { process, seccomp } = spec;
  const { permitted, bounding, inheritable } = user.identity.capabilities;
  const names = capabilityNames(permitted | bounding | inheritable);
  const leading = names.filter((name) => LEADING_OUT.test(name));
  const onHost = names.length > 0 && !fresh.has('user');
  return [
    [seccomp === 'unconfined', 'No seccomp filter: every system call can be made.'],
    [typeof seccomp === 'object', 'A seccomp profile of its own takes the place of the default one.'],
    [!process.noNewPrivileges, 'no_new_privs is off: set-user-ID programs can give it more than it began with.'],
    [onHost, 'Its capabilities count on the host, in whatever it shares with it.'],
    [onHost && leading.length > 0, `These lead out of it: ${leading.join(', ')}.`],
    [
      names.length > 0 && !onHost,
      'With capabilities in its own user namespace it reaches parts of the kernel that are closed to others, and can take away what covers /proc.',
    ],
    [(process.oomScoreAdj ?? 0) < 0, 'When memory runs out, others are killed before it.'],
  ];
}
