/** Steps that hide and write-protect what is in the root that is built. */

import fs from 'node:fs';
import path from 'node:path';
import { O_DIRECTORY } from '../../kernel/files.ts';
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, O_CLOEXEC } from '../../kernel/numbers.ts';
import { type Argument, integer, named, string } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { Cover } from '../hostFiles/systemPaths.ts';
import {
  cloneEntry,
  cloneTree,
  closeDescriptor,
  findInside,
  makeDirectory,
  makeFileSystem,
  mountOn,
  mountOnEntry,
  mountOverRoot,
  setAttributes,
} from './mountCalls.ts';

const MNT_DETACH = named('MNT_DETACH');
const ROOT = 'root';
const DIRECTORY = 'directory';
const FILE = 'file';
const READ_ONLY = { set: MOUNT_ATTR_RDONLY };

/**
 * A read-only tmpfs with an empty directory, an empty file, and files with a content of their own, which are mounted from there, since what has no name cannot
 * be, and in the root, which may be a directory of the host, they are not to be written. It lies over the old root while the new one is built. That may be
 * mounted on a directory of it, but never the other way round: what lies over a root is where ".." leads to there.
 */
export class Stage {
  private readonly steps: Steps;
  private readonly at: Argument;
  private readonly names = new Map<string, string>();

  constructor(steps: Steps, contents: readonly { path: string; content: string }[]) {
    this.steps = steps;
    const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    this.at = makeFileSystem(steps, 'tmpfs', [['mode', '0755']], attributes, said('tmpfsToBuildOn'));
    mountOverRoot(steps, this.at, said('mountIt'));
    makeDirectory(steps, this.at, ROOT, 0o755, said('makePlaceForRoot'));
    makeDirectory(steps, this.at, DIRECTORY, 0o555, said('makeEmptyDirectory'));
    this.write(FILE, 0o444, '', said('makeEmptyFile'));
    for (const [index, { path, content }] of contents.entries()) {
      this.names.set(path, `content${index}`);
      this.write(`content${index}`, 0o644, content, said('writeFile', path));
    }
    setAttributes(steps, this.at, READ_ONLY, said('makeItReadOnly'));
  }

  /** Mounts the new root on it. */
  mountRoot(root: Argument): void {
    mountOnEntry(this.steps, root, [this.at, ROOT], said('mountRootThere'));
  }

  private write(name: string, permissions: number, content: string, purpose: Said): void {
    const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | O_CLOEXEC;
    const mode = integer(permissions, `0${permissions.toString(8)}`);
    const opening = [this.at, string(name), integer(flags, 'O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC'), mode];
    const file = this.steps.call('openat', opening, purpose);
    this.steps.call('fchmod', [file, mode], purpose);
    if (content !== '') this.steps.call('write', [file, string(content), integer(Buffer.byteLength(content))], purpose);
    closeDescriptor(this.steps, file, said('closeIt'));
  }

  /** The file with a content of its own that is for this path. */
  content(path: string): Argument {
    return cloneEntry(this.steps, this.at, this.names.get(path)!, said('takeFileFor', path));
  }

  /** Something empty. */
  empty(kind: 'directory' | 'file', purpose: Said): Argument {
    return cloneEntry(this.steps, this.at, kind === 'directory' ? DIRECTORY : FILE, purpose);
  }

  /** What was mounted from it stays; a root that was mounted on it must be elsewhere by then. */
  detach(): void {
    this.steps.call('fchdir', [this.at], said('goToBuiltTmpfs'));
    this.steps.call('umount2', [string('.'), MNT_DETACH], said('detachIt'));
    closeDescriptor(this.steps, this.at, said('closeIt'));
  }
}

/**
 * Covers what a tree of mounts brings along, on the mounts themselves: neither a link nor another mount comes between. `where` it is, is for a person. With
 * `someUnreachable` a mount may lie behind a directory that is closed to the sandbox's ids.
 */
export function coverMounts(
  steps: Steps,
  stage: Stage,
  tree: Argument,
  { covers, where, someUnreachable }: { covers: readonly Cover[]; where: string; someUnreachable: boolean },
): void {
  for (const below of new Set(covers.map(({ mount }) => mount))) {
    const name = path.join(where, below);
    const cover = (mount: Argument) => {
      for (const one of covers) if (one.mount === below) coverEntry(steps, stage, { tree, mount }, one, name);
    };
    if (below === '') {
      cover(tree);
      continue;
    }
    const flags = { ignoreError: someUnreachable };
    const mount = findInside(steps, tree, { path: below, strict: true, purpose: said('findFile', name) }, flags);
    const coverAndClose = () => {
      cover(mount);
      closeDescriptor(steps, mount, said('closeIt'));
    };
    if (someUnreachable) steps.ifDone(mount, coverAndClose);
    else coverAndClose();
  }
}

function coverEntry(
  steps: Steps,
  stage: Stage,
  { tree, mount }: { tree: Argument; mount: Argument },
  { mount: mountPath, path: entry, how, kind }: Cover,
  name: string,
): void {
  if (entry === '') {
    if (how === 'mask') maskPath(steps, stage, tree, `/${mountPath}`, true);
    else setAttributes(steps, mount, { ...READ_ONLY, recursive: false }, said('makeReadOnly', name));
    return;
  }
  const lacking = { ignoreLacking: true };
  const purpose = said(how === 'mask' ? 'hideFile' : 'writeProtect', path.join(name, entry));
  if (how === 'mask') {
    const empty = stage.empty(kind ?? 'file', purpose);
    mountOnEntry(steps, empty, [mount, entry], purpose, lacking);
    closeDescriptor(steps, empty, purpose);
    return;
  }
  const clone = cloneEntry(steps, mount, entry, purpose, lacking);
  steps.ifDone(clone, () => {
    setAttributes(steps, clone, READ_ONLY, purpose);
    mountOnEntry(steps, clone, [mount, entry], purpose);
    closeDescriptor(steps, clone, purpose);
  });
}

/**
 * Hides a path of the root as it is by now, in whatever lies there: a directory by an empty one, and anything else by an empty file. A link is followed inside
 * the root, and what it leads to is hidden. With `strict` there may be no link.
 */
export function maskPath(steps: Steps, stage: Stage, root: Argument, path: string, strict: boolean): void {
  const purpose = said('hideFile', path);
  const cover = (kind: 'directory' | 'file', place: Argument) =>
    steps.ifDone(place, () => {
      const empty = stage.empty(kind, purpose);
      mountOn(steps, empty, place, purpose);
      closeDescriptor(steps, empty, purpose);
      closeDescriptor(steps, place, purpose);
    });
  const asDirectory = { path: inside(path), flags: O_DIRECTORY, strict, purpose: said('doIfDirectory', purpose) };
  const directory = findInside(steps, root, asDirectory, { ignoreError: true });
  cover('directory', directory);
  const note = said('noteNothingToHide', path);
  const flags = { ignoreLacking: true, reportResult: true, note };
  const file = steps.ifFailed(directory, () => findInside(steps, root, { path: inside(path), strict, purpose }, flags));
  cover('file', file);
}

/** Write-protects a path of the root with all that is mounted below it, likewise. */
export function protectPath(steps: Steps, root: Argument, path: string, strict: boolean): void {
  const purpose = said('writeProtect', path);
  const note = said('noteNothingToProtect', path);
  const flags = { ignoreLacking: true, reportResult: true, note };
  const place = findInside(steps, root, { path: inside(path), strict, purpose }, flags);
  steps.ifDone(place, () => {
    const tree = cloneTree(steps, place, purpose);
    setAttributes(steps, tree, READ_ONLY, purpose);
    mountOn(steps, tree, place, purpose);
    closeDescriptor(steps, tree, purpose);
    closeDescriptor(steps, place, purpose);
  });
}

function inside(path: string): string {
  return path.replace(/^\/+/, '');
}
