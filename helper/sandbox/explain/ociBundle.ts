/**
 * The bundle of the OCI runtime specification (config.json, github.com/opencontainers/runtime-spec) that makes something similar: what runc(8),
 * crun and every engine are told. What a bundle cannot say, the preparation of its root, are lines for a shell.
 */

import {
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
  RLIMIT_NOFILE,
} from '../../kernel/numbers.ts';
import { shellText, shellWord } from '../../launcher/text.ts';
import { capabilityNames } from '../../proc/capabilities.ts';
import { RESOURCE_NAMES, RLIM_INFINITY } from '../../proc/limits.ts';
import { startingLimits } from '../../programs/cleanStart.ts';
import { own } from '../../programs/identity.ts';
import type { NamespaceKind } from '../../protocol/namespaces.ts';
import type { SandboxEquivalent, SandboxResources } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { PlannedMount } from '../plan/plannedMounts.ts';
import type { SandboxPlan } from '../plan/sandboxPlan.ts';
import { defaultSeccompProfile } from '../seccomp/seccompDefault.ts';
import { bytesOf } from '../specification/size.ts';

interface OciMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

const NAMES: Partial<Record<NamespaceKind, string>> = {
  user: 'user',
  mnt: 'mount',
  pid: 'pid',
  net: 'network',
  ipc: 'ipc',
  uts: 'uts',
  cgroup: 'cgroup',
};
const ATTRIBUTES: [flag: number, set: string, unset?: string][] = [
  [MOUNT_ATTR_RDONLY, 'ro', 'rw'],
  [MOUNT_ATTR_NOSUID, 'nosuid'],
  [MOUNT_ATTR_NODEV, 'nodev'],
  [MOUNT_ATTR_NOEXEC, 'noexec'],
  [MOUNT_ATTR_NOATIME, 'noatime'],
];
const PROPAGATIONS: Record<number, string> = {
  [MS_PRIVATE]: 'rprivate',
  [MS_SLAVE]: 'rslave',
  [MS_SHARED]: 'rshared',
  [MS_UNBINDABLE]: 'runbindable',
};
/** RLIM_INFINITY, which no number of JavaScript is; written without quotes in the end. */
const UNLIMITED = '18446744073709551615';
const WIDTH = 120;
const TTY_GROUP = 5;

/** What runc(8) would be told; undefined when no bundle comes near. */
export function runcOf(plan: SandboxPlan): SandboxEquivalent | undefined {
  const { spec, fresh, joined, root } = plan;
  if (!fresh.has('mnt') || spec.oldRoot !== undefined || root.type === 'asItIs') return undefined;
  // Layers that are unpacked have no name that another could be told, and in options some characters mean something.
  if (root.type === 'overlay' && (!Array.isArray(root.lowers) || /[:,\\]/.test(root.lowers.join('') + root.upper)))
    return undefined;
  if (joined.some(({ name, kind }) => !name.startsWith('/proc/') || NAMES[kind] === undefined)) return undefined;
  const bundle = shellWord(spec.name);
  const preparation = prepare(plan, `${bundle}/rootfs`);
  const pivot = spec.changeRoot === 'chroot' ? ['--no-pivot'] : [];
  const run = ['runc', 'run', ...pivot, '--bundle', bundle, bundle].join(' ');
  const contents = contentsOf(plan).map(
    ({ content }, index) => `cat >${bundle}/file${index} <<'EOF'\n${content.trimEnd()}\nEOF`,
  );
  const command = [
    `mkdir -p ${bundle}/rootfs`,
    `cat >${bundle}/config.json <<'EOF'\n${jsonText(ociConfig(plan))}\nEOF`,
    ...contents,
    // A mount namespace of their own, so that they go with it.
    preparation.length === 0 ? run : `unshare --mount sh -e -c ${shellText(['', ...preparation, `exec ${run}`].join('\n'))}`,
  ].join('\n');
  return { tool: 'runc', command, differences: differencesOf(plan) };
}

/** Lines that mount the root where the bundle has it, unless it is a directory of the host itself. */
function prepare({ root, mounts, spec }: SandboxPlan, rootfs: string): string[] {
  if (root.type === 'bind') return root.path === '/' ? [`mount --rbind / ${rootfs}`] : [];
  if (root.type === 'tmpfs') {
    const options = root.options.map(([key, value]) => (value === true ? key : `${key}=${value}`)).join(',');
    const links = mounts.filter((mount) => mount.what === 'symlink' && !mount.place.destination.startsWith('/dev/'));
    return [
      `mount -t tmpfs -o nodev,${options} none ${rootfs}`,
      ...links.map((mount) => {
        const { target, place } = mount as Extract<PlannedMount, { what: 'symlink' }>;
        const file = place.destination;
        return `mkdir -p ${rootfs}${shellWord(folderOf(file))} && ln -s ${shellWord(target)} ${rootfs}${shellWord(file)}`;
      }),
    ];
  }
  if (root.type !== 'overlay' || !Array.isArray(root.lowers)) return [];
  const changes = root.upper === undefined ? `${shellWord(spec.name)}/changes` : shellWord(root.upper);
  const layers = `lowerdir=${root.lowers.join(':')},upperdir=${changes}/upper,workdir=${changes}/work`;
  return [
    ...(root.upper === undefined ? [`mkdir -p ${changes}`, `mount -t tmpfs none ${changes}`] : []),
    `mkdir -p ${changes}/upper ${changes}/work`,
    `mount -t overlay -o nodev,${shellWord(layers)} overlay ${rootfs}`,
  ];
}

function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf('/')) || '/';
}

function contentsOf({ mounts }: SandboxPlan) {
  return mounts.filter((mount): mount is Extract<PlannedMount, { what: 'content' }> => mount.what === 'content');
}

/** config.json of the bundle, as far as version 1.0.2 of the specification and runc 1.1 know it. */
export function ociConfig(plan: SandboxPlan): object {
  const { spec, root, fresh, joined, idMaps, covers } = plan;
  const namespaces = [
    ...[...fresh].flatMap((kind) => (NAMES[kind] === undefined ? [] : [{ type: NAMES[kind] }])),
    ...joined.map(({ kind, name }) => ({ type: NAMES[kind], path: name })),
  ];
  const path = root.type === 'bind' && root.path !== '/' ? root.path : 'rootfs';
  return {
    ociVersion: '1.0.2',
    process: processOf(plan),
    root: { path, readonly: root.type === 'bind' && root.readOnly },
    ...(spec.hostname === undefined ? {} : { hostname: spec.hostname }),
    mounts: mountsOf(plan),
    linux: {
      namespaces,
      ...(idMaps === undefined ? {} : { uidMappings: idMaps.uid, gidMappings: idMaps.gid }),
      ...(spec.resources === undefined ? {} : { resources: resourcesOf(spec.resources, plan.devices) }),
      ...seccompOf(plan),
      rootfsPropagation: propagationOf(plan),
      maskedPaths: [...covers.paths.masked, ...covers.masked],
      readonlyPaths: [...covers.paths.readonly, ...covers.readonly],
    },
  };
}

/** Of the old root, before anything is mounted. */
function propagationOf({ mounts }: SandboxPlan): string {
  const has = (propagation: number) => mounts.some((mount) => mount.what === 'bind' && mount.propagation === propagation);
  return has(MS_SHARED) ? 'rshared' : has(MS_SLAVE) ? 'rslave' : 'rprivate';
}

function processOf({ spec, user, command, environment }: SandboxPlan): object {
  const { identity } = user;
  const { capabilities } = identity;
  const names = (mask: bigint) => capabilityNames(mask);
  const { rlimits, oomScoreAdj, terminal, cwd, noNewPrivileges } = spec.process;
  const additionalGids = user.groups?.ids ?? [];
  const limit = (value: number | 'unlimited') => (value === 'unlimited' ? UNLIMITED : value);
  const given = rlimits ?? [];
  // What a runtime is started with its container has.
  const openFiles = startingLimits().flatMap(({ resource, soft, hard }) => {
    const type = RESOURCE_NAMES[resource]!;
    const isNamed = resource !== RLIMIT_NOFILE || given.some((one) => one.type === type);
    return isNamed ? [] : [{ type, soft: Number(soft), hard: hard === RLIM_INFINITY ? UNLIMITED : Number(hard) }];
  });
  return {
    terminal,
    user: {
      uid: identity.uid,
      gid: identity.gid,
      umask: identity.umask,
      ...(additionalGids.length === 0 ? {} : { additionalGids }),
    },
    args: command,
    env: environment.entries().map((entry) => entry.toString('utf8')),
    cwd,
    capabilities: {
      bounding: names(capabilities.bounding),
      effective: names(capabilities.effective),
      inheritable: names(capabilities.inheritable),
      permitted: names(capabilities.permitted),
      ambient: names(capabilities.ambient),
    },
    rlimits: [...openFiles, ...given.map(({ type, soft, hard }) => ({ type, soft: limit(soft), hard: limit(hard) }))],
    noNewPrivileges,
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
  };
}

function mountsOf(plan: SandboxPlan): OciMount[] {
  const contents = contentsOf(plan);
  // The devices and links of /dev every runtime makes itself.
  const own = (mount: PlannedMount) => plan.spec.dev === 'minimal' && isOfDev(mount);
  return plan.mounts.filter((mount) => !own(mount)).flatMap((mount) => mountOf(mount, contents) ?? []);
}

/** Undefined for a symbolic link, which is made in the root beforehand. */
function mountOf(mount: PlannedMount, contents: readonly PlannedMount[]): OciMount | undefined {
  const { destination } = mount.place;
  switch (mount.what) {
    case 'new': {
      const data = mount.options.map(([key, value]) => (value === true ? key : `${key}=${value}`));
      const { type } = mount;
      return { destination, type, source: type, options: [...attributeNames(mount.attributes), ...data] };
    }
    case 'held': {
      const options = ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', `gid=${TTY_GROUP}`];
      return { destination, type: 'devpts', source: 'devpts', options };
    }
    case 'bind': {
      const propagation = PROPAGATIONS[mount.propagation] ?? 'rprivate';
      return bindOf(destination, mount.source, [...attributeNames(mount.set), propagation]);
    }
    case 'copy':
      return bindOf(destination, mount.source, ['ro', 'nosuid', 'nodev']);
    case 'content':
      return bindOf(destination, `file${contents.indexOf(mount)}`, ['ro', 'nosuid', 'nodev', 'noexec']);
    case 'symlink':
    case 'devices':
      return undefined;
  }
}

function isOfDev({ what }: PlannedMount): boolean {
  return what === 'symlink' || what === 'devices';
}

function bindOf(destination: string, source: string, options: string[]): OciMount {
  return { destination, type: 'bind', source, options: ['rbind', ...options] };
}

function attributeNames(attributes: number): string[] {
  return ATTRIBUTES.flatMap(([flag, set, unset]) => ((attributes & flag) !== 0 ? [set] : unset === undefined ? [] : [unset]));
}

function seccompOf({ spec, user }: SandboxPlan): object {
  if (spec.seccomp === 'unconfined') return {};
  if (spec.seccomp !== 'default') return { seccomp: spec.seccomp };
  return { seccomp: defaultSeccompProfile(capabilityNames(user.identity.capabilities.bounding)) };
}

/** In these terms `swap` is memory and swap together. */
function resourcesOf({ cpu, memory, pids, blockIO }: SandboxResources, devices: SandboxPlan['devices']): object {
  const limit = memory?.limit === undefined ? undefined : bytesOf(memory.limit);
  const swap = memory?.swap === undefined ? undefined : (limit ?? 0) + bytesOf(memory.swap);
  return {
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory: { limit, swap } }),
    ...(pids === undefined ? {} : { pids }),
    ...(blockIO === undefined ? {} : { blockIO: throttlesOf(blockIO, devices) }),
  };
}

function throttlesOf(limited: NonNullable<SandboxResources['blockIO']>, devices: SandboxPlan['devices']): object {
  const rates = (of: (device: (typeof limited)[number]) => number | string | undefined) =>
    limited.flatMap((device) => {
      const rate = of(device);
      const [major, minor] = (devices.get(device.device) ?? device.device).split(':').map(Number);
      return rate === undefined ? [] : [{ major, minor, rate: bytesOf(rate) }];
    });
  return {
    throttleReadBpsDevice: rates(({ readBps }) => readBps),
    throttleWriteBpsDevice: rates(({ writeBps }) => writeBps),
    throttleReadIOPSDevice: rates(({ readIOPS }) => readIOPS),
    throttleWriteIOPSDevice: rates(({ writeIOPS }) => writeIOPS),
  };
}

function differencesOf({ spec, fresh, root, trees }: SandboxPlan): Said[] {
  const cases: [boolean, Said][] = [
    [spec.process.init, said('nothingReaps')],
    [own().uid === 0 && !fresh.has('user') && root.type === 'bind' && root.readOnly, said('mountsBelowStayWritable')],
    [root.type === 'bind', said('deviceNodesWouldWork')],
    [spec.dev === 'none', said('makesDevNevertheless')],
    [spec.resources === undefined, said('makesCgroupsNevertheless')],
    [fresh.has('time'), said('runcMakesNoTimeNamespace')],
    [fresh.has('net') && spec.network.type === 'none', said('bringsUpLo')],
    [spec.network.type === 'veth', said('makesNoInterfaces')],
    [spec.changeRoot === 'chroot', said('movesNewRootOverOld')],
    [
      trees.some((tree) => tree.mapped !== undefined) || (root.type === 'overlay' && root.mapped === true),
      said('runcMapsNoOwners'),
    ],
    [root.type === 'tmpfs' && root.copied === true, said('programsAreBound')],
    [spec.process.timeout !== undefined, said('hasNoTimeLimit')],
  ];
  return cases.flatMap(([holds, text]) => (holds ? [text] : []));
}

/** JSON with lists of words on as few lines as fit, and nothing that a terminal or an editor would not show as it is. */
function jsonText(value: object): string {
  return JSON.stringify(value, undefined, 2)
    .replaceAll(/^( *)(.*)\[\n([^[\]{}]*?)\n *\](,?)$/gm, (_, indent: string, key: string, list: string, comma: string) => {
      const words = list.split('\n').map((word) => word.trim());
      return `${indent}${key}[${wrapped(words, `${indent}  `, indent, key.length)}]${comma}`;
    })
    .replaceAll(`"${UNLIMITED}"`, UNLIMITED)
    .replaceAll(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
    });
}

function wrapped(words: readonly string[], indent: string, last: string, before: number): string {
  const whole = words.join(' ');
  if (last.length + before + whole.length + 3 <= WIDTH) return whole;
  const lines: string[] = [];
  for (const word of words) {
    const line = lines.at(-1);
    if (line === undefined || line.length + word.length >= WIDTH) lines.push(`${indent}${word}`);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return `\n${lines.join('\n')}\n${last}`;
}
