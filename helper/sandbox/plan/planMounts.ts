/** What is mounted below the new root, in order: `/proc`, `/dev`, what the specification lists, and what covers dangers. */

import fs from 'node:fs';
import path from 'node:path';
import { Failure, inField, isSystemError } from '../../failure.ts';
import { makeDetachedMount } from '../../kernel/newMount.ts';
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
} from '../../kernel/numbers.ts';
import { append } from '../../lists.ts';
import { own } from '../../programs/identity.ts';
import type { SandboxMount } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { type HostMounts, isRootOfHost } from '../hostFiles/hostMounts.ts';
import { plainLayers, realPath } from '../hostFiles/hostPath.ts';
import { resolveInRoot, split } from '../hostFiles/inRoot.ts';
import type { HeldTree, HeldTrees } from '../idMaps/heldTrees.ts';
import { bytesOf, SIZE_PATTERN } from '../specification/size.ts';
import { nameFiles } from './nameFiles.ts';
import type { BindMount, Device, Option, Place, PlannedMount } from './plannedMounts.ts';
import { type RootPlan, tmpfsOptions } from './planRoot.ts';
import type { UserPlan } from './planUser.ts';
import type { ResolvedSpec } from './resolvedSpec.ts';

export interface MountContext {
  user: UserPlan;
  notes: Said[];
  hasUserNamespace: boolean;
  /** It has no other user namespace than the helper. */
  ownsHost: boolean;
  trees: HeldTrees;
  hostMounts: HostMounts;
  /** Is told of each descriptor, for whoever closes it. */
  keep: (descriptor: number) => void;
  /** That the specification lies in. */
  folder?: string;
}

/** Documentation/admin-guide/devices.txt of the kernel. */
const DEVICES: readonly Device[] = [
  { name: 'null', major: 1, minor: 3 },
  { name: 'zero', major: 1, minor: 5 },
  { name: 'full', major: 1, minor: 7 },
  { name: 'random', major: 1, minor: 8 },
  { name: 'urandom', major: 1, minor: 9 },
  { name: 'tty', major: 5, minor: 0 },
];
const LINKS: [name: string, target: string][] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
];
const NO_PROGRAMS = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
const TTY_GROUP = 5;
const BIND_DEFAULTS = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

export function planMounts(spec: ResolvedSpec, root: RootPlan, context: MountContext): PlannedMount[] {
  const at = (destination: string, strict = false) => placeIn(root, destination, strict);
  const proc = (): Place => inField(['proc'], () => at('/proc', true));
  const mounts: PlannedMount[] = root.type === 'tmpfs' ? filesOf(root) : [];
  if (spec.proc === 'own') {
    mounts.push({ what: 'new', type: 'proc', options: [], attributes: NO_PROGRAMS, place: proc() });
  }
  append(
    mounts,
    inField(['root'], () => hostSockets(root, at)),
  );
  inField(['dev'], () => {
    if (spec.dev === 'minimal') append(mounts, minimalDev(at, context));
    if (spec.dev === 'host') mounts.push(bindOf('/dev', at('/dev', true), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  });
  append(
    mounts,
    inField([spec.hosts === undefined ? 'network' : 'hosts'], () => nameFiles(spec, root, { at, notes: context.notes })),
  );
  const planOne = (mount: SandboxMount) =>
    planMount(
      mount,
      inField(['destination'], () => at(mount.destination)),
      context,
    );
  for (const [index, mount] of spec.mounts.entries()) mounts.push(inField(['mounts', index], () => planOne(mount)));
  return mounts;
}

export function placeIn(root: RootPlan, destination: string, strict: boolean): Place {
  const files =
    root.type === 'bind' ? root.path : root.type === 'overlay' && Array.isArray(root.lowers) ? root.lowers[0] : undefined;
  const resolved = files === undefined ? { parts: split(destination), existing: 0 } : resolveInRoot(files, destination);
  if (resolved.parts.includes('..')) throw new Failure('invalid', said('destinationHasParent', destination));
  if (resolved.parts.length === 0) throw new Failure('invalid', said('destinationIsRoot', destination));
  if (strict && resolved.parts.join('/') !== split(destination).join('/')) {
    throw new Failure('invalid', said('destinationIsLink', destination, resolved.parts.join('/')), {
      hint: said('makeDirectoryOrNone', path.basename(destination)),
    });
  }
  return { ...resolved, destination, strict };
}

/** The files of a minimal root, before anything is mounted over them. */
function filesOf({ files, copied }: Extract<RootPlan, { type: 'tmpfs' }>): PlannedMount[] {
  if (files === undefined) return [];
  const at = (file: string): Place => ({ destination: file, parts: split(file), existing: 0, strict: true });
  const programs = files.files.map(({ path: file, source }): PlannedMount => {
    if (!copied) return { ...bindOf(source, at(file), BIND_DEFAULTS) };
    const { size, mode } = fs.statSync(source);
    return { what: 'copy', source, bytes: size, mode: mode & 0o755, place: at(file) };
  });
  return [
    ...programs,
    ...files.links.map(({ path: file, target }): PlannedMount => ({ what: 'symlink', target, place: at(file) })),
  ];
}

/** The host's services listen on sockets below /run, and people leave some in /tmp; a read-only mount does not keep from them. */
function hostSockets(root: RootPlan, at: (destination: string) => Place): PlannedMount[] {
  if (!showsRootOfHost(root)) return [];
  return ['/run', '/tmp', '/var/tmp']
    .filter((folder) => isDirectory(folder))
    .map((folder) => ({
      what: 'new',
      type: 'tmpfs',
      options: tmpfsOptions({ mode: folder === '/run' ? 0o755 : 0o1777 }),
      attributes: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
      place: at(folder),
    }));
}

/** And does not let it be changed: what is to be changed is to be found. */
function showsRootOfHost(root: RootPlan): boolean {
  if (root.type === 'bind') return root.readOnly && isRootOfHost(root.path);
  return root.type === 'overlay' && root.image === undefined && Array.isArray(root.lowers) && root.lowers.some(isRootOfHost);
}

function minimalDev(at: (destination: string, strict?: boolean) => Place, context: MountContext): PlannedMount[] {
  const fresh = (destination: string): Place => ({ destination, parts: split(destination), existing: 0, strict: true });
  const tmpfs = (place: Place, options: Option[], attributes: number): PlannedMount => ({
    what: 'new',
    type: 'tmpfs',
    options,
    attributes,
    place,
  });
  const mounts: PlannedMount[] = [
    tmpfs(at('/dev', true), tmpfsOptions({ mode: 0o755, size: '64K' }), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC),
  ];
  // Whoever owns a node of the host's may change its mode for the host, too. In a user namespace none can be made: mknod(2).
  mounts.push({ what: 'devices', devices: DEVICES, own: own().privileged && context.ownsHost, place: fresh('/dev') });
  for (const [name, target] of LINKS) mounts.push({ what: 'symlink', target, place: fresh(`/dev/${name}`) });
  mounts.push(devpts(fresh('/dev/pts'), context));
  mounts.push(tmpfs(fresh('/dev/shm'), tmpfsOptions({ mode: 0o1777, size: '64M' }), NO_PROGRAMS));
  return mounts;
}

/**
 * An own devpts. Where the helper may, it makes it itself, so that the terminal is of it and has a name inside; without
 * privilege only what is in the new user namespace may make one, and the terminal is of the host's.
 */
function devpts(place: Place, { hasUserNamespace, keep }: MountContext): PlannedMount {
  const options: Option[] = [
    ['newinstance', true],
    ['ptmxmode', '0666'],
    ['mode', '0620'],
  ];
  const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  if (!own().privileged || hasUserNamespace) return { what: 'new', type: 'devpts', options, attributes, place };
  const descriptor = makeDetachedMount('devpts', [...options, ['gid', String(TTY_GROUP)]], attributes);
  keep(descriptor);
  return { what: 'held', descriptor, type: 'devpts', place };
}

function bindOf(source: string, place: Place, set: number, propagation = MS_PRIVATE): BindMount {
  const { path: real, isDirectory } = realPath(source, 'mounts');
  if (place.kind !== undefined && (place.kind === 'directory') !== isDirectory) {
    throw new Failure('invalid', said(isDirectory ? 'directoryOnFile' : 'fileOnDirectory', source, place.destination));
  }
  // So that the mode of the host's own node stays: the device can be written to nevertheless.
  const nodes = isDevice(real) ? MOUNT_ATTR_RDONLY : 0;
  return { what: 'bind', source: real, isDirectory, set: set | nodes, propagation, place };
}

function isDevice(real: string): boolean {
  const stat = fs.statSync(real, { throwIfNoEntry: false });
  return stat !== undefined && (stat.isCharacterDevice() || stat.isBlockDevice());
}

const FLAGS: Record<string, { set?: number; clear?: number }> = {
  ro: { set: MOUNT_ATTR_RDONLY },
  rw: { clear: MOUNT_ATTR_RDONLY },
  nosuid: { set: MOUNT_ATTR_NOSUID },
  suid: { clear: MOUNT_ATTR_NOSUID },
  nodev: { set: MOUNT_ATTR_NODEV },
  dev: { clear: MOUNT_ATTR_NODEV },
  noexec: { set: MOUNT_ATTR_NOEXEC },
  exec: { clear: MOUNT_ATTR_NOEXEC },
  noatime: { set: MOUNT_ATTR_NOATIME },
};
const PROPAGATIONS: Record<string, number> = {
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE,
  slave: MS_SLAVE,
  rslave: MS_SLAVE,
  shared: MS_SHARED,
  rshared: MS_SHARED,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE,
};
/** Which options of the file system itself each type takes. */
const DATA: Record<Exclude<SandboxMount['type'], 'bind'>, RegExp> = {
  tmpfs: /^(size|mode|nr_inodes|uid|gid)$/,
  proc: /^(hidepid|subset)$/,
  sysfs: /^$/,
  mqueue: /^$/,
  devpts: /^(ptmxmode|mode|gid|uid|max)$/,
  overlay: /^(lowerdir|upperdir|workdir|index|metacopy|redirect_dir|userxattr|volatile|xino)$/,
  cgroup2: /^(nsdelegate|memory_recursiveprot)$/,
};
const ATTRIBUTES: Record<Exclude<SandboxMount['type'], 'bind'>, number> = {
  tmpfs: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
  proc: NO_PROGRAMS,
  sysfs: NO_PROGRAMS | MOUNT_ATTR_RDONLY,
  mqueue: NO_PROGRAMS,
  devpts: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
  overlay: MOUNT_ATTR_NODEV,
  cgroup2: NO_PROGRAMS | MOUNT_ATTR_RDONLY,
};

function planMount(mount: SandboxMount, place: Place, context: MountContext): PlannedMount {
  let attributes = mount.type === 'bind' ? BIND_DEFAULTS : ATTRIBUTES[mount.type];
  let propagation = MS_PRIVATE;
  let mapped: HeldTree['mapped'];
  const data: Option[] = [];
  const take = (option: string) => {
    const flag = FLAGS[option];
    if (flag !== undefined) attributes = (attributes | (flag.set ?? 0)) & ~(flag.clear ?? 0);
    else if (PROPAGATIONS[option] !== undefined) propagation = PROPAGATIONS[option];
    else if (mount.type === 'bind' && (option === 'bind' || option === 'rbind')) return;
    else if (mount.type === 'bind' && /^r?idmap$/.test(option)) mapped = option === 'ridmap' ? 'all' : 'one';
    else if (mount.type === 'overlay') data.push(dataOption(mount, plainLayers(option, context.folder)));
    else data.push(dataOption(mount, option));
  };
  for (const [index, option] of (mount.options ?? []).entries()) inField(['options', index], () => take(option));
  if (mount.type === 'bind') {
    const { source } = mount;
    if (source === undefined) throw new Failure('invalid', said('bindHasNoSource', mount.destination), { field: ['source'] });
    const bind = inField(['source'], () => bindOf(source, place, attributes, propagation));
    inField(['options'], () => checkPropagation(bind, context));
    const tree = inField([mapped === undefined ? 'source' : 'options'], () => context.trees.takeIfNeeded(bind.source, mapped));
    return tree === undefined ? bind : { ...bind, tree };
  }
  if (mount.source !== undefined) {
    throw new Failure('invalid', said('mountHasSource', mount.type, mount.destination), {
      field: ['source'],
    });
  }
  if (mount.type === 'devpts') data.push(['newinstance', true]);
  if (mount.type === 'overlay' && context.hasUserNamespace) data.push(['userxattr', true]);
  return { what: 'new', type: mount.type, options: data, attributes, place };
}

/** mount_namespaces(7), "SHARED SUBTREES": there is nothing to follow, or to be followed by, where the host has it private. */
function checkPropagation(
  { source, propagation, place }: BindMount,
  { notes, hasUserNamespace, hostMounts }: MountContext,
): void {
  if (propagation !== MS_SHARED && propagation !== MS_SLAVE) return;
  const of = hostMounts.of(source);
  const has = (kind: string) => of?.propagation.some((field) => field.startsWith(kind)) === true;
  if (propagation === MS_SLAVE) {
    if (!has('shared:') && !has('master:')) notes.push(said('notePrivateMount', source));
    return;
  }
  if (hasUserNamespace || !has('shared:')) {
    const reason = hasUserNamespace ? said('whyNewUserNamespace') : said('whyNotSharedMount', source);
    throw new Failure('invalid', said('cannotBeShared', place.destination, reason), {
      hint: said('choosePropagationOrShare'),
    });
  }
}

function dataOption({ type, destination }: SandboxMount, option: string): Option {
  const equals = option.indexOf('=');
  const [key, value] = equals === -1 ? [option, true as const] : [option.slice(0, equals), option.slice(equals + 1)];
  if (type === 'bind' || !DATA[type].test(key)) {
    throw new Failure('invalid', said('unknownMountOption', type, destination, option), {
      hint: said('mountNamesOptions'),
    });
  }
  if (key !== 'size') return [key, value];
  if (value !== true && SIZE_PATTERN.test(value)) return [key, String(bytesOf(value))];
  if (value !== true && /^[1-9][0-9]?%$|^100%$/.test(value)) return [key, value];
  throw new Failure('invalid', said('unknownMountSize', type, destination, option), {
    hint: said('writeSize'),
  });
}

function kindOnHost(file: string): 'directory' | 'file' | undefined {
  try {
    return fs.lstatSync(file).isDirectory() ? 'directory' : 'file';
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

function isDirectory(file: string): boolean {
  return kindOnHost(file) === 'directory';
}
