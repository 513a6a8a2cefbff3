/** The mounts of the helper's own mount namespace, of which a sandbox sees some. */
import fs from 'node:fs';
import path from 'node:path';
import { isSystemError } from '../../failure.ts';
import { type Mount, parseMountinfo } from '../../proc/mountinfo.ts';
import { isWithin } from './within.ts';

/** A mount that comes with a source: open_tree(2) takes along all that is mounted below. */
export interface MountBelow {
  mount: Mount;
  /** Where it is, from the source on: `sys/fs/cgroup`; empty for the one that the source lies on. */
  path: string;
  /** What of its file system is there, as a path from the root of that: `/` or, of a part that was bound, `/sys/net`. */
  within: string;
}

/** As they were when they were first asked for. Paths are real ones. */
export class HostMounts {
  private known: { all: readonly Mount[]; byPoint: ReadonlyMap<string, Mount> } | undefined;

  private get mounts() {
    if (this.known === undefined) {
      const all = parseMountinfo(fs.readFileSync('/proc/self/mountinfo', 'utf8'));
      // Of several on one place the last is the one that is seen.
      this.known = { all, byPoint: new Map(all.map((mount) => [mount.mountPoint, mount])) };
    }
    return this.known;
  }

  /** The one that a path lies on, by name. */
  of(real: string): Mount | undefined {
    const { byPoint } = this.mounts;
    for (let above = real; ; above = path.dirname(above)) {
      const mount = byPoint.get(above);
      if (mount !== undefined || above === '/') return mount;
    }
  }

  /** Those that are `wanted` of the one that a path lies on and, below a directory, of those that can be seen there. */
  from(real: string, wanted: (mount: Mount) => boolean, isDirectory = true): MountBelow[] {
    const on = this.of(real);
    const found: MountBelow[] = [];
    if (on !== undefined && wanted(on)) {
      found.push({ mount: on, path: '', within: path.join(on.root, path.relative(on.mountPoint, real)) });
    }
    for (const mount of isDirectory ? this.mounts.all : []) {
      const { mountPoint, root } = mount;
      if (!wanted(mount) || mountPoint === real || !isWithin(mountPoint, real) || !this.isSeen(mount)) continue;
      found.push({ mount, path: path.relative(real, mountPoint), within: root });
    }
    return found;
  }

  /** Nothing is mounted over it, nor over a directory between it and the mount that it is on; an unbindable one does not come along. */
  private isSeen(mount: Mount): boolean {
    const { id, parentId, mountPoint, propagation } = mount;
    if (propagation.includes('unbindable') || mountPoint.endsWith('//deleted')) return false;
    return !this.mounts.all.some((other) => {
      if (other.id === id) return false;
      if (other.parentId === id) return other.mountPoint === mountPoint;
      return other.parentId === parentId && other.mountPoint !== mountPoint && isWithin(mountPoint, other.mountPoint);
    });
  }

  /**
   * Whether the root directory of the host is there or below: by its file system and its place in that, whatever the names are. So a bind mount of it, a mount of
   * the volume that it is a part of, and a directory in which one of these is mounted are told.
   */
  holdRoot(real: string): boolean {
    if (isRootOfHost(real)) return true;
    const root = this.of('/');
    const isOfRoot = (mount: Mount) => mount.device === root?.device;
    return root !== undefined && this.from(real, isOfRoot).some(({ within }) => isWithin(root.root, within));
  }
}

/** By device and inode number. */
export function isRootOfHost(real: string): boolean {
  const [one, other] = [fs.statSync(real, { bigint: true, throwIfNoEntry: false }), fs.statSync('/', { bigint: true })];
  return one?.dev === other.dev && one.ino === other.ino;
}

/** Undefined when there is nothing, or it may not be looked at. */
export function statOf(file: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(file);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

/** Undefined when there is nothing, or it may not be looked up. */
export function realIfThere(file: string): string | undefined {
  try {
    return fs.realpathSync.native(file);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
