/** Maps the owners of files in mounts that the helper took (heldTrees.ts), while the process waits whose user namespace they are mapped by. */
import fs from 'node:fs';
import { Failure, isSystemError } from '../../failure.ts';
import { mapMountIds } from '../../kernel/newMount.ts';
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
    const what = `The owners of the files in ${real} cannot be mapped`;
    if (error.code !== 'EINVAL') {
      throw new Failure('permission', `${what}: ${error.code}. The helper has no privilege over that file system.`, {
        ...details,
        hint: 'Leave "idmap" out; a helper in a container can map only file systems that were mounted there.',
      });
    }
    const below = recursive ? ', or one that is mounted below it,' : '';
    throw new Failure(
      'unsupported',
      `${what}: its file system${below} does not take id maps on this kernel, or has some already.`,
      {
        ...details,
        hint: 'Leave "idmap" out. ext4, XFS and FAT take them since Linux 5.12, Btrfs since 5.15, tmpfs since 6.3; overlay, proc and sysfs do not.',
      },
    );
  }
}
