/**
 * Mounts of the host that the helper takes itself (open_tree(2)), where what is in a new user namespace may not: those behind directories that its ids do
 * not reach, and those through which the owners of files are seen as the id maps have them, which stay as they are on the disk. The latter are mapped
 * (mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12) while the process waits that has made the namespace.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Failure, isSystemError } from '../../failure.ts';
import { cloneMounts } from '../../kernel/newMount.ts';
import { leastOf } from '../../lists.ts';
import { own } from '../../programs/identity.ts';
import { said } from '../../saying.ts';
import { type IdMaps, insideOf, outsideOf } from './idMaps.ts';

/** Mounts that are mounted nowhere, held by a descriptor of the helper. */
export interface HeldTree {
  descriptor: number;
  /** Of the host, from which on they were taken. */
  path: string;
  /** Whether owners are mapped: of the first mount, or also of those below it. */
  mapped?: 'one' | 'all';
}

const SEARCH = 0o1;

export class HeldTrees {
  readonly taken: HeldTree[] = [];
  private readonly idMaps: IdMaps | undefined;
  private readonly keep: (descriptor: number) => void;

  /** `keep` is told of each descriptor, for whoever closes it. */
  constructor(idMaps: IdMaps | undefined, keep: (descriptor: number) => void) {
    this.idMaps = idMaps;
    this.keep = keep;
  }

  /** `real` is a real path. Undefined when what is inside can take it by itself. Throws a `Failure`. */
  takeIfNeeded(real: string, mapped?: HeldTree['mapped']): HeldTree | undefined {
    if (mapped !== undefined) return this.take(real, mapped);
    return own().privileged && this.idMaps !== undefined && !isReached(real, this.idMaps) ? this.take(real) : undefined;
  }

  /** The descriptor is closed with the plan. */
  private take(real: string, mapped?: HeldTree['mapped']): HeldTree {
    if (!own().privileged) {
      throw new Failure('permission', said('ownersCanOnlyBeMappedByRoot', real), {
        path: real,
        hint: said('leaveIdmapOutOrRestart'),
      });
    }
    try {
      const tree = { descriptor: cloneMounts(real), path: real, ...(mapped === undefined ? {} : { mapped }) };
      this.keep(tree.descriptor);
      this.taken.push(tree);
      return tree;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new Failure('permission', said('mountsCannotBeTaken', real, error.code), {
        errno: error.code,
        path: real,
      });
    }
  }
}

/** Whether root of the new user namespace may search every directory above: path_resolution(7), capabilities(7) "privileged_wrt_inode". */
function isReached(real: string, { uid, gid }: IdMaps): boolean {
  const [user, group] = [uid, gid].map((mappings) =>
    outsideOf(mappings, leastOf(mappings.map(({ containerID }) => containerID))),
  );
  for (let above = path.dirname(real); ; above = path.dirname(above)) {
    const stat = fs.statSync(above, { throwIfNoEntry: false });
    if (stat === undefined) return true;
    const shift = stat.uid === user ? 6 : stat.gid === group ? 3 : 0;
    const isOurs = insideOf(uid, stat.uid) !== undefined && insideOf(gid, stat.gid) !== undefined;
    if (!isOurs && ((stat.mode >> shift) & SEARCH) === 0) return false;
    if (above === '/') return true;
  }
}
