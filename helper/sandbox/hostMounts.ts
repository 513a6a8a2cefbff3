/** The mounts of the helper's own mount namespace, of which a sandbox sees some. */
import fs from 'node:fs';
import path from 'node:path';
import { isSystemError } from '../failure.ts';
import { type Mount, parseMountinfo } from '../proc/mountinfo.ts';

/** As they were when it was made. Paths are real ones. */
export class HostMounts {
  private readonly mounts = parseMountinfo(fs.readFileSync('/proc/self/mountinfo', 'utf8'));

  /** The one that a path lies on: the last of those above it, by name, that are not covered by a later one. */
  of(real: string): Mount | undefined {
    const above = this.mounts.filter(({ mountPoint }) => isWithin(real, mountPoint));
    const longest = Math.max(...above.map(({ mountPoint }) => mountPoint.length));
    return above.findLast(({ mountPoint }) => mountPoint.length === longest);
  }

  /** The one that a path lies on, and those below it. */
  from(real: string): Mount[] {
    const on = this.of(real);
    const below = this.mounts.filter((mount) => mount !== on && mount.mountPoint !== real && isWithin(mount.mountPoint, real));
    return on === undefined ? below : [on, ...below];
  }

  /**
   * Whether the root directory of the host is there or below: by its file system and its place in that, whatever the names are. So a bind mount of it, a mount of
   * the volume that it is a part of, and a directory in which one of these is mounted are told.
   */
  holdRoot(real: string): boolean {
    if (isRootOfHost(real)) return true;
    const root = this.of('/');
    return this.from(real).some((mount) => {
      const start = isWithin(real, mount.mountPoint)
        ? path.join(mount.root, path.relative(mount.mountPoint, real))
        : mount.root;
      return root !== undefined && mount.device === root.device && isWithin(root.root, start);
    });
  }
}

/** By device and inode number. */
export function isRootOfHost(real: string): boolean {
  const [one, other] = [fs.statSync(real, { bigint: true, throwIfNoEntry: false }), fs.statSync('/', { bigint: true })];
  return one?.dev === other.dev && one.ino === other.ino;
}

export function isWithin(file: string, folder: string): boolean {
  const from = path.relative(folder, file);
  return from !== '..' && !from.startsWith('../');
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
