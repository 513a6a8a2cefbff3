/**
 * Cgroups that were delegated to the helper's user, in which it may make others: cgroups(7), "Cgroups delegation"; systemd's CGROUP_DELEGATION.
 * Root has all of a hierarchy.
 */

import fs from 'node:fs';
import path from 'node:path';
import { Failure, isSystemError } from '../../failure.ts';
import { close, O_DIRECTORY, openAt } from '../../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../../kernel/numbers.ts';
import { attributeOf } from '../../kernel/xattr.ts';
import { log, logError } from '../../log.ts';
import { parseCgroups } from '../../proc/cgroup.ts';
import { type Mount, parseMountinfo } from '../../proc/mountinfo.ts';
import { own } from '../../programs/identity.ts';
import { said } from '../../saying.ts';
import { moveToScope } from './ownScope.ts';

/** The system's systemd says so of the cgroups of its units with `Delegate=`. The user's does not, and all of its units' belong to the user. */
const DELEGATED = 'user.delegate';
/** What is delegated to the user's systemd is its own: it may take controllers away from what others make there. */
const USERS_SYSTEMD = /^user@\d+\.service$/;
/** Where a helper goes that was started in a delegated cgroup itself. Not removed with it: the next one takes it, and systemd removes it. */
const OWN_LEAF = 'isoscope-helper';

/** The scope that the user's systemd made for the helper, once it was asked. */
let scope: string | undefined;
let asking: Promise<void> | undefined;

/**
 * Directories in which cgroups may be made, the nearest first. `ownPath` is the helper's in this hierarchy. Where nothing tells what was
 * delegated it is the highest that belongs to the user.
 */
function delegatedDirectories(mount: Mount, ownPath: string): string[] {
  if (own().uid === 0) return [mount.mountPoint];
  const owned = ownedDirectories(mount, ownPath);
  const told = owned.filter(isToldDelegated);
  return told.length > 0 ? told : owned.slice(-1);
}

/** From the helper's own cgroup up, as far as they belong to its user. */
function ownedDirectories(mount: Mount, ownPath: string): string[] {
  const owned: string[] = [];
  for (let at = ownDirectory(mount, ownPath); at !== mount.mountPoint; at = path.dirname(at)) {
    if (fs.statSync(at, { throwIfNoEntry: false })?.uid !== own().uid) break;
    owned.push(at);
  }
  return owned;
}

/** Of the helper's own cgroup; the mount's root where that is not below it. */
function ownDirectory({ mountPoint, root }: Mount, ownPath: string): string {
  const relative = path.posix.relative(root, ownPath);
  return relative === '..' || relative.startsWith('../') ? mountPoint : path.join(mountPoint, relative);
}

function isToldDelegated(directory: string): boolean {
  if (directory === scope) return true;
  if (USERS_SYSTEMD.test(path.basename(directory))) return false;
  const descriptor = openAt(AT_FDCWD, directory, O_PATH | O_DIRECTORY);
  if (descriptor < 0) return false;
  try {
    const value = attributeOf({ directory: descriptor, name: '.' }, DELEGATED);
    return typeof value !== 'number' && value.toString('latin1') === '1';
  } finally {
    close(descriptor);
  }
}

/**
 * In a session, or a unit of the user's systemd, that one is asked for a scope of the helper's own, as podman(1) asks
 * for one a container. To be called before `placeInV2`, which says what is wrong when it could not be had.
 */
export async function askForScope(mount: Mount): Promise<void> {
  const owned = ownedDirectories(mount, ownPathIn('unified'));
  const highest = owned.at(-1);
  const isUsersSystemd = highest === undefined || USERS_SYSTEMD.test(path.basename(highest));
  if (own().uid === 0 || !isUsersSystemd || owned.some(isToldDelegated)) return;
  asking ??= enterScope(mount).finally(() => {
    asking = undefined;
  });
  await asking;
}

async function enterScope(mount: Mount): Promise<void> {
  try {
    if (!(await moveToScope())) return;
    const place = ownDirectory(mount, ownPathIn('unified'));
    if (makeRoom(place)) scope = place;
  } catch (error) {
    log('warn', `the user's systemd gave the helper no scope: ${String(error)}`);
  }
}

/** v1: the highest is the one that was delegated, for there nothing tells it. Throws a `Failure` when there is none. */
export function placeInV1(mount: Mount, ownPath: string, controller: string): string {
  const place = delegatedDirectories(mount, ownPath).at(-1);
  if (place !== undefined) return place;
  throw new Failure('permission', said('noControllerDelegated', controller), {
    hint: said('leaveResourcesOutV1', controller, mount.mountPoint),
  });
}

/**
 * v2: one for all of these controllers, since a process is in one cgroup. It has them and can hand them down, which one with processes of
 * its own cannot. Throws a `Failure` when there is none.
 */
export function placeInV2(mount: Mount, ownPath: string, controllers: readonly string[]): string {
  const places = delegatedDirectories(mount, ownPath);
  if (places.length === 0) {
    throw new Failure('permission', said('nothingIsDelegated'), {
      hint: said('leaveResourcesOutV2'),
    });
  }
  const offering = places.filter((place) => lackingIn(place, controllers).length === 0);
  if (offering.length === 0) throw notDelegated(places[0]!, lackingIn(places[0]!, controllers));
  const place = offering.find((directory) => canHandDown(directory, controllers));
  if (place !== undefined) return place;
  throw new Failure('busy', said('processesInDelegatedCgroup', offering[0]!), {
    path: offering[0]!,
    hint: said('startThemBelow'),
  });
}

function lackingIn(directory: string, controllers: readonly string[]): string[] {
  const offered = words(path.join(directory, 'cgroup.controllers'));
  return controllers.filter((controller) => !offered.includes(controller));
}

function notDelegated(place: string, controllers: readonly string[]): Failure {
  if (own().uid === 0) return notAvailable(controllers);
  return new Failure('unsupported', said('controllerNotDelegated', controllers, place), {
    path: place,
    hint: said('haveItDelegated'),
  });
}

export function notAvailable(controllers: readonly string[]): Failure {
  return new Failure('unsupported', said('controllerNotAvailable', controllers), {
    hint: said('leaveLimitOutOrMount'),
  });
}

function canHandDown(directory: string, controllers: readonly string[]): boolean {
  if (notHandedDown(directory, controllers).length === 0) return true;
  // The root of all may: it alone has no type.
  if (!fs.existsSync(path.join(directory, 'cgroup.type'))) return true;
  return words(path.join(directory, 'cgroup.procs')).length === 0;
}

/** Those that it does not hand down yet. */
export function notHandedDown(directory: string, controllers: readonly string[]): string[] {
  const enabled = words(path.join(directory, 'cgroup.subtree_control'));
  return controllers.filter((controller) => !enabled.includes(controller));
}

/**
 * For a helper that was started in a delegated cgroup of v2, which can set limits only once no process is in it: goes to one below it. To be
 * called before anything is started. Moves nobody else; where others are, it stays with them.
 */
export function makeRoomForLimits(): void {
  if (own().uid === 0) return;
  try {
    const mount = parseMountinfo(fs.readFileSync('/proc/self/mountinfo', 'utf8')).find(({ type }) => type === 'cgroup2');
    if (mount === undefined) return;
    const ownPath = ownPathIn('unified');
    const [place] = delegatedDirectories(mount, ownPath);
    if (place !== undefined && place === ownDirectory(mount, ownPath)) makeRoom(place);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    logError('the helper stays in the cgroup that is delegated to it', error);
  }
}

/** Whether no process is in it any more. */
function makeRoom(place: string): boolean {
  const members = words(path.join(place, 'cgroup.procs'));
  if (members.length !== 1 || members[0] !== String(process.pid)) return false;
  fs.mkdirSync(path.join(place, OWN_LEAF), { recursive: true });
  fs.writeFileSync(path.join(place, OWN_LEAF, 'cgroup.procs'), '0');
  return true;
}

/** Of the helper; the root where it is in none. */
export function ownPathIn(controller: string): string {
  const mine = parseCgroups(fs.readFileSync('/proc/self/cgroup', 'utf8'));
  return mine.find(({ hierarchy }) => hierarchy.split(',').includes(controller))?.path ?? '/';
}

function words(file: string): string[] {
  try {
    return fs
      .readFileSync(file, 'utf8')
      .split(/\s+/)
      .filter((word) => word !== '');
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}
