/** What is mounted over the files of an overlay, in the mount namespace that has it. */
import type { Mount } from '../../proc/mountinfo.ts';
import type { LayerCover } from '../../protocol/layers.ts';

/** A mount table by what is asked of it for each entry of a directory: it may have `fs.mount-max` mounts, 100,000 by default. */
export class MountIndex {
  readonly all: readonly Mount[];
  private readonly byId = new Map<number, Mount>();
  /** By parent and mount point; of several the first of the table. */
  private readonly attached = new Map<string, Mount>();
  private readonly byRoot = new Map<string, Mount[]>();

  constructor(mounts: readonly Mount[]) {
    this.all = mounts;
    for (const mount of mounts) {
      if (!this.byId.has(mount.id)) this.byId.set(mount.id, mount);
      const place = placeKey(mount.parentId, mount.mountPoint);
      if (mount.id !== mount.parentId && !this.attached.has(place)) this.attached.set(place, mount);
      const root = rootKey(mount.device, mount.root);
      const same = this.byRoot.get(root);
      if (same === undefined) this.byRoot.set(root, [mount]);
      else same.push(mount);
    }
  }

  get(id: number): Mount | undefined {
    return this.byId.get(id);
  }

  /** What is attached to the mount on the way to `path`, nearest to its mount point. */
  nextOnTheWay({ id, mountPoint }: Mount, path: string): Mount | undefined {
    for (const directory of directoriesTo(path)) {
      if (directory.length < mountPoint.length) continue;
      const mount = this.attached.get(placeKey(id, directory));
      if (mount !== undefined) return mount;
    }
    return undefined;
  }

  /** Another mount of what `mount` shows, whose root is nearest above that one's. */
  sameElsewhere({ id, device, root }: Mount): Mount | undefined {
    for (const directory of directoriesTo(root).reverse()) {
      const found = this.byRoot.get(rootKey(device, directory))?.find((mount) => mount.id !== id);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function placeKey(parentId: number, mountPoint: string): string {
  return `${parentId} ${mountPoint}`;
}

function rootKey(device: string, root: string): string {
  return `${device} ${root}`;
}

/** `/`, `/a` and `/a/b` of `/a/b`. */
function directoriesTo(path: string): string[] {
  const directories = ['/'];
  for (let slash = path.indexOf('/', 1); slash !== -1; slash = path.indexOf('/', slash + 1))
    directories.push(path.slice(0, slash));
  if (path !== '/') directories.push(path);
  return directories;
}

/** The mount that is seen at a path of the overlay instead of what the overlay has: as path_resolution(7) goes from mount to mount. */
export function coveringMount(mounts: MountIndex, overlay: number, path: string): Mount | undefined {
  const start = mounts.get(overlay);
  if (start === undefined) return undefined;
  const full = pathOutside(start, path);
  let current = start;
  // Each mount leads to one that is attached to it: there are no cycles, but the table is not ours.
  for (let hops = 0; hops < mounts.all.length; hops += 1) {
    const next = mounts.nextOnTheWay(current, full);
    if (next === undefined) break;
    current = next;
  }
  return current === start ? undefined : current;
}

/** A path of the overlay in its mount namespace. */
export function pathOutside({ mountPoint }: Mount, path: string): string {
  return path === '/' ? mountPoint : `${mountPoint === '/' ? '' : mountPoint}${path}`;
}

/** Mounts on entries of a directory of the overlay, by the path: of several at one place the one that is seen. */
export function mountsIn(mounts: MountIndex, overlay: number, directory: string): Map<string, Mount> {
  const start = mounts.get(overlay);
  const found = new Map<string, Mount>();
  if (start === undefined) return found;
  const prefix = pathOutside(start, directory === '/' ? '/' : directory).replace(/\/?$/, '/');
  const looked = new Set<string>();
  for (const { mountPoint } of mounts.all) {
    if (!mountPoint.startsWith(prefix) || mountPoint.length === prefix.length) continue;
    const name = mountPoint.slice(prefix.length);
    if (name.includes('/') || looked.has(name)) continue;
    // A place on which ten thousand are mounted, one over the other, is looked at once.
    looked.add(name);
    const path = `${directory === '/' ? '' : directory}/${name}`;
    const cover = coveringMount(mounts, overlay, path);
    if (cover !== undefined && cover.mountPoint === mountPoint) found.set(name, cover);
  }
  return found;
}

/** For a client. `here` is the helper's own mount table: what is mounted there as well has a path of the host. */
export function coverOf(mount: Mount, here: MountIndex): LayerCover {
  const { id, mountPoint, type, source, root } = mount;
  const nearest = here.sameElsewhere(mount);
  const rest = nearest === undefined ? '' : root.slice(nearest.root === '/' ? 0 : nearest.root.length);
  const from = nearest === undefined ? undefined : `${nearest.mountPoint === '/' ? '' : nearest.mountPoint}${rest}` || '/';
  return {
    mountId: id,
    mountPoint,
    type,
    source,
    root,
    ...(from === undefined ? {} : { from: from === '/' ? '/' : from.replace(/\/$/, '') }),
  };
}
