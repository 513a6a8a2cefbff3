/**
 * Where the directories of an overlay's layers are. A mount's options are text of whoever mounted it, relative to a working directory and a
 * mount namespace that they do not name; and what is found there now may be another directory than the one that was mounted.
 */

import path from 'node:path';
import { Failure, unknownFrom } from '../../failure.ts';
import { close, identityOf, O_DIRECTORY, readLinkText, readText } from '../../kernel/files.ts';
import { isExhaustion, SyscallError } from '../../kernel/libc.ts';
import { AT_FDCWD, ENOENT, O_PATH } from '../../kernel/numbers.ts';

import type { Mount } from '../../proc/mountinfo.ts';
import type { OverlayOptions } from '../../proc/overlayOptions.ts';
import type { Unknown } from '../../protocol/errors.ts';
import { openInRoot } from '../../reading/openInRoot.ts';
import { ownNamespaces } from '../hostNamespaces.ts';
import { type MountNamespaces, type NamespaceRoot, openNamespaceRoot } from '../namespaceRoot.ts';
import { unreadable } from '../unreadable.ts';
import type { RootLayer } from './rootLayers.ts';

const MAX_FDINFO_BYTES = 4096;
const OWN = ownNamespaces().mnt?.ino;

/** Of one layer, from the top. */
export interface LayerDirectory {
  /** As the option has it. */
  given: string;
  dataOnly: boolean;
  /** Absolute, symbolic links still in it: what is opened. */
  path: string;
  /** Without symbolic links. */
  resolved: string;
  /** The mount namespace in which these mean it. */
  mountNamespace: number;
  /** An open directory: `path` begins there instead. */
  base?: number;
  /** Device and inode number. */
  id?: string;
  unreadable?: Unknown;
}

/** A mount of the overlay, in a mount namespace. */
export interface MountPlace {
  mountNamespace: number;
  mount: Mount;
}

interface Wanted {
  given: string;
  dataOnly: boolean;
}

/** Directories in which a relative path may begin, beside those that are tried anyway. */
export type KnownBases = readonly string[];

export class LayerLocator {
  private readonly namespaces: MountNamespaces;
  private readonly roots = new Map<number, NamespaceRoot | undefined>();
  /** Layers are shared by many overlays, and are looked at once. */
  private readonly found = new Map<string, Promise<Looked>>();

  /** For one listing: what it found is not looked at again. */
  constructor(namespaces: MountNamespaces) {
    this.namespaces = namespaces;
  }

  [Symbol.dispose](): void {
    for (const root of this.roots.values()) root?.[Symbol.dispose]();
  }

  /** The directories in the mount namespace, and from the base, where the most of them are found. `places` in order of trust. */
  async locate(options: OverlayOptions, places: readonly MountPlace[], bases: KnownBases): Promise<LayerDirectory[]> {
    const wanted = wantedOf(options);
    const rootInode = await this.inodeOfRoot(places);
    let best: { directories: LayerDirectory[]; readable: number } | undefined;
    for (const { mountNamespace, mountPoints } of candidates(places)) {
      const base = await this.baseIn(mountNamespace, wanted, [...basesOf(options, mountPoints), ...bases]);
      const looked = await Promise.all(wanted.map((one) => this.look(mountNamespace, one, base)));
      const directories = withoutImpostor(looked, rootInode);
      const readable = directories.filter(({ id }) => id !== undefined).length;
      if (best === undefined || readable > best.readable) best = { directories, readable };
      if (readable === wanted.length) break;
    }
    return await Promise.all((best?.directories ?? []).map((directory) => this.asHere(directory)));
  }

  /** Of a root that the helper made, and whose mount, in `mountNamespace`, does not tell. */
  async locateRoot(layers: readonly RootLayer[], mountNamespace: number): Promise<LayerDirectory[]> {
    return await Promise.all(layers.map((layer) => this.locateRootLayer(layer, mountNamespace)));
  }

  private async locateRootLayer(
    { given, dataOnly = false, path: at, base }: RootLayer,
    mountNamespace: number,
  ): Promise<LayerDirectory> {
    const shared = { given, dataOnly };
    if (at === undefined || OWN === undefined)
      return { ...shared, path: given, resolved: given, mountNamespace, unreadable: { unknown: 'gone' } };
    if (base === undefined) return { ...shared, path: at, resolved: at, mountNamespace: OWN, ...(await this.at(OWN, at)) };
    const looked = await lookAt(base, at);
    // For people: the kernel's own name says only where it is in a file system that is mounted nowhere.
    const resolved = `/proc/${process.pid}/fd/${base}/${at}`;
    return { ...shared, path: at, mountNamespace: OWN, base, ...looked, resolved };
  }

  /** By the helper's own mount namespace where the same path means the same directory there: rootless podman's lie in a home. */
  private async asHere(directory: LayerDirectory): Promise<LayerDirectory> {
    if (OWN === undefined || directory.mountNamespace === OWN || directory.id === undefined) return directory;
    const here = await this.at(OWN, directory.resolved);
    const isSame = 'id' in here && here.id === directory.id && here.resolved === directory.resolved;
    return isSame ? { ...directory, path: directory.resolved, mountNamespace: OWN } : directory;
  }

  /** Inode number of what is mounted, where that can be reached. Of a file system that a process serves nothing is asked. */
  private async inodeOfRoot(places: readonly MountPlace[]): Promise<string | undefined> {
    for (const place of places.slice(0, MAX_NAMESPACES)) {
      const root = place.mount.type === 'overlay' ? this.rootOf(place.mountNamespace) : undefined;
      const mounted = root && (await openMount(root, place.mount));
      if (mounted === undefined) continue;
      const id = identityOf(mounted);
      close(mounted);
      if (typeof id === 'string') return inodeOf(id);
    }
    return undefined;
  }

  private async look(mountNamespace: number, { given, dataOnly }: Wanted, base: string): Promise<LayerDirectory> {
    const absolute = path.isAbsolute(given) ? given : `${base}/${given}`;
    const looked = await this.at(mountNamespace, absolute);
    return { given, dataOnly, path: absolute, mountNamespace, resolved: absolute, ...looked };
  }

  private at(mountNamespace: number, absolute: string): Promise<Looked> {
    const key = `${mountNamespace} ${absolute}`;
    const known = this.found.get(key);
    if (known !== undefined) return known;
    const looked = lookAt(this.rootOf(mountNamespace)?.root, absolute);
    this.found.set(key, looked);
    return looked;
  }

  private rootOf(mountNamespace: number): NamespaceRoot | undefined {
    if (!this.roots.has(mountNamespace)) this.roots.set(mountNamespace, openNamespaceRoot(mountNamespace, this.namespaces));
    return this.roots.get(mountNamespace);
  }

  /** Where all relative paths are found; else where the first one is. */
  private async baseIn(mountNamespace: number, wanted: readonly Wanted[], bases: readonly string[]): Promise<string> {
    const relative = wanted.filter(({ given }) => !path.isAbsolute(given));
    const [first, ...others] = relative;
    if (first === undefined) return '';
    let partly: string | undefined;
    for (const base of new Set(bases)) {
      if ((await this.look(mountNamespace, first, base)).id === undefined) continue;
      partly ??= base;
      const rest = await Promise.all(others.map((one) => this.look(mountNamespace, one, base)));
      if (rest.every(({ id }) => id !== undefined)) return base;
    }
    return partly ?? '';
  }
}

/**
 * Where all layers are of one file system, the root of the overlay has the inode number of its topmost layer (ovl_map_dev_ino() in
 * fs/overlayfs/inode.c). Another number: the name leads to another directory by now.
 */
function withoutImpostor(directories: LayerDirectory[], rootInode: string | undefined): LayerDirectory[] {
  const [top, ...others] = directories;
  if (rootInode === undefined || top?.id === undefined || inodeOf(top.id) === rootInode) return directories;
  const device = deviceOf(top.id);
  if (!others.every(({ id }) => id !== undefined && deviceOf(id) === device)) return directories;
  const { id: _, ...rest } = top;
  return [{ ...rest, unreadable: { unknown: 'gone' } }, ...others];
}

function inodeOf(id: string): string {
  return id.slice(id.lastIndexOf(':') + 1);
}

function deviceOf(id: string): string {
  return id.slice(0, id.lastIndexOf(':'));
}

function wantedOf({ upper, lower }: OverlayOptions): Wanted[] {
  const layers = lower.map(({ path: given, dataOnly }) => ({ given, dataOnly }));
  return upper === undefined ? layers : [{ given: upper, dataOnly: false }, ...layers];
}

/**
 * The helper's own mount namespace when the overlay is mounted there; those where it is not the root, for whoever mounts an overlay
 * sees its layers, and a container does not; then the others. The own one comes last otherwise: engines name the host's paths.
 */
function candidates(places: readonly MountPlace[]): { mountNamespace: number; mountPoints: string[] }[] {
  const rank = ({ mountNamespace, mount }: MountPlace) => (mountNamespace === OWN ? 0 : mount.mountPoint === '/' ? 2 : 1);
  const found = new Map<number, string[]>();
  for (const { mountNamespace, mount } of [...places].sort((one, other) => rank(one) - rank(other))) {
    const points = found.get(mountNamespace);
    if (points === undefined) found.set(mountNamespace, [mount.mountPoint]);
    else points.push(mount.mountPoint);
  }
  if (OWN !== undefined && !found.has(OWN)) found.set(OWN, []);
  return [...found].slice(0, MAX_NAMESPACES).map(([mountNamespace, mountPoints]) => ({ mountNamespace, mountPoints }));
}

/** An overlay that many namespaces inherited is the same in each. */
const MAX_NAMESPACES = 8;
const MAX_BASES = 64;

/**
 * A path is relative where all would not fit into one page of options: Docker, podman and containerd change to a directory that is above
 * the upper directory, and above the mount point (moby: daemon/graphdriver/overlay2/mount.go).
 */
function basesOf({ upper, work }: OverlayOptions, mountPoints: readonly string[]): string[] {
  const known = [upper, work, ...mountPoints].filter((one) => one !== undefined && path.isAbsolute(one));
  return known.flatMap((one) => directoriesAbove(one!)).slice(0, MAX_BASES);
}

/** The nearest first, `/` as the empty string last. */
function directoriesAbove(absolute: string): string[] {
  const above: string[] = [];
  for (let at = absolute.lastIndexOf('/'); at >= 0; at = at === 0 ? -1 : absolute.lastIndexOf('/', at - 1)) {
    above.push(absolute.slice(0, at));
  }
  return above;
}

type Looked = { id: string; resolved: string } | { unreadable: Unknown };

async function lookAt(root: number | undefined, absolute: string): Promise<Looked> {
  if (root === undefined) return { unreadable: { unknown: 'permission' } };
  let directory: number | undefined;
  try {
    directory = await openInRoot(root, absolute, O_PATH | O_DIRECTORY);
    const resolved = readLinkText(AT_FDCWD, `/proc/self/fd/${directory}`);
    const id = identityOf(directory);
    if (typeof id === 'number') return { unreadable: unreadable(id) };
    return { id, resolved: typeof resolved === 'string' ? resolved : absolute };
  } catch (error) {
    return { unreadable: unknownFrom(error) };
  } finally {
    if (directory !== undefined) close(directory);
  }
}

/** What is mounted; undefined when it cannot be reached, for something else is mounted over it. `O_PATH`. */
export async function openMount({ root }: NamespaceRoot, { id, mountPoint }: Mount): Promise<number | undefined> {
  let descriptor: number;
  try {
    descriptor = await openInRoot(root, mountPoint, O_PATH | O_DIRECTORY);
  } catch (error) {
    const isOfMount =
      error instanceof SyscallError ? !isExhaustion(error) : error instanceof Failure && error.reason === 'busy';
    if (!isOfMount) throw error;
    return undefined;
  }
  let isIt = false;
  try {
    isIt = mountIdOf(descriptor) === id;
  } finally {
    if (!isIt) close(descriptor);
  }
  return isIt ? descriptor : undefined;
}

/** `mnt_id` of proc_pid_fdinfo(5): asks nothing of the file system. */
export function mountIdOf(descriptor: number): number | undefined {
  const text = readText(AT_FDCWD, `/proc/self/fdinfo/${descriptor}`, MAX_FDINFO_BYTES);
  const id = typeof text === 'string' ? /^mnt_id:\s*([0-9]+)$/m.exec(text)?.[1] : undefined;
  return id === undefined ? undefined : Number(id);
}

/** The directory that `locate` found, when it is that one still. @throws SyscallError ENOENT when another one is there now */
export async function openLayerDirectory(root: number, { path: absolute, id }: LayerDirectory): Promise<number> {
  const directory = await openInRoot(root, absolute, O_PATH | O_DIRECTORY);
  if (identityOf(directory) === id) return directory;
  close(directory);
  throw new SyscallError('openat2', ENOENT, absolute);
}
