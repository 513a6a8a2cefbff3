/**
 * Mounts that are mounted nowhere, reached by a descriptor: fsopen(2), fsconfig(2), fsmount(2), open_tree(2), Linux 5.2; and mapping
 * the owners of their files, mount_setattr(2), Linux 5.12.
 */

import { close, errorOf } from './files.ts';
import { checked, libcFunction } from './libc.ts';
import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_RDONLY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from './numbers.ts';
import { openRealPath } from './openat2.ts';
import { syscallNumber } from './syscalls.ts';

const fsopen = libcFunction('long syscall(long number, const char *type, unsigned int flags)');
const fsconfig = libcFunction(
  'long syscall(long number, int context, unsigned int command, const char *key, const char *value, int extra)',
);
const fsmount = libcFunction('long syscall(long number, int context, unsigned int flags, unsigned int attributes)');

const openTree = libcFunction('long syscall(long number, int directory, const char *path, unsigned int flags)');
const mountSetattr = libcFunction(
  'long syscall(long number, int directory, const char *path, unsigned int flags, const uint8_t *attributes, size_t size)',
);

const SYS_open_tree = syscallNumber('open_tree');
const SYS_fsopen = syscallNumber('fsopen');
const SYS_fsconfig = syscallNumber('fsconfig');
const SYS_fsmount = syscallNumber('fsmount');
const SYS_mount_setattr = syscallNumber('mount_setattr');
/** struct mount_attr: set, clear, propagation, descriptor of a user namespace. */
const MOUNT_ATTR_BYTES = 32;

/** A descriptor (close-on-exec) of its root. It lives as long as that is open, or it is mounted. Throws a `SyscallError`. */
export function makeDetachedMount(type: string, options: [key: string, value: string | true][], attributes: number): number {
  const context = checked('fsopen', Number(fsopen(SYS_fsopen, type, FSOPEN_CLOEXEC)), type);
  try {
    for (const [key, value] of options) {
      const [command, text] = value === true ? [FSCONFIG_SET_FLAG, null] : [FSCONFIG_SET_STRING, value];
      checked('fsconfig', Number(fsconfig(SYS_fsconfig, context, command, key, text, 0)), key);
    }
    checked('fsconfig', Number(fsconfig(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, null, null, 0)), type);
    return checked('fsmount', Number(fsmount(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes)), type);
  } finally {
    close(context);
  }
}

/** A copy of the mounts from `path` on, which has no symbolic link in it: a descriptor (close-on-exec). Throws a `SyscallError`. */
export function cloneMounts(path: string): number {
  const held = openRealPath(path, O_PATH);
  if (held < 0) throw errorOf(held, 'openat2', path);
  try {
    const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
    return checked('open_tree', Number(openTree(SYS_open_tree, held, '', flags)), path);
  } finally {
    close(held);
  }
}

/**
 * Whoever looks through the mounts of `tree`, which are mounted nowhere yet, sees the owner of each file as the user namespace maps
 * its id: mount_setattr(2), MOUNT_ATTR_IDMAP. Throws a `SyscallError`, `EINVAL` when the file system cannot do that.
 */
export function mapMountIds(tree: number, userNamespace: number, recursive: boolean): void {
  setAttributes(tree, { set: MOUNT_ATTR_IDMAP, userNamespace, recursive });
}

/** Nothing is changed through the mounts of `tree`; devices in them can be written to. Throws a `SyscallError`. */
export function makeReadOnly(tree: number): void {
  setAttributes(tree, { set: MOUNT_ATTR_RDONLY, recursive: true });
}

function setAttributes(
  tree: number,
  { set, userNamespace = 0, recursive }: { set: number; userNamespace?: number; recursive: boolean },
): void {
  const attributes = Buffer.alloc(MOUNT_ATTR_BYTES);
  attributes.writeBigUInt64LE(BigInt(set), 0);
  attributes.writeBigUInt64LE(BigInt(userNamespace), 24);
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  checked('mount_setattr', Number(mountSetattr(SYS_mount_setattr, tree, '', flags, attributes, MOUNT_ATTR_BYTES)));
}
