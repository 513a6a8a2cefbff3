/** Maps the owners of files in mounts that the helper took (heldTrees.ts), while the process waits whose user namespace they are mapped by. */
import fs from 'node:fs';
import { Failure, isSystemError } from '../../failure.ts';
import { mapMountIds } from '../../kernel/newMount.ts';
import { said } from '../../saying.ts';
import type { HeldTree } from './heldTrees.ts';

/** By the id maps of the user namespace that the process `pid`, which waits, is in. Throws a `Failure`. */
export function mapOwners(trees: readonly HeldTree[], pid: number): void {
  const mapped = trees.filter((tree) => tree.mapped !== undefined);
  if (mapped.length === 0) return;
  const namespace = fs.openSync(`/proc/${pid}/ns/user`, 'r');
  try {
    for (const tree of mapped) mapOwnersOf(tree, namespace);
  } finally {
    fs.closeSync(namespace);
  }
}

function mapOwnersOf({ descriptor, path: real, mapped }: HeldTree, namespace: number): void {
  const recursive = mapped === 'all';
  try {
    mapMountIds(descriptor, namespace, recursive);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const details = { errno: error.code, syscall: 'mount_setattr', path: real };
    const what = said('ownersCannotBeMapped', real);
    if (error.code !== 'EINVAL') {
      throw new Failure(
        'permission',
        said('sentences', said('becauseOf', what, error.code), said('noPrivilegeOverFileSystem')),
        {
          ...details,
          hint: said('leaveIdmapOutInContainer'),
        },
      );
    }
    throw new Failure('unsupported', said(recursive ? 'fileSystemsTakeNoIdMaps' : 'fileSystemTakesNoIdMaps', what), {
      ...details,
      hint: said('leaveIdmapOutForTypes'),
    });
  }
}
