/**
 * The hierarchies of cgroups that the kernel has in use, and where the helper sees them: cgroups(7). The only place that knows how cgroup
 * file systems are mounted.
 */
import fs from 'node:fs';
import { parseHierarchies } from '../../proc/cgroup.ts';
import { type Mount, parseMountinfo } from '../../proc/mountinfo.ts';
import type { CgroupHierarchy } from '../../protocol/cgroups.ts';
import type { InitializeResult } from '../../protocol/host.ts';
import { ownNamespaces } from '../hostNamespaces.ts';
import { isInitial } from '../initialNamespaces.ts';

export type CgroupMode = InitializeResult['cgroups']['mode'];

export interface Hierarchy {
  /** `cpu,cpuacct`, `name=systemd`, or `unified` for v2: what a `CgroupRef` calls it. */
  hierarchy: string;
  /** As in `/proc/cgroups`; 0 for v2. */
  id: number;
  version: 1 | 2;
  controllers: string[];
  /** v1: the name that it was mounted with, with or without controllers: `systemd`. */
  named?: string;
  /** The helper's own cgroup in it. It begins with `/..` when it lies outside of the helper's cgroup namespace. */
  ownPath: string;
  /** Undefined when the helper's mount namespace has it nowhere. */
  mount?: HierarchyMount;
}

export interface HierarchyMount {
  mountPoint: string;
  /** `major:minor` of the file system. */
  device: string;
  /** The cgroup that the mount point is, as the helper's cgroup namespace calls it. */
  root: string;
  /** Whether the mount shows the hierarchy from its very root: false in a container that has only its own part. */
  whole: boolean;
  readOnly: boolean;
  /** Those of the mount and of the file system. */
  options: string[];
}

export const UNIFIED = 'unified';

/** How long a hierarchy that is not mounted is taken to stay so: thousands of cgroups may be asked for in one go. */
const RECHECK_MILLIS = 1000;

let known: Hierarchy[] | undefined;
let knownSince = Number.NEGATIVE_INFINITY;

/** Read afresh: a hierarchy may be mounted, or mounted read-only, at any time. */
export function readHierarchies(): Hierarchy[] {
  const mounts = parseMountinfo(fs.readFileSync('/proc/self/mountinfo', 'utf8'));
  const cgroupNamespace = ownNamespaces().cgroup;
  const initial = cgroupNamespace === undefined || isInitial(cgroupNamespace);
  known = parseHierarchies(readIfThere('/proc/self/cgroup')).map(({ id, hierarchy, path }) => {
    const mount = bestMount(mounts, hierarchy);
    const found: Hierarchy = { hierarchy, id, version: hierarchy === UNIFIED ? 2 : 1, controllers: [], ownPath: path };
    if (mount !== undefined) found.mount = describeMount(mount, initial);
    const named = hierarchy.split(',').find((word) => word.startsWith('name='));
    if (named !== undefined) found.named = named.slice('name='.length);
    found.controllers = hierarchy === UNIFIED ? unifiedControllers(found.mount) : namesOf(hierarchy);
    return found;
  });
  knownSince = performance.now();
  return known;
}

/**
 * The hierarchy that a `CgroupRef` names, mounted if it can be. Cgroup file systems are mounted at boot, so what is known is asked
 * first.
 */
export function hierarchyNamed(name: string): Hierarchy | undefined {
  const find = (all: readonly Hierarchy[] | undefined) => all?.find(({ hierarchy }) => hierarchy === name);
  const found = find(known);
  const fresh = performance.now() - knownSince < RECHECK_MILLIS;
  return found?.mount !== undefined || fresh ? found : find(readHierarchies());
}

/** The v1 hierarchy with this controller, or the one of v2 when no v1 hierarchy has taken it. */
export function hierarchyWith(controller: string): Hierarchy | undefined {
  const all = known ?? readHierarchies();
  const having = all.filter(({ controllers }) => controllers.includes(controller));
  return having.find(({ version }) => version === 1) ?? having[0];
}

/**
 * The directory of a cgroup as a path; undefined where the helper cannot see it: the hierarchy is not mounted, or shows another part. The path is
 * not yet looked up: `openCgroup` does that for cgroups that are named by a request.
 */
export function directoryOf(hierarchy: string, path: string): string | undefined {
  const mount = hierarchyNamed(hierarchy)?.mount;
  const below = mount === undefined ? undefined : pathBelow(mount, path);
  return mount === undefined || below === undefined ? undefined : `${mount.mountPoint}${below}`.replace(/\/$/, '');
}

/** `path` from the mount's own root, beginning with `/`, or undefined when the mount does not show it. */
export function pathBelow({ root }: HierarchyMount, path: string): string | undefined {
  // A path that begins with `/..` lies outside of the helper's cgroup namespace.
  if (path === '/..' || path.startsWith('/../')) return undefined;
  if (root === '/') return path;
  if (path === root) return '/';
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

export function modeOf(hierarchies: readonly Hierarchy[]): CgroupMode {
  const mounted = hierarchies.filter(({ mount }) => mount !== undefined);
  const v1 = mounted.some(({ version }) => version === 1);
  const v2 = mounted.some(({ version }) => version === 2);
  return v1 && v2 ? 'hybrid' : v1 ? 'v1' : v2 ? 'v2' : 'none';
}

/** As the protocol tells it. */
export function describeHierarchy({ hierarchy, version, controllers, mount }: Hierarchy): CgroupHierarchy {
  return {
    hierarchy,
    version,
    controllers,
    ...(mount === undefined ? {} : { mountPoint: mount.mountPoint, mountOptions: mount.options }),
  };
}

/** A hierarchy may be mounted in many places (a chroot, a container's files): the one that shows most and lets write is meant. */
function bestMount(mounts: readonly Mount[], hierarchy: string): Mount | undefined {
  const rank = ({ root, options }: Mount) => (root === '/' ? 2 : 0) + (options.includes('rw') ? 1 : 0);
  return mounts
    .filter((mount) => isOf(mount, hierarchy) && !mount.root.startsWith('/..'))
    .sort((one, other) => rank(other) - rank(one))
    .find(({ mountPoint, device }) => isOnDevice(mountPoint, device));
}

/** False when another file system was mounted over it, or the path cannot be reached. A descriptor in place of the path is asked itself. */
export function isOnDevice(path: string | number, device: string): boolean {
  try {
    const { dev } = typeof path === 'number' ? fs.fstatSync(path) : fs.statSync(path);
    // `dev_t` as stat(2) gives it: the low 8 bits of the minor number, 12 bits of the major one, the rest of the minor one.
    return device === `${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}`;
  } catch {
    return false;
  }
}

function isOf({ type, superOptions }: Mount, hierarchy: string): boolean {
  if (hierarchy === UNIFIED) return type === 'cgroup2';
  return type === 'cgroup' && hierarchy.split(',').every((name) => superOptions.includes(name));
}

function describeMount({ mountPoint, device, root, options, superOptions }: Mount, initial: boolean): HierarchyMount {
  const readOnly = options.includes('ro') || superOptions.includes('ro');
  return { mountPoint, device, root, whole: initial && root === '/', readOnly, options: [...options, ...superOptions] };
}

function namesOf(hierarchy: string): string[] {
  return hierarchy.split(',').filter((name) => name !== '' && !name.startsWith('name='));
}

/** Where the mount does not show the hierarchy from its root, those that were handed down so far. */
function unifiedControllers(mount: HierarchyMount | undefined): string[] {
  if (mount === undefined) return [];
  return readIfThere(`${mount.mountPoint}/cgroup.controllers`).split(/\s+/).filter(Boolean);
}

/** Empty on a kernel without cgroups. */
function readIfThere(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
