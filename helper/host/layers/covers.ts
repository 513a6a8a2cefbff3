/** What is mounted over the files of an overlay, in the mount namespace that has it. */
import type { Mount } from '../../proc/mountinfo.ts';
import type { LayerCover } from '../../protocol/layers.ts';

/** The mount that is seen at a path of the overlay instead of what the overlay has: as path_resolution(7) goes from mount to mount. */
export function coveringMount(mounts: readonly Mount[], overlay: number, path: string): Mount | undefined {
  const start = mounts.find(({ id }) => id === overlay);
  if (start === undefined) return undefined;
  const full = pathOutside(start, path);
  let current = start;
  // Each mount leads to one that is attached to it: there are no cycles, but the table is not ours.
  for (let hops = 0; hops < mounts.length; hops += 1) {
    const next = nearestChild(mounts, current, full);
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
export function mountsIn(mounts: readonly Mount[], overlay: number, directory: string): Map<string, Mount> {
  const start = mounts.find(({ id }) => id === overlay);
  const found = new Map<string, Mount>();
  if (start === undefined) return found;
  const prefix = pathOutside(start, directory === '/' ? '/' : directory).replace(/\/?$/, '/');
  for (const { mountPoint } of mounts) {
    if (!mountPoint.startsWith(prefix) || mountPoint.length === prefix.length) continue;
    const name = mountPoint.slice(prefix.length);
    if (name.includes('/')) continue;
    const path = `${directory === '/' ? '' : directory}/${name}`;
    const cover = coveringMount(mounts, overlay, path);
    if (cover !== undefined && cover.mountPoint === mountPoint) found.set(name, cover);
  }
  return found;
}

/** For a client. `here` is the helper's own mount table: what is mounted there as well has a path of the host. */
export function coverOf({ id, mountPoint, type, source, root, device }: Mount, here: readonly Mount[]): LayerCover {
  const same = here.filter((mount) => mount.id !== id && mount.device === device && isAtOrBelow(root, mount.root));
  const [nearest] = same.sort((one, other) => other.root.length - one.root.length);
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

function nearestChild(mounts: readonly Mount[], { id, mountPoint }: Mount, path: string): Mount | undefined {
  let nearest: Mount | undefined;
  for (const mount of mounts) {
    if (mount.parentId !== id || mount.id === id || mount.mountPoint.length < mountPoint.length) continue;
    if (!isAtOrBelow(path, mount.mountPoint)) continue;
    if (nearest === undefined || mount.mountPoint.length < nearest.mountPoint.length) nearest = mount;
  }
  return nearest;
}

function isAtOrBelow(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}
