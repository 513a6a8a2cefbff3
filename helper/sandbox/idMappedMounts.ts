/**
 * Mounts through which the owners of files are seen as the id maps of the sandbox have them: on the disk they stay as they are.
 * mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12. Only who has privilege over the file system may ask for it, which what is in the new user namespace
 * has not: so the helper takes these mounts, and maps them while the process waits that has made the namespace.
 */
import fs from 'node:fs';
import { Failure, isSystemError } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { cloneMounts, mapMountIds } from '../kernel/newMount.ts';
import { own } from '../programs/identity.ts';

/** Mounts that are mounted nowhere, held by a descriptor of the helper. */
export interface IdMappedTree {
  descriptor: number;
  /** Of the host, from which on they were taken. */
  path: string;
  /** Of those below it, too. */
  recursive: boolean;
}

export class IdMappedTrees {
  readonly taken: IdMappedTree[] = [];
  private readonly disposables: (() => void)[];

  constructor(disposables: (() => void)[]) {
    this.disposables = disposables;
  }

  /** `path` is real. The descriptor is closed with the plan. Throws a `Failure`. */
  take(path: string, recursive: boolean): IdMappedTree {
    if (!own().privileged) {
      throw new Failure('permission', `The owners of the files in ${path} can only be mapped by root.`, {
        path,
        hint: 'Leave "idmap" out, or restart the helper as root.',
      });
    }
    try {
      const tree = { descriptor: cloneMounts(path), path, recursive };
      this.disposables.push(() => close(tree.descriptor));
      this.taken.push(tree);
      return tree;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new Failure('permission', `The mounts from ${path} on cannot be taken: ${error.code}.`, {
        errno: error.code,
        path,
      });
    }
  }
}

/** By the id maps of the user namespace that the process `pid`, which waits, is in. Throws a `Failure`. */
export function mapOwners(trees: readonly IdMappedTree[], pid: number): void {
  if (trees.length === 0) return;
  const namespace = fs.openSync(`/proc/${pid}/ns/user`, 'r');
  try {
    for (const tree of trees) mapOwnersOf(tree, namespace);
  } finally {
    fs.closeSync(namespace);
  }
}

function mapOwnersOf({ descriptor, path, recursive }: IdMappedTree, namespace: number): void {
  try {
    mapMountIds(descriptor, namespace, recursive);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const details = { errno: error.code, syscall: 'mount_setattr', path };
    const what = `The owners of the files in ${path} cannot be mapped`;
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
