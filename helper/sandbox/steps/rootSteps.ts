/** Steps that build the root of a sandbox in its new mount namespace, and make it the root directory. */

import fs from 'node:fs';
import { O_DIRECTORY } from '../../kernel/files.ts';
import {
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
  O_CLOEXEC,
  O_PATH,
} from '../../kernel/numbers.ts';
import { type Argument, integer, named, string } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import { said } from '../../saying.ts';
import type { Cover } from '../hostFiles/systemPaths.ts';
import type { CoverPlan } from '../plan/planCovers.ts';
import type { BindMount, Place, PlannedMount } from '../plan/plannedMounts.ts';
import type { RootPlan } from '../plan/planRoot.ts';
import type { SandboxPlan } from '../plan/sandboxPlan.ts';
import { coverMounts, maskPath, protectPath, Stage } from './coverSteps.ts';
import { addDevices } from './deviceSteps.ts';
import {
  cloneTree,
  closeDescriptor,
  makeDirectory,
  makeFile,
  makeFileSystem,
  mountOn,
  openInside,
  openSource,
  openToRead,
  setAttributes,
} from './mountCalls.ts';
import { makeOverlay, overlayRoot } from './overlaySteps.ts';
import { heldTree, takeDirectory } from './treeSteps.ts';

export interface BuiltRoot {
  root: Argument;
  places: Places;
  stage: Stage;
}

const NULL = integer(0, 'NULL');
const MNT_DETACH = named('MNT_DETACH');
const HERE = named('AT_FDCWD');
/** Device nodes among the files of a root are somebody's attempt; those of /dev are mounted apart. */
const ROOT_ATTRIBUTES = MOUNT_ATTR_NODEV;

/** `mounted` is the overlay that the helper has handed over. Undefined when the root directory stays, or is a directory of a mount namespace that is not ours to change. */
export function buildRoot(steps: Steps, plan: SandboxPlan, mounted?: Argument): BuiltRoot | undefined {
  if (!plan.fresh.has('mnt')) return undefined;
  // While they are of the host's peer group.
  const trees = new Map<PlannedMount, Argument>();
  for (const mount of plan.mounts) if (isShared(mount)) trees.set(mount, takeSource(steps, mount));
  const follows = plan.mounts.some((mount) => mount.what === 'bind' && mount.propagation === MS_SLAVE);
  const [propagation, name] = follows ? [MS_SLAVE, 'MS_SLAVE'] : [MS_PRIVATE, 'MS_PRIVATE'];
  steps.call(
    'mount',
    [NULL, string('/'), NULL, integer(MS_REC | propagation, `MS_REC|${name}`), NULL],
    said('keepMountsFromHost'),
  );
  // Before the root is mounted over the old one, which would have it as a mount of its own.
  for (const [index, mount] of plan.mounts.entries()) {
    if (mount.what === 'new' && mount.type === 'overlay') trees.set(mount, makeOverlay(steps, mount, index));
    if (mount.what === 'bind' && !trees.has(mount)) trees.set(mount, takeSource(steps, mount));
    if (mount.what === 'copy') trees.set(mount, openToRead(steps, mount.source, said('openPath', mount.source)));
  }
  const root = mounted ?? makeRoot(steps, plan.root, plan.fresh.has('user'));
  const contents = plan.mounts.flatMap(({ place, ...mount }) => {
    return mount.what === 'content' ? [{ path: place.destination, content: mount.content }] : [];
  });
  const stage = new Stage(steps, contents);
  if (plan.spec.changeRoot === 'pivot_root') stage.mountRoot(root);
  else mountOn(steps, root, openSource(steps, plan.chrootPlace!, said('findPlaceForRoot')), said('mountBelowOldRoot'));
  const built = { root, stage, places: new Places(steps, root) };
  const cover = (tree: Argument, covers: readonly Cover[] | undefined, where: string) => {
    coverMounts(steps, stage, tree, { covers: covers ?? [], where, someUnreachable: plan.spec.namespaces.user !== 'host' });
  };
  cover(root, plan.covers.root, '/');
  if (plan.covers.oldRoot.length > 0) {
    const old = openSource(steps, '/', said('holdOldRoot'));
    cover(old, plan.covers.oldRoot, plan.spec.oldRoot!);
    closeDescriptor(steps, old, said('closeIt'));
  }
  for (const mount of plan.mounts) addMount(steps, built, { mount, taken: trees.get(mount), cover });
  coverPaths(steps, built, plan.covers);
  return built;
}

function coverPaths(steps: Steps, { root, stage }: BuiltRoot, { masked, readonly, strict }: CoverPlan): void {
  for (const path of readonly) protectPath(steps, root, path, strict);
  for (const path of masked) maskPath(steps, stage, root, path, strict);
}

type CoverTree = (tree: Argument, covers: readonly Cover[] | undefined, where: string) => void;

function makeRoot(steps: Steps, root: RootPlan, hasUserNamespace: boolean): Argument {
  switch (root.type) {
    case 'bind':
      return bindRoot(steps, root);
    case 'overlay':
      return overlayRoot(steps, root, { hasUserNamespace });
    case 'tmpfs':
      return makeFileSystem(steps, 'tmpfs', root.options, ROOT_ATTRIBUTES, said('theTmpfsOfRoot'));
    case 'asItIs':
      throw new Error('a root that stays as it is is not built');
  }
}

function bindRoot(steps: Steps, { path, readOnly, held }: Extract<RootPlan, { type: 'bind' }>): Argument {
  const tree = held === undefined ? takeDirectory(steps, path, said('takeMountsFrom', path)) : heldTree(steps, held);
  const set = ROOT_ATTRIBUTES | (readOnly ? MOUNT_ATTR_RDONLY : 0);
  setAttributes(steps, tree, { set, propagation: MS_PRIVATE }, readOnly ? said('makeThemReadOnly') : said('makeThemPrivate'));
  return tree;
}

/** Opens places inside the new root, and makes what is lacking on the way. */
export class Places {
  private readonly steps: Steps;
  private readonly root: Argument;
  /** Paths that were made. */
  private readonly known = new Set<string>();
  /** Paths over which a new file system was mounted: what was known of the root is not true below. */
  private readonly hidden = new Set<string>();

  constructor(steps: Steps, root: Argument) {
    this.steps = steps;
    this.root = root;
  }

  open(place: Place, kind: 'directory' | 'file'): Argument {
    const { parts, destination } = place;
    this.make(place, kind, parts.length);
    return openInside(this.steps, this.root, parts.join('/'), said('findPlaceFor', destination), place.strict);
  }

  /** Lets `use` do something with the directory that the place is in. */
  inParent(place: Place, use: (directory: Argument, name: string) => void): void {
    const last = place.parts.length - 1;
    this.make(place, 'directory', last);
    const directory = this.parentOf(place, last);
    use(directory, place.parts[last]!);
    if (directory !== this.root) closeDescriptor(this.steps, directory, said('closeTheDirectory'));
    this.known.add(place.parts.join('/'));
  }

  /** What is lacking of the first `count` parts. */
  private make(place: Place, kind: 'directory' | 'file', count: number): void {
    const { parts } = place;
    parts.slice(0, count).forEach((name, index) => {
      const path = parts.slice(0, index + 1).join('/');
      if (this.known.has(path) || (index < place.existing && !this.isHidden(place, path))) return;
      const parent = this.parentOf(place, index);
      const making = said('makePath', `/${path}`);
      if (kind === 'file' && index === parts.length - 1) makeFile(this.steps, parent, name, 0o644, making);
      else makeDirectory(this.steps, parent, name, 0o755, making);
      if (parent !== this.root) closeDescriptor(this.steps, parent, making);
      this.known.add(path);
    });
  }

  /** A new file system hides what was there. */
  covered(place: Place): void {
    const path = place.parts.join('/');
    for (const known of this.known) if (known.startsWith(`${path}/`)) this.known.delete(known);
    this.known.add(path);
    this.hidden.add(path);
  }

  private isHidden({ existing }: Place, path: string): boolean {
    return existing !== Number.POSITIVE_INFINITY && [...this.hidden].some((above) => path.startsWith(`${above}/`));
  }

  private parentOf({ parts, destination, strict }: Place, index: number): Argument {
    if (index === 0) return this.root;
    return openInside(this.steps, this.root, parts.slice(0, index).join('/'), said('findPlaceFor', destination), strict);
  }
}

function addMount(
  steps: Steps,
  { places, stage }: BuiltRoot,
  { mount, taken, cover }: { mount: PlannedMount; taken: Argument | undefined; cover: CoverTree },
): void {
  const { place } = mount;
  const { destination } = place;
  if (mount.what === 'symlink') {
    places.inParent(place, (directory, name) => {
      steps.call('symlinkat', [string(mount.target), directory, string(name)], said('makeLink', destination));
    });
    return;
  }
  if (mount.what === 'copy') {
    places.inParent(place, (directory, name) => copyFile(steps, taken!, directory, name, mount));
    return;
  }
  if (mount.what === 'devices') {
    const at = places.open(place, 'directory');
    addDevices(steps, at, mount);
    closeDescriptor(steps, at, said('closeThePlace'));
    return;
  }
  const isFile = mount.what === 'content' || (mount.what === 'bind' && !mount.isDirectory);
  const kind = isFile ? 'file' : 'directory';
  const at = places.open(place, kind);
  if (mount.what === 'held') {
    mountOn(steps, steps.descriptor(mount.descriptor, mount.type), at, said('mountOn', mount.type, destination));
  } else {
    const tree = taken ?? treeOf(steps, mount, stage);
    const what = mount.what === 'bind' ? mount.source : mount.what === 'new' ? mount.type : undefined;
    const purpose = what === undefined ? said('mountItOn', destination) : said('mountOn', what, destination);
    mountOn(steps, tree, at, purpose);
    cover(tree, mount.covers, destination);
    closeDescriptor(steps, tree, said('closeIt'));
    if (mount.what === 'new') places.covered(place);
  }
  closeDescriptor(steps, at, said('closeThePlace'));
}

/** What is made only now. */
function treeOf(steps: Steps, mount: PlannedMount, stage: Stage): Argument {
  const { destination } = mount.place;
  if (mount.what === 'new')
    return makeFileSystem(steps, mount.type, mount.options, mount.attributes, said('fileSystemFor', mount.type, destination));
  if (mount.what === 'content') return stage.content(destination);
  throw new Error(`what is to be mounted on ${destination} was not taken`);
}

function copyFile(
  steps: Steps,
  from: Argument,
  directory: Argument,
  name: string,
  { source, bytes, mode }: Extract<PlannedMount, { what: 'copy' }>,
): void {
  const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | O_CLOEXEC;
  const permissions = integer(mode, `0${mode.toString(8)}`);
  const text = 'O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC';
  const to = steps.call('openat', [directory, string(name), integer(flags, text), permissions], said('makeFile', name));
  steps.call('fchmod', [to, permissions], said('setModeOf', name));
  steps.call('sendfile', [to, from, NULL, integer(bytes)], said('copyFile', source));
  closeDescriptor(steps, to, said('closeIt'));
  closeDescriptor(steps, from, said('closeIt'));
}

function isShared(mount: PlannedMount): mount is BindMount {
  return mount.what === 'bind' && mount.propagation === MS_SHARED;
}

function takeSource(steps: Steps, mount: BindMount): Argument {
  if (mount.tree !== undefined) return withOptions(steps, heldTree(steps, mount.tree), mount.source, mount);
  return takeTree(steps, openSource(steps, mount.source, said('openPath', mount.source)), mount.source, mount);
}

function takeTree(steps: Steps, from: Argument, what: string, mount: BindMount): Argument {
  const tree = cloneTree(steps, from, said('takeMountsFrom', what));
  closeDescriptor(steps, from, said('closeIt'));
  return withOptions(steps, tree, what, mount);
}

function withOptions(steps: Steps, tree: Argument, what: string, { set, propagation }: BindMount): Argument {
  setAttributes(steps, tree, { set, propagation: propagation === MS_SHARED ? 0 : propagation }, said('setOptionsOf', what));
  return tree;
}

export function changeRoot(steps: Steps, plan: SandboxPlan, built: BuiltRoot | undefined): void {
  if (built === undefined) chrootAsItIs(steps, plan.root);
  else enterRoot(steps, plan, built);
}

function enterRoot(steps: Steps, plan: SandboxPlan, built: BuiltRoot): void {
  const { spec } = plan;
  if (spec.changeRoot === 'chroot') {
    built.stage.detach();
    steps.call('fchdir', [built.root], said('goToNewRoot'));
    steps.call('chroot', [string('.')], said('makeItRootDirectory'));
    return;
  }
  const place = plan.oldRoot === undefined ? undefined : built.places.open(plan.oldRoot, 'directory');
  const flags = integer(O_PATH | O_DIRECTORY | O_CLOEXEC, 'O_PATH|O_DIRECTORY|O_CLOEXEC');
  const old = steps.call('openat', [HERE, string('/'), flags], said('holdOldRoot'));
  steps.call('fchdir', [built.root], said('goToNewRoot'));
  // The old one comes to lie over it: pivot_root(2), "pivot_root(".", ".")".
  steps.call('pivot_root', [string('.'), string('.')], said('makeItRootOfMounts'));
  // It lies over the old root still, in whose place it would be detached.
  built.stage.detach();
  if (place === undefined) {
    steps.call('fchdir', [old], said('goToOldRoot'));
    steps.call('umount2', [string('.'), MNT_DETACH], said('detachOldRoot'));
  } else {
    mountOn(steps, old, place, said('keepOldRootAt', spec.oldRoot!));
  }
  steps.call('chdir', [string('/')], said('goToRootDirectory'));
}

function chrootAsItIs(steps: Steps, root: RootPlan): void {
  if (root.type !== 'asItIs' || root.path === undefined) return;
  const directory = openSource(steps, root.path, said('openRoot', root.path), O_DIRECTORY);
  steps.call('fchdir', [directory], said('goToTheRoot'));
  steps.call('chroot', [string('.')], said('makeItRootDirectory'));
}
