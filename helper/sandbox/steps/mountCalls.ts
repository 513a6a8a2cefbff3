/**
 * Steps that mount: the file-descriptor calls of Linux 5.2 and later (fsopen(2), open_tree(2), move_mount(2), mount_setattr(2)).
 * What is mounted, and where, is held by descriptors from its one look-up on; nothing is looked up a second time.
 */

import fs from 'node:fs';
import { O_DIRECTORY } from '../../kernel/files.ts';
import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  AT_SYMLINK_NOFOLLOW,
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  MS_PRIVATE,
  MS_SLAVE,
  MS_UNBINDABLE,
  O_CLOEXEC,
  O_PATH,
  OPEN_TREE_CLONE,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from '../../kernel/numbers.ts';
import { type Argument, bytes, integer, named, string } from '../../launcher/program.ts';
import type { StepFlags, Steps } from '../../launcher/steps.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { Option } from '../plan/plannedMounts.ts';

const ATTRIBUTES = {
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOATIME,
};

const FSOPEN_CLOEXEC = named('FSOPEN_CLOEXEC');
const FSMOUNT_CLOEXEC = named('FSMOUNT_CLOEXEC');
const FSCONFIG_SET_FLAG = named('FSCONFIG_SET_FLAG');
const FSCONFIG_SET_STRING = named('FSCONFIG_SET_STRING');
const FSCONFIG_CMD_CREATE = named('FSCONFIG_CMD_CREATE');
const NULL = integer(0, 'NULL');
const HERE = named('AT_FDCWD');
const EMPTY = string('');
const CLONE_TREE = integer(
  OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE,
  'OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH|AT_RECURSIVE',
);
const CLONE_ENTRY = integer(
  OPEN_TREE_CLONE | O_CLOEXEC | AT_SYMLINK_NOFOLLOW | AT_RECURSIVE,
  'OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_SYMLINK_NOFOLLOW|AT_RECURSIVE',
);
const FROM_EMPTY = named('MOVE_MOUNT_F_EMPTY_PATH');
const BOTH_EMPTY = integer(
  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH,
  'MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH',
);

const RESOLVE_NAMES = { RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT };
const OPEN_NAMES = {
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_CREAT: fs.constants.O_CREAT,
  O_EXCL: fs.constants.O_EXCL,
  O_WRONLY: fs.constants.O_WRONLY,
};

/** The names of the flags that are set: `O_PATH|O_CLOEXEC`. */
function namesOf(value: number, names: Record<string, number>): string {
  const set = Object.entries(names).filter(([, flag]) => (value & flag) === flag);
  return set.length === 0 ? '0' : set.map(([name]) => name).join('|');
}

/** openat2(2) of `path` below `directory`; `how` as its resolve flags. */
function openBelow(
  steps: Steps,
  {
    directory,
    path,
    flags,
    resolve,
    purpose,
    step = {},
  }: { directory: Argument; path: string; flags: number; resolve: number; purpose: Said; step?: StepFlags },
): Argument {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  const text = `{flags=${namesOf(flags | O_CLOEXEC, OPEN_NAMES)}, resolve=${namesOf(resolve, RESOLVE_NAMES)}}`;
  return steps.call('openat2', [directory, string(path), bytes(how, text), integer(how.length)], purpose, step);
}

/** A file or directory of the host, by its real path: what has become a symbolic link since is refused with ELOOP. */
export function openSource(steps: Steps, path: string, purpose: Said, flags = 0): Argument {
  const resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return openBelow(steps, { directory: HERE, path, flags: O_PATH | flags, resolve, purpose });
}

/** A regular file of the host, likewise. */
export function openToRead(steps: Steps, path: string, purpose: Said): Argument {
  const resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return openBelow(steps, { directory: HERE, path, flags: 0, resolve, purpose });
}

/** A directory below another, itself and not what a link of that name leads to. */
export function openBeneath(steps: Steps, path: string, purpose: Said, directory: Argument): Argument {
  const resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
  return openBelow(steps, { directory, path, flags: O_PATH | O_DIRECTORY, resolve, purpose });
}

/** A place inside the new root: symbolic links in it lead to what they mean there, or, when `strict`, nowhere. */
export function openInside(steps: Steps, root: Argument, path: string, purpose: Said, strict = false): Argument {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (strict ? RESOLVE_NO_SYMLINKS : 0);
  return openBelow(steps, { directory: root, path, flags: O_PATH, resolve, purpose });
}

/** What is at a path inside the root that is built, whatever that is by then: through its links, as they lead there. */
export function findInside(
  steps: Steps,
  root: Argument,
  { path, flags = 0, strict = false, purpose }: { path: string; flags?: number; strict?: boolean; purpose: Said },
  step: StepFlags,
): Argument {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (strict ? RESOLVE_NO_SYMLINKS : 0);
  return openBelow(steps, { directory: root, path, flags: O_PATH | flags, resolve, purpose, step });
}

/** A new file system, not mounted anywhere yet; `flags` are those of the step by which it can be had. */
export function makeFileSystem(
  steps: Steps,
  type: string,
  options: Option[],
  attributes: number,
  what: Said,
  flags: { reportResult?: boolean } = {},
): Argument {
  const purpose = said('makeMount', what);
  const context = steps.call('fsopen', [string(type), FSOPEN_CLOEXEC], purpose);
  for (const [key, value] of options) {
    const set = value === true ? [FSCONFIG_SET_FLAG, string(key), NULL] : [FSCONFIG_SET_STRING, string(key), string(value)];
    const setting = value === true ? key : `${key}=${value}`;
    steps.call('fsconfig', [context, ...set, integer(0)], said('doWith', purpose, setting));
  }
  steps.call('fsconfig', [context, FSCONFIG_CMD_CREATE, NULL, NULL, integer(0)], purpose);
  const shown = integer(attributes, namesOf(attributes, ATTRIBUTES));
  const made = steps.call('fsmount', [context, FSMOUNT_CLOEXEC, shown], purpose, flags);
  steps.call('close', [context], purpose);
  return made;
}

/** A copy of the mounts from `source` (a descriptor) on, not mounted anywhere yet. */
export function cloneTree(steps: Steps, source: Argument, purpose: Said): Argument {
  return steps.call('open_tree', [source, EMPTY, CLONE_TREE], purpose);
}

/** The same from an entry of a directory on, which is itself taken if it is a symbolic link. */
export function cloneEntry(steps: Steps, directory: Argument, name: string, purpose: Said, step: StepFlags = {}): Argument {
  return steps.call('open_tree', [directory, string(name), CLONE_ENTRY], purpose, step);
}

/** Sets and clears attributes of all mounts of a tree, or of the first; owners of files are mapped as in `userNamespace`, a descriptor in the launcher. */
export function setAttributes(
  steps: Steps,
  tree: Argument,
  {
    set: asked,
    clear = 0,
    propagation = 0,
    userNamespace,
    recursive = true,
  }: { set: number; clear?: number; propagation?: number; userNamespace?: number; recursive?: boolean },
  purpose: Said,
): void {
  const set = userNamespace === undefined ? asked : asked | MOUNT_ATTR_IDMAP;
  // The settings of access times are an enumeration in these bits: setting one means clearing them.
  const cleared = clear | (set & MOUNT_ATTR_NOATIME ? MOUNT_ATTR__ATIME : 0);
  const attr = Buffer.alloc(32);
  attr.writeBigUInt64LE(BigInt(set), 0);
  attr.writeBigUInt64LE(BigInt(cleared), 8);
  attr.writeBigUInt64LE(BigInt(propagation), 16);
  attr.writeBigUInt64LE(BigInt(userNamespace ?? 0), 24);
  const parts = [`attr_set=${namesOf(set, ATTRIBUTES)}`];
  if (cleared !== 0) parts.push(`attr_clr=${namesOf(cleared, ATTRIBUTES)}`);
  if (propagation !== 0) parts.push(`propagation=${namesOf(propagation, { MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE })}`);
  const flags = recursive ? integer(AT_EMPTY_PATH | AT_RECURSIVE, 'AT_EMPTY_PATH|AT_RECURSIVE') : named('AT_EMPTY_PATH');
  steps.call('mount_setattr', [tree, EMPTY, flags, bytes(attr, `{${parts.join(', ')}}`), integer(attr.length)], purpose);
}

/** Mounts `tree` on an open place. */
export function mountOn(steps: Steps, tree: Argument, place: Argument, purpose: Said): void {
  steps.call('move_mount', [tree, EMPTY, place, EMPTY, BOTH_EMPTY], purpose);
}

/** Mounts `tree` on an entry of a directory. */
export function mountOnEntry(
  steps: Steps,
  tree: Argument,
  [directory, name]: [directory: Argument, name: string],
  purpose: Said,
  step: StepFlags = {},
): void {
  steps.call('move_mount', [tree, EMPTY, directory, string(name), FROM_EMPTY], purpose, step);
}

/** Mounts `tree` over the root of the mount namespace; the process's root directory stays what it is, below. */
export function mountOverRoot(steps: Steps, tree: Argument, purpose: Said): void {
  steps.call('move_mount', [tree, EMPTY, HERE, string('/'), FROM_EMPTY], purpose);
}

export function closeDescriptor(steps: Steps, held: Argument, purpose: Said): void {
  steps.call('close', [held], purpose);
}

/** An empty regular file, unless something is there. */
export function makeFile(steps: Steps, directory: Argument, name: string, mode: number, purpose: Said): void {
  const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | O_CLOEXEC;
  const text = namesOf(flags, OPEN_NAMES);
  steps.call('openat', [directory, string(name), integer(flags, text), integer(mode, `0${mode.toString(8)}`)], purpose, {
    ignoreError: true,
  });
}

export function makeDirectory(steps: Steps, directory: Argument, name: string, mode: number, purpose: Said): void {
  steps.call('mkdirat', [directory, string(name), integer(mode, `0${mode.toString(8)}`)], purpose, { ignoreError: true });
}
