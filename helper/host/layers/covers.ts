/** What is mounted over the files of an overlay, in the mount namespace that has it. */
import type { Mount } from '../../proc/mountinfo.ts';
import type { LayersProvenanceResult } from '../../protocol/layers.ts';

/** The mount that is seen at a path of the overlay instead of what the overlay has: as path_resolution(7) goes from mount to mount. */
export function coveringMount(mounts: readonly Mount[], overlay: number, path: string): LayersProvenanceResult['coveredBy'] {
  const start = mounts.find(({ id }) => id === overlay);
  if (start === undefined) return undefined;
  const full = path === '/' ? start.mountPoint : `${start.mountPoint === '/' ? '' : start.mountPoint}${path}`;
  let current = start;
  // Each mount leads to one that is attached to it: there are no cycles, but the table is not ours.
  for (let hops = 0; hops < mounts.length; hops += 1) {
    const next = nearestChild(mounts, current, full);
    if (next === undefined) break;
    current = next;
  }
  if (current === start) return undefined;
  const { id, mountPoint, type, source } = current;
  return { mountId: id, mountPoint, type, source };
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
