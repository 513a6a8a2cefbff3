/** Two mount tables compared by what they mean: what is seen at a path, of which file system, and what may be done there. Pure. */
import type { MountEntry } from '../../helper/protocol/mounts.ts';

/** Options of a mount that take something away from who uses it, or that change owners. Others, as those of access times, change nothing of that. */
const TELLING_OPTIONS = ['ro', 'nosuid', 'nodev', 'noexec', 'nosymfollow', 'idmapped'];

/** File systems of which every container has an own one, and that hold nothing when they are new but what the kernel puts there. */
const MADE_ANEW = new Set(['proc', 'sysfs', 'tmpfs', 'devtmpfs', 'devpts', 'mqueue', 'cgroup', 'cgroup2']);

/** mount_namespaces(7), without the numbers of peer groups. */
export type Propagation = 'private' | 'shared' | 'slave' | 'slave, shared' | 'unbindable';

/** A mount that whoever follows its path gets to. */
export interface SeenMount {
  mount: MountEntry;
  /** What it is mounted on; undefined when that is not in the table. */
  on: MountEntry | undefined;
}

/** One that is there, and that no path leads to. */
export interface HiddenMount {
  mount: MountEntry;
  /** What is seen in its place; undefined when that is not in the table. */
  under: MountEntry | undefined;
}

export interface MountView {
  /** By mount point, sorted by it. */
  seen: ReadonlyMap<string, SeenMount>;
  hidden: HiddenMount[];
}

/**
 * `fileSystem`: another one; `own`: another one of the same kind, made anew, as each container has its `/proc`; `directory`: another directory of the
 * same one; `options`: the same, of which other things may be done.
 */
export type MountChange = 'fileSystem' | 'own' | 'directory' | 'options';

export interface ChangedMount {
  place: string;
  mine: SeenMount;
  other: SeenMount;
  change: MountChange;
  /** Telling options that only mine has, or only the other. */
  gained: string[];
  lost: string[];
}

export interface MountComparison {
  changed: ChangedMount[];
  onlyMine: SeenMount[];
  onlyOther: SeenMount[];
  /** Those that are not hidden in the other table, too. */
  hiddenMine: HiddenMount[];
  hiddenOther: HiddenMount[];
  /** Of mine, with the same meaning in both. */
  same: MountEntry[];
  /** Places at which both have the same, of which new mounts are passed on in another way, by how. */
  propagation: { mine: Propagation; other: Propagation; places: string[] }[];
}

export function compareMountTables(mine: readonly MountEntry[], other: readonly MountEntry[]): MountComparison {
  const [mineView, otherView] = [mountView(mine), mountView(other)];
  const both = [...mineView.seen].flatMap(([place, seen]) => {
    const counterpart = otherView.seen.get(place);
    return counterpart === undefined ? [] : [compared(place, seen, counterpart)];
  });
  const isChanged = (one: Compared): one is ChangedMount => one.change !== undefined;
  return {
    changed: both.filter(isChanged),
    onlyMine: notIn(mineView, otherView),
    onlyOther: notIn(otherView, mineView),
    hiddenMine: notHiddenIn(mineView, otherView),
    hiddenOther: notHiddenIn(otherView, mineView),
    same: both.filter((one) => !isChanged(one)).map((one) => one.mine.mount),
    propagation: propagationChanges(both.filter(({ change }) => change === undefined || change === 'options')),
  };
}

type Compared = Omit<ChangedMount, 'change'> & { change: MountChange | undefined };

function compared(place: string, mine: SeenMount, other: SeenMount): Compared {
  const [has, had] = [tellingOptions(mine.mount), tellingOptions(other.mount)];
  const gained = has.filter((option) => !had.includes(option));
  const lost = had.filter((option) => !has.includes(option));
  const change = sourceChange(mine.mount, other.mount) ?? (gained.length + lost.length > 0 ? 'options' : undefined);
  return { place, mine, other, change, gained, lost };
}

function sourceChange(mine: MountEntry, other: MountEntry): MountChange | undefined {
  if (mine.device === other.device) return mine.root === other.root ? undefined : 'directory';
  const isAlike = mine.type === other.type && mine.root === other.root && MADE_ANEW.has(mine.type);
  return isAlike ? 'own' : 'fileSystem';
}

function notIn(view: MountView, other: MountView): SeenMount[] {
  return [...view.seen].filter(([place]) => !other.seen.has(place)).map(([, seen]) => seen);
}

function notHiddenIn(view: MountView, other: MountView): HiddenMount[] {
  const key = ({ device, root, mountPoint }: MountEntry) => `${device} ${root} ${mountPoint}`;
  const hidden = new Set(other.hidden.map(({ mount }) => key(mount)));
  return view.hidden.filter(({ mount }) => !hidden.has(key(mount)));
}

function propagationChanges(both: readonly Compared[]): MountComparison['propagation'] {
  const changes = new Map<string, MountComparison['propagation'][number]>();
  for (const { place, mine, other } of both) {
    const [is, was] = [propagationOf(mine.mount), propagationOf(other.mount)];
    if (is === was) continue;
    const key = `${is} ${was}`;
    const change = changes.get(key) ?? { mine: is, other: was, places: [] };
    change.places.push(place);
    changes.set(key, change);
  }
  return [...changes.values()];
}

export function propagationOf({ propagation }: MountEntry): Propagation {
  const names = propagation.map((word) => word.replace(/:.*/, ''));
  if (names.includes('unbindable')) return 'unbindable';
  const isShared = names.includes('shared');
  if (names.includes('master')) return isShared ? 'slave, shared' : 'slave';
  return isShared ? 'shared' : 'private';
}

/** A file system that is read-only is so wherever it is mounted. */
export function tellingOptions({ options, superOptions }: MountEntry): string[] {
  return TELLING_OPTIONS.filter((option) => options.includes(option) || (option === 'ro' && superOptions.includes(option)));
}

/** Follows every mount point as the kernel does: whatever is mounted on the way or on it later is what one gets to. */
export function mountView(mounts: readonly MountEntry[]): MountView {
  const at = new Map(mounts.map((mount) => [mount.id, mount]));
  const mountedOn = new Map<string, MountEntry>();
  // On one point of one mount the last is what is seen.
  for (const mount of mounts) mountedOn.set(pointKey(at.get(mount.parentId), mount), mount);
  const seen: SeenMount[] = [];
  const hidden: HiddenMount[] = [];
  for (const mount of mounts) {
    const found = follow(mountedOn, mount.mountPoint);
    if (found === mount) seen.push({ mount, on: at.get(mount.parentId) });
    else hidden.push({ mount, under: found });
  }
  const key = ({ mount }: SeenMount) => mount.mountPoint.replaceAll('/', '\0');
  const sorted = seen.map((one) => ({ one, key: key(one) })).sort((a, b) => (a.key < b.key ? -1 : 1));
  return { seen: new Map(sorted.map(({ one }) => [one.mount.mountPoint, one])), hidden };
}

/** What is mounted on a mount that is not in the table, or on itself, begins a path. */
function pointKey(on: MountEntry | undefined, { id, mountPoint }: MountEntry): string {
  return `${on === undefined || on.id === id ? '' : on.id} ${mountPoint}`;
}

/** More mounts on one point than anybody stacks: a table whose mounts stand on each other in a circle ends. */
const MOST_STACKED = 10_000;

/** The mount that a path leads to, which is then at its root; undefined when none in the table is on the way. */
function follow(mountedOn: ReadonlyMap<string, MountEntry>, path: string): MountEntry | undefined {
  let here: MountEntry | undefined;
  for (const place of prefixes(path)) {
    for (let steps = 0; steps < MOST_STACKED; steps += 1) {
      const next = mountedOn.get(`${here?.id ?? ''} ${place}`);
      if (next === undefined || next === here) break;
      here = next;
    }
  }
  return here;
}

/** `/`, `/a`, `/a/b` of `/a/b`. */
function prefixes(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '');
  return ['/', ...names.map((_, at) => `/${names.slice(0, at + 1).join('/')}`)];
}

/**
 * Where the same file or directory is in another table: the path there that leads to it. Undefined when none does, as when what has it is
 * hidden or not mounted.
 */
export function pathOfSame({ device, root }: MountEntry, view: MountView): string | undefined {
  const paths = [...view.seen.values()].flatMap(({ mount }) => {
    const inside = mount.device === device ? below(root, mount.root) : undefined;
    const path = inside === undefined ? undefined : joined(mount.mountPoint, inside);
    return path !== undefined && leadsTo(path, mount, view) ? [path] : [];
  });
  // The shortest: what is bound to a second place is known by its first.
  return paths.sort((a, b) => a.length - b.length)[0];
}

/** What `path` has after `root`; undefined when it is not below it. */
function below(path: string, root: string): string | undefined {
  if (root === '/') return path;
  if (path === root) return '/';
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

function joined(directory: string, inside: string): string {
  if (inside === '/') return directory;
  return directory === '/' ? inside : `${directory}${inside}`;
}

/** Whether nothing else is mounted on the way from a mount to a path below it. */
function leadsTo(path: string, mount: MountEntry, { seen }: MountView): boolean {
  const deepest = prefixes(path).findLast((place) => seen.has(place));
  return deepest === mount.mountPoint;
}

/**
 * What a container engine does to every container. `root`: an overlay of its own is its root directory; `masked`: an empty file or directory hides a part of /proc or /sys; `readOnly`: a part of them may not be
 * written; `kernelFiles`: file systems of the kernel of its own, or the part of the cgroups that is its own; `engineFile`: one of the three files in /etc that
 * the engine writes for it.
 */
export type UsualPart = 'root' | 'masked' | 'readOnly' | 'kernelFiles' | 'engineFile';

/** Types of file systems that engines mount anew, by where. */
const OWN_OF_CONTAINERS: Readonly<Record<string, string>> = {
  '/proc': 'proc',
  '/dev': 'tmpfs',
  '/dev/pts': 'devpts',
  '/dev/mqueue': 'mqueue',
  '/dev/shm': 'tmpfs',
  '/sys/fs/cgroup': 'tmpfs',
};
const ENGINE_FILES = ['/etc/resolv.conf', '/etc/hostname', '/etc/hosts'];
/** Folders of engines in which the files of one container lie. */
const ENGINE_FOLDERS = /\/(containers|overlay-containers|sandboxes|pods)\/[^/]/;

/**
 * As what an engine usually does a mount is known, by what it is and not only where it is; undefined when it is something else. `other` is what is at the
 * same place in the table that it is compared with.
 */
export function usualPart({ mount, on }: SeenMount, other?: SeenMount): UsualPart | undefined {
  if (isKernelTree(on) && mount.mountPoint !== on.mountPoint) {
    if (isEmpty(mount)) return 'masked';
    if (mount.device === on.device && tellingOptions(mount).includes('ro')) return 'readOnly';
  }
  if (mount.mountPoint === '/') return isOverlay(mount) && mount.device !== other?.mount.device ? 'root' : undefined;
  if (ENGINE_FILES.includes(mount.mountPoint)) return isOfEngine(mount) ? 'engineFile' : undefined;
  return isOwnKernelFiles(mount, other?.mount) ? 'kernelFiles' : undefined;
}

export function isOverlay({ type }: MountEntry): boolean {
  return type === 'overlay' || type === 'fuse.fuse-overlayfs';
}

/** How many lower layers of an overlay two of them share, and how many mine has; undefined when one does not tell of its layers. */
export function sharedLayers(mine: MountEntry, other: MountEntry): { shared: number; all: number } | undefined {
  const [one, two] = [lowerLayers(mine), lowerLayers(other)];
  if (one.length === 0 || two.length === 0) return undefined;
  return { shared: one.filter((layer) => two.includes(layer)).length, all: one.length };
}

function lowerLayers({ superOptions }: MountEntry): string[] {
  return superOptions.flatMap((option) => {
    const [, name, value = ''] = /^(lowerdir\+?)=(.*)$/s.exec(option) ?? [];
    // A colon in a name is escaped (Documentation/filesystems/overlayfs.rst).
    return name === 'lowerdir' ? value.split(/(?<!\\):+/) : name === undefined ? [] : [value];
  });
}

function isKernelTree(mount: MountEntry | undefined): mount is MountEntry {
  return mount?.type === 'proc' || mount?.type === 'sysfs';
}

/** What hides: `/dev/null`, or a tmpfs in which nothing can be put. */
function isEmpty(mount: MountEntry): boolean {
  if (mount.type !== 'tmpfs' && mount.type !== 'devtmpfs') return false;
  return mount.root === '/null' || (mount.type === 'tmpfs' && tellingOptions(mount).includes('ro'));
}

function isOfEngine({ mountPoint, root }: MountEntry): boolean {
  const name = mountPoint.slice('/etc/'.length);
  const isNamed = root.endsWith(`/${name}`) || root.endsWith(`/etc-${name}`);
  return isNamed && ENGINE_FOLDERS.test(root);
}

/** One that the other has as well is shared with it, and one that may be written to where an engine lets nobody is not usual either. */
function isOwnKernelFiles(mount: MountEntry, other: MountEntry | undefined): boolean {
  const { device, mountPoint, root, type } = mount;
  if (other !== undefined && other.device === device && other.root === root) return false;
  const isReadOnly = tellingOptions(mount).includes('ro');
  if (type === 'cgroup' || type === 'cgroup2') return isReadOnly && root !== '/';
  if (type === 'sysfs') return isReadOnly && mountPoint === '/sys';
  if (type === 'devpts' && mountPoint === '/dev/console') return true;
  return OWN_OF_CONTAINERS[mountPoint] === type;
}
