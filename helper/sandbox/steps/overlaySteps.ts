/**
 * Steps that make overlays: of the root, and of what a specification mounts. overlayfs is told its directories by names, which it looks up by itself, through
 * symbolic links. So the names that it gets are in a tmpfs that nobody else reaches; what is there are mounts that were taken before, or links to
 * open descriptors.
 */

import os from 'node:os';
import { Failure } from '../../failure.ts';
import { O_DIRECTORY } from '../../kernel/files.ts';
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_PRIVATE } from '../../kernel/numbers.ts';
import { type Argument, integer, named, string } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import { isAtLeast } from '../../proc/kernelRelease.ts';
import { parseOverlayOptions } from '../../proc/overlayOptions.ts';
import { own } from '../../programs/identity.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { UnpackedLayers } from '../images/imageDescription.ts';
import type { Option, PlannedMount } from '../plan/plannedMounts.ts';
import type { RootPlan } from '../plan/planRoot.ts';
import { LAYER_OPTIONS } from '../specification/specPaths.ts';
import { awaitHelper } from './awaits.ts';
import {
  closeDescriptor,
  makeDirectory,
  makeFileSystem,
  mountOn,
  mountOverRoot,
  openBeneath,
  openInside,
  openSource,
  setAttributes,
} from './mountCalls.ts';
import { heldTree, takeDirectory } from './treeSteps.ts';

/** A user namespace, as a descriptor of the launcher, and its root as the host sees it. */
export interface MappedOwners {
  userNamespace: number;
  uid: number;
  gid: number;
}

const MNT_DETACH = named('MNT_DETACH');
const AT_EMPTY_PATH = named('AT_EMPTY_PATH');
const CLOEXEC = named('O_CLOEXEC');
/** fsconfig(2) takes so many bytes of one value. */
const MAX_VALUE_BYTES = 255;

/** Of one overlay; each is a descriptor for which the launcher keeps room. */
const MAX_MOUNTED_LAYERS = 32;

interface LowerName {
  name: string;
  dataOnly?: boolean;
}

/** The layers from the top; one by one, which overlayfs takes since Linux 6.8, when their names are too long for one value. */
function lowerOptions(lowers: readonly LowerName[]): [string, string][] {
  const all = lowers.map(({ name, dataOnly }, index) => `${index === 0 ? '' : dataOnly ? '::' : ':'}${name}`).join('');
  if (Buffer.byteLength(all) <= MAX_VALUE_BYTES) return [['lowerdir', all]];
  if (isAtLeast(os.release(), 6, 8)) return lowers.map(({ name, dataOnly }) => [dataOnly ? 'datadir+' : 'lowerdir+', name]);
  throw new Failure('unsupported', said('overlayHasTooManyLayers', lowers.length), {
    hint: said('runNewerLinux'),
  });
}

/** What the helper does while the program waits there; the descriptor of their place was reported. */

/**
 * The layers are mounted below a tmpfs of their own and named relative to it, so that no name of the host has to be written
 * into the options, where ":" and "," mean something. They are taken before it is mounted, for it would be in them otherwise.
 */
export function overlayRoot(
  steps: Steps,
  { lowers, upper, held: trees }: Extract<RootPlan, { type: 'overlay' }>,
  { hasUserNamespace = false, mapped }: { hasUserNamespace?: boolean; mapped?: MappedOwners },
): Argument {
  const take = (path: string, readOnly: boolean): Argument => {
    const held = trees?.find((tree) => tree.path === path);
    const tree = held === undefined ? takeDirectory(steps, path, said('takeLayer', path)) : heldTree(steps, held);
    const set = readOnly ? MOUNT_ATTR_RDONLY : 0;
    if (readOnly && mapped !== undefined) {
      const { userNamespace } = mapped;
      setAttributes(steps, tree, { set, propagation: MS_PRIVATE, userNamespace }, said('mapOwnersOf', path));
    } else
      setAttributes(steps, tree, { set, propagation: MS_PRIVATE }, readOnly ? said('makeItReadOnly') : said('makeItPrivate'));
    return tree;
  };
  const layers = Array.isArray(lowers)
    ? lowers.map((path, index) => ({ name: `lower${index}`, tree: take(path, true) }))
    : [{ name: 'image', tree: layersOfImage(steps, lowers) }];
  const names = Array.isArray(lowers) ? layers.map(({ name }) => name) : lowers.names.map((name) => `image/${name}`);
  const changes = upper === undefined ? undefined : { name: 'changes', tree: take(upper, false) };
  // Detached, nothing leads to it any more, and the changes are in it: whoever may keeps hold of it, so that they can be looked at.
  const isHeld = changes === undefined && own().privileged;
  const stage = makeStage(steps, isHeld);
  mountOverRoot(steps, stage, said('mountIt'));
  steps.call('fchdir', [stage], said('goThere'));
  const purpose = said('makePlaceForLayers');
  for (const { name, tree } of changes === undefined ? layers : [...layers, changes]) {
    makeDirectory(steps, stage, name, 0o700, purpose);
    const place = openInside(steps, stage, name, purpose, true);
    mountOn(steps, tree, place, said('mountLayerAs', name));
    closeDescriptor(steps, place, said('closeThePlace'));
  }
  makeUpper(steps, stage, changes?.tree, mapped);
  const options: [string, string | true][] = [
    ...lowerOptions(names.map((name) => ({ name }))),
    ['upperdir', 'upper'],
    ['workdir', 'work'],
  ];
  if (hasUserNamespace) options.push(['userxattr', true]);
  const made = makeFileSystem(steps, 'overlay', options, MOUNT_ATTR_NODEV, said('theOverlayOfRoot'), {
    ...(mapped === undefined ? {} : { reportResult: true }),
  });
  if (isHeld && mapped === undefined) awaitHelper(steps, 'layers', said('letHelperHoldLayers'));
  // The overlay holds its layers; what lay over the old root would later be detached in its place.
  steps.call('umount2', [string('.'), MNT_DETACH], said('detachLayersPlace'));
  return made;
}

function makeStage(steps: Steps, reportResult = false): Argument {
  const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  const options: Option[] = [['mode', '0700']];
  return makeFileSystem(steps, 'tmpfs', options, attributes, said('aTmpfsForLayers'), reportResult ? { reportResult } : {});
}

/**
 * `upper` and `work` in the stage. Kept, they are directories below that of the host which is mounted as `changes`: whoever can write there could have made
 * links of them, or exchange them for such at any time.
 */
function makeUpper(steps: Steps, stage: Argument, changes: Argument | undefined, mapped: MappedOwners | undefined): void {
  const purpose = said('makePlaceForChanges');
  for (const [index, [name, mode]] of (['upper:0755', 'work:0700'] as const).map((one) => one.split(':')).entries()) {
    makeDirectory(steps, changes ?? stage, name!, Number.parseInt(mode!, 8), purpose);
    const isGiven = name === 'upper' && mapped !== undefined;
    if (changes === undefined && !isGiven) continue;
    const what = changes === undefined ? purpose : said('openInChanges', name!);
    const directory = openBeneath(steps, name!, what, changes ?? stage);
    if (isGiven) giveRoot(steps, directory, mapped);
    if (changes !== undefined) nameDescriptor(steps, { stage, name: name!, slot: index }, directory);
    closeDescriptor(steps, directory, said('closeIt'));
  }
}

/** The root directory of the overlay belongs to whom the topmost layer says. */
function giveRoot(steps: Steps, directory: Argument, { uid, gid }: MappedOwners): void {
  const whom = [integer(uid), integer(gid)];
  steps.call('fchownat', [directory, string(''), ...whom, AT_EMPTY_PATH], said('giveRootToRootInside'));
}

/** A link in the stage that leads to an open descriptor, and not to what its name means by now: proc_pid_fd(5). */
function nameDescriptor(
  steps: Steps,
  { stage, name, slot }: { stage: Argument; name: string; slot: number },
  directory: Argument,
): void {
  const number = steps.slot(slot);
  const purpose = said('letBeThatDirectory', name);
  steps.call('dup3', [directory, integer(number), CLOEXEC], purpose);
  steps.call('symlinkat', [string(`/proc/self/fd/${number}`), stage, string(name)], purpose);
}

function layersOfImage(steps: Steps, { descriptor, inside }: UnpackedLayers): Argument {
  if (inside === undefined) return steps.descriptor(descriptor, 'the layers of the image');
  const { writer } = inside;
  const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  const options: Option[] = [['mode', '0755']];
  if (writer !== undefined) options.push(['uid', String(writer.uid)], ['gid', String(writer.gid)]);
  const made = makeFileSystem(steps, 'tmpfs', options, attributes, said('aTmpfsForImage'), { reportResult: true });
  const dumpable = (on: 0 | 1, purpose: Said) => steps.call('prctl', [named('PR_SET_DUMPABLE'), integer(on)], purpose);
  // Only then may the helper, of the same user, take it.
  dumpable(1, said('letHelperTakeOpen'));
  awaitHelper(steps, 'image', said(writer === undefined ? 'letHelperUnpackImage' : 'letHelperUnpackImageAndGiveOwners'));
  dumpable(0, said('hideFromDebuggers'));
  return made;
}

/** A directory of an overlay that a specification mounts. */
export interface MountedLayer extends LowerName {
  option: 'lowerdir' | 'upperdir' | 'workdir';
  path: string;
}

/** Of the `index`th mount; its name also tells the overlay from others. */
export function layersOfMount(options: readonly Option[], index: number): MountedLayer[] {
  const told = options.map(([key, value]) => (value === true ? key : `${key}=${value}`));
  const { lower, upper, work } = parseOverlayOptions(told);
  const name = (layer: string) => `mount${index}-${layer}`;
  return [
    ...(upper === undefined ? [] : [{ option: 'upperdir', path: upper, name: name('upper') } as const]),
    ...lower.map(({ path, dataOnly }, at) => ({ option: 'lowerdir', path, dataOnly, name: name(`lower${at}`) }) as const),
    ...(work === undefined ? [] : [{ option: 'workdir', path: work, name: name('work') } as const]),
  ];
}

/** The overlay, not mounted anywhere yet. Its layers are looked up, by their real paths, while these still are those of the host. */
export function makeOverlay(
  steps: Steps,
  { options, attributes, place }: Extract<PlannedMount, { what: 'new' }>,
  index: number,
): Argument {
  const layers = layersOfMount(options, index);
  if (layers.length > MAX_MOUNTED_LAYERS) {
    throw new Failure('invalid', said('tooManyOverlayDirectories', place.destination, layers.length, MAX_MOUNTED_LAYERS));
  }
  const stage = makeStage(steps);
  steps.call('fchdir', [stage], said('goThere'));
  for (const [slot, { name, path }] of layers.entries()) {
    const directory = openSource(steps, path, said('openLayer', path), O_DIRECTORY);
    nameDescriptor(steps, { stage, name, slot }, directory);
    closeDescriptor(steps, directory, said('closeLayer'));
  }
  const named = layers.flatMap(({ option, name }): Option[] => (option === 'lowerdir' ? [] : [[option, name]]));
  const lowers = layers.filter(({ option }) => option === 'lowerdir');
  const others = options.filter(([key]) => !LAYER_OPTIONS.test(key));
  const what = said('overlayFor', place.destination);
  const made = makeFileSystem(steps, 'overlay', [...lowerOptions(lowers), ...named, ...others], attributes, what);
  closeDescriptor(steps, stage, said('closeLayersPlace'));
  return made;
}
