/**
 * Bind mounts of namespaces (`ip netns add` makes one), in every mount namespace of the host, and the overlay mounts, which the
 * same reading finds. Each mount namespace has a table of its own, so each is read, once, through a process that sees the whole
 * of it; one without such a process is visited.
 */
import { close, closing } from '../kernel/files.ts';
import { type Mount, parseMountinfo, SERVED } from '../proc/mountinfo.ts';
import { parseNamespaceLink } from '../proc/namespaceLink.ts';
import type { NamespaceKind, Pin } from '../protocol/namespaces.ts';
import { visitMountNamespaces } from './mountNamespaceVisit.ts';
import type { IndexedNamespace, NamespaceIndex } from './namespaceIndex.ts';
import { type NamespaceTable, readers, tableAmongMembers } from './namespaceRoot.ts';
import { openFirst, type Place, placesOf, reopenNamespace } from './places.ts';

/** Mount namespaces without a process at their root that are visited at a time. */
const MAX_VISITS = 64;

/** A namespace that a mount pins. */
export interface NamespaceMount {
  kind: NamespaceKind;
  ino: number;
  pin: Pin & { by: 'bindMount' };
  /** The path to it leads through a file system that a process answers for, perhaps never: not to be walked. */
  isServed: boolean;
}

interface MountTable {
  mounts: NamespaceMount[];
  /** Also those that fuse-overlayfs(1) makes. */
  overlays: Mount[];
  /** False when the table could not be read, or only as far as a chroot lets see. */
  complete: boolean;
}

const UNREAD: MountTable = { mounts: [], overlays: [], complete: false };

export class MountPins {
  private readonly index: NamespaceIndex;
  private tables = new Map<number, MountTable>();
  private byNamespace = new Map<number, NamespaceMount[]>();

  constructor(index: NamespaceIndex) {
    this.index = index;
  }

  /** False when some mount namespace could not be read, so that a pin may be missing. */
  get complete(): boolean {
    return [...this.tables.values()].every(({ complete }) => complete);
  }

  /** Mount namespaces whose table could not be read, or only in part. */
  get unreadable(): number {
    return [...this.tables.values()].filter(({ complete }) => !complete).length;
  }

  /** Overlay mounts by the mount namespace that has them. */
  *overlays(): Generator<{ mountNamespace: number; mounts: readonly Mount[] }> {
    for (const [mountNamespace, { overlays }] of this.tables) {
      if (overlays.length > 0) yield { mountNamespace, mounts: overlays };
    }
  }

  /**
   * Reads the tables of mount namespaces not seen before, of those in `changed`, or of all. Mounts propagate (mount_namespaces(7)): with one that
   * changed, those are read in which namespaces are mounted, and all when in that one others are mounted than before.
   */
  read(changed: ReadonlySet<number> | 'all'): void {
    if (changed === 'all' || changed.size === 0) {
      this.readTables(changed);
      return;
    }
    const before = this.mountedIn(changed);
    const having = [...this.tables].flatMap(([ino, { mounts }]) => (mounts.length > 0 ? [ino] : []));
    this.readTables(new Set([...changed, ...having]));
    if (this.mountedIn(changed) !== before) this.readTables('all');
  }

  /** Which namespaces are mounted there, and where, to compare. */
  private mountedIn(mountNamespaces: ReadonlySet<number>): string {
    const mounts = [...mountNamespaces].flatMap((ino) => this.tables.get(ino)?.mounts ?? []);
    return JSON.stringify(mounts.map(({ ino, pin }) => [ino, pin.mountPoint]));
  }

  private readTables(changed: ReadonlySet<number> | 'all'): void {
    const tables = new Map<number, MountTable>();
    const partial: IndexedNamespace[] = [];
    for (const namespace of this.index.namespaces) {
      if (namespace.kind !== 'mnt') continue;
      const known = changed === 'all' || changed.has(namespace.ino) ? undefined : this.tables.get(namespace.ino);
      if (known !== undefined) {
        tables.set(namespace.ino, known);
        continue;
      }
      const table = tableAmongMembers(namespace);
      tables.set(namespace.ino, table === undefined ? UNREAD : tableOf(table, namespace.ino));
      if (table?.complete !== true) partial.push(namespace);
    }
    this.tables = tables;
    this.arrange();
    this.visit(partial);
  }

  *namespaces(): Generator<{ kind: NamespaceKind; ino: number }> {
    for (const [mount] of this.byNamespace.values()) if (mount !== undefined) yield mount;
  }

  mountsOf(ino: number): readonly NamespaceMount[] {
    return this.byNamespace.get(ino) ?? [];
  }

  pinsOf(ino: number): Pin[] {
    return this.mountsOf(ino).map(({ pin }) => pin);
  }

  /** Ways to a namespace by its bind mounts, through the processes that see them. */
  *placesOf(ino: number): Generator<Place> {
    for (const { pin, isServed } of this.mountsOf(ino)) {
      const mountNamespace = this.index.get(pin.mountNamespace);
      if (isServed || mountNamespace === undefined) continue;
      for (const { pid, prefix } of readers(mountNamespace)) yield { pid, path: `${prefix}root${pin.mountPoint}` };
    }
  }

  /** Every way to a namespace that is known without asking the kernel for relations. */
  *allPlacesOf(ino: number): Generator<Place> {
    const indexed = this.index.get(ino);
    if (indexed !== undefined) yield* placesOf(indexed);
    yield* this.placesOf(ino);
  }

  /** A descriptor by a bind mount in a mount namespace that no process is in. Starts a process: the last resort. */
  openByVisit(ino: number): number | undefined {
    for (const { pin, isServed } of this.mountsOf(ino)) {
      if (isServed) continue;
      const mountNamespace = openFirst(this.allPlacesOf(pin.mountNamespace), pin.mountNamespace);
      if (mountNamespace === undefined) continue;
      const [visited] = closing(mountNamespace, (descriptor) => visitMountNamespaces([{ descriptor, open: pin.mountPoint }]));
      const descriptor = visited?.opened === undefined ? -1 : reopenNamespace(visited.opened, ino);
      if (descriptor >= 0) return descriptor;
    }
    return undefined;
  }

  private arrange(): void {
    this.byNamespace = new Map();
    for (const { mounts } of this.tables.values()) {
      for (const mount of mounts) {
        const same = this.byNamespace.get(mount.ino);
        if (same === undefined) this.byNamespace.set(mount.ino, [mount]);
        else same.push(mount);
      }
    }
    this.addPinnedMountNamespaces();
  }

  /** A mount namespace that only a bind mount keeps is not in the index, and has a table too (snapd keeps them so). */
  private addPinnedMountNamespaces(): void {
    for (const [{ kind, ino }] of this.byNamespace.values() as Iterable<[NamespaceMount]>) {
      if (kind === 'mnt' && !this.tables.has(ino)) this.tables.set(ino, UNREAD);
    }
  }

  /** Those that nobody is at the root of: processes that chroot confines are shown only what is below their roots. */
  private visit(partial: readonly IndexedNamespace[]): void {
    const unread = new Set(partial.map(({ ino }) => ino));
    for (const [ino, table] of this.tables) if (table === UNREAD && this.index.get(ino) === undefined) unread.add(ino);
    const visits: { ino: number; descriptor: number }[] = [];
    try {
      for (const ino of unread) {
        if (visits.length === MAX_VISITS) break;
        const descriptor = openFirst(this.allPlacesOf(ino), ino);
        if (descriptor !== undefined) visits.push({ ino, descriptor });
      }
      const visited = visitMountNamespaces(visits);
      visits.forEach(({ ino }, at) => {
        const mountinfo = visited[at]?.mountinfo;
        if (mountinfo !== undefined) this.tables.set(ino, tableOf({ mountinfo, complete: true }, ino));
      });
    } finally {
      for (const { descriptor } of visits) close(descriptor);
    }
    if (visits.length > 0) this.arrange();
  }
}

function tableOf({ mountinfo, complete }: NamespaceTable, mountNamespace: number): MountTable {
  return { mounts: namespaceMounts(mountinfo, mountNamespace), overlays: overlayMounts(mountinfo), complete };
}

function namespaceMounts(mountinfo: string, mountNamespace: number): NamespaceMount[] {
  // Most tables have none, and are not worth parsing.
  if (!mountinfo.includes(' - nsfs ')) return [];
  const mounts = parseMountinfo(mountinfo);
  const served = new Set(mounts.filter(({ type }) => SERVED.test(type)).map(({ mountPoint }) => mountPoint));
  const found: NamespaceMount[] = [];
  for (const { id, type, root, mountPoint } of mounts) {
    const link = type === 'nsfs' ? parseNamespaceLink(root) : undefined;
    if (link === undefined) continue;
    const isServed = directoriesAbove(mountPoint).some((above) => served.has(above));
    found.push({ ...link, pin: { by: 'bindMount', mountNamespace, mountId: id, mountPoint }, isServed });
  }
  return found;
}

/** `/a` and `/` of `/a/b`. */
function directoriesAbove(path: string): string[] {
  const parts = path.split('/').slice(1, -1);
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)];
}

const OVERLAY = / - (?:overlay|fuse\.fuse-overlayfs) /;

export function overlayMounts(mountinfo: string): Mount[] {
  if (!OVERLAY.test(mountinfo)) return [];
  return parseMountinfo(
    mountinfo
      .split('\n')
      .filter((line) => OVERLAY.test(line))
      .join('\n'),
  );
}
