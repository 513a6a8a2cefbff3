/**
 * Opens the directories of an overlay's layers, and what is mounted, as roots below which everything else is looked up.
 *
 * The mount is looked for at every opening, with its very options: its id and device number are soon given to another one. Each directory
 * must be the one that was listed.
 */

import fs from 'node:fs';
import os from 'node:os';
import { Failure, unknownFrom } from '../../failure.ts';
import { close, readLinkText, readText } from '../../kernel/files.ts';
import { SyscallError } from '../../kernel/libc.ts';
import { AT_FDCWD, EBUSY, O_PATH } from '../../kernel/numbers.ts';
import { type Mount, parseMountinfo } from '../../proc/mountinfo.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { OverlayRef } from '../../protocol/layers.ts';
import { openInRoot } from '../../reading/openInRoot.ts';
import { readers } from '../../reading/readers.ts';
import { ownNamespaces } from '../hostNamespaces.ts';
import { ownCapabilities } from '../identity.ts';
import { isInitial } from '../initialNamespaces.ts';
import { type NamespaceRoot, openNamespaceRoot } from '../namespaceRoot.ts';
import { coveringMount, MountIndex, pathOutside } from './covers.ts';
import type { OpenedStack, OpenStack, Seen } from './fileRequests.ts';
import { type LayerDirectory, mountIdOf, openLayerDirectory, openMount } from './layerDirectories.ts';
import type { MarkStyle } from './marks.ts';
import type { Part, Stack } from './merged.ts';
import { type FoundOverlay, goneOverlay, isAt, type OverlayTable } from './overlays.ts';

const { O_NOFOLLOW } = fs.constants;
const MAX_MOUNTINFO_BYTES = 32 * 1024 * 1024;
const UNMARKED = { opaque: false, hasWhiteoutAttributes: false };

export function stackOpener(table: OverlayTable): OpenStack {
  return async (ref, { merged }) => {
    const first = await openKnown(table, ref, merged);
    if (first !== undefined) return first;
    // It may have been mounted since, or be known by processes that have ended.
    await table.inspect(ref);
    const second = await openKnown(table, ref, merged);
    if (second !== undefined) return second;
    throw goneOverlay(ref);
  };
}

async function openKnown(table: OverlayTable, ref: OverlayRef, merged: boolean): Promise<OpenedStack | undefined> {
  const found = table.known(ref);
  if (found === undefined) return undefined;
  const opened = new Descriptors();
  try {
    const namespace = opened.namespace(ref.mountNamespace.ino, table);
    const mountinfo = namespace?.mountinfo() ?? '';
    if (namespace === undefined || !isMounted(mountinfo, found, ref)) {
      opened[Symbol.dispose]();
      return undefined;
    }
    const deaf = new Map<number, Failure>();
    const stack = await openDirectories(found, opened, table, deaf);
    const mount = merged && deaf.size === 0 ? await openListedMount(namespace, found, ref, opened, table) : undefined;
    if (mount !== undefined) opened.add(mount);
    const mayNotAnswer = () => deaf.size > 0 || isOnServed(found.directories, opened, table);
    const open = mount === undefined ? stack : { ...stack, merged: mount };
    return new Opened(open, mountinfo, ref.mountId, deaf, opened, namespace, mayNotAnswer);
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof SyscallError && ['ENOENT', 'ENOTDIR'].includes(error.code);
}

class Opened implements OpenedStack {
  readonly stack: Stack;
  readonly mountId: number;
  readonly deaf: ReadonlyMap<number, Failure>;
  private readonly mountinfo: string;
  private readonly namespace: NamespaceRoot;
  private readonly mayNotAnswer: () => boolean;
  private readonly descriptors: Descriptors;
  private parsed: MountIndex | undefined;

  constructor(
    stack: Stack,
    mountinfo: string,
    mountId: number,
    deaf: ReadonlyMap<number, Failure>,
    descriptors: Descriptors,
    namespace: NamespaceRoot,
    mayNotAnswer: () => boolean,
  ) {
    this.namespace = namespace;
    this.mayNotAnswer = mayNotAnswer;
    this.stack = stack;
    this.mountinfo = mountinfo;
    this.mountId = mountId;
    this.deaf = deaf;
    this.descriptors = descriptors;
  }

  /** Only provenance asks for them. */
  get mounts(): MountIndex {
    this.parsed ??= new MountIndex(parseMountinfo(this.mountinfo));
    return this.parsed;
  }

  get here(): MountIndex {
    const text = readText(AT_FDCWD, '/proc/self/mountinfo', MAX_MOUNTINFO_BYTES);
    return new MountIndex(typeof text === 'string' ? parseMountinfo(text) : []);
  }

  async look(path: string, follow: boolean): Promise<Seen | undefined> {
    const overlay = this.mounts.get(this.mountId);
    // The way to what is seen leads through the mount, which would wait for its layers.
    if (this.mayNotAnswer()) {
      const mount = coveringMount(this.mounts, this.mountId, path);
      return mount && { mount, unknown: { unknown: 'busy' } };
    }
    const root = overlay && (await openMount(this.namespace, overlay));
    if (overlay === undefined || root === undefined) return undefined;
    this.descriptors.add(root);
    try {
      // Absolute links mean the overlay's root, as they do in the container whose root it is.
      const descriptor = await openInRoot(root, path, follow ? O_PATH : O_PATH | O_NOFOLLOW);
      this.descriptors.add(descriptor);
      const id = mountIdOf(descriptor);
      const mount = id === undefined || id === this.mountId ? undefined : this.mounts.get(id);
      const isIt = follow || readLinkText(AT_FDCWD, `/proc/self/fd/${descriptor}`) === pathOutside(overlay, path);
      return mount === undefined || !isIt ? undefined : { mount, descriptor };
    } catch (error) {
      const mount = coveringMount(this.mounts, this.mountId, path);
      if (mount === undefined) return undefined;
      return { mount, ...(isAbsence(error) ? {} : { unknown: unknownFrom(error) }) };
    }
  }

  handOver(): number[] {
    return this.descriptors.handOver();
  }

  [Symbol.dispose](): void {
    this.descriptors[Symbol.dispose]();
  }
}

/** What one opening holds. */
class Descriptors {
  private readonly descriptors: number[] = [];
  private readonly namespaces = new Map<number, NamespaceRoot | undefined>();
  private hasEnded = false;

  /** What comes after the end is closed at once: of several directories that are opened at a time one may have failed before. */
  add(descriptor: number): void {
    if (this.hasEnded) close(descriptor);
    else this.descriptors.push(descriptor);
  }

  namespace(ino: number, { namespaces }: OverlayTable): NamespaceRoot | undefined {
    if (!this.namespaces.has(ino)) this.namespaces.set(ino, openNamespaceRoot(ino, namespaces));
    return this.namespaces.get(ino);
  }

  /** What leads to the mount namespaces is closed all the same. */
  handOver(): number[] {
    const descriptors = this.descriptors.splice(0);
    this[Symbol.dispose]();
    return descriptors;
  }

  [Symbol.dispose](): void {
    this.hasEnded = true;
    for (const descriptor of this.descriptors.splice(0)) close(descriptor);
    for (const namespace of this.namespaces.values()) namespace?.[Symbol.dispose]();
    this.namespaces.clear();
  }
}

/** The very mount that was listed, by its number, its device and all that it was told. */
function isMounted(mountinfo: string, { places }: FoundOverlay, ref: OverlayRef): boolean {
  const listed = places.find((place) => isAt(place, ref))?.mount;
  const line = lineOf(mountinfo, ref.mountId);
  const [now] = line === undefined ? [] : parseMountinfo(line);
  if (listed === undefined || now === undefined) return false;
  return now.device === ref.device && now.type === listed.type && sameDirectories(now, listed);
}

function lineOf(mountinfo: string, mountId: number): string | undefined {
  const begin = mountinfo.startsWith(`${mountId} `) ? 0 : mountinfo.indexOf(`\n${mountId} `) + 1;
  if (begin === 0 && !mountinfo.startsWith(`${mountId} `)) return undefined;
  const end = mountinfo.indexOf('\n', begin);
  return mountinfo.slice(begin, end === -1 ? undefined : end);
}

/** Remounting changes `rw` to `ro`, and no directory. */
function sameDirectories(one: Mount, other: Mount): boolean {
  const directories = ({ superOptions }: Mount) =>
    superOptions.filter((option) => /^(lower|upper|work|data)dir\+?=/.test(option));
  return directories(one).join('\0') === directories(other).join('\0');
}

/** A layer whose file system does not answer is one that cannot be looked into: it goes to `deaf`, too. */
async function openDirectories(
  found: FoundOverlay,
  opened: Descriptors,
  table: OverlayTable,
  deaf: Map<number, Failure>,
): Promise<Stack> {
  const parts = await Promise.all(
    found.directories.map(async (directory, layer): Promise<Part> => {
      const why = readers.whyDeaf(deviceIn(directory));
      if (why !== undefined) deaf.set(layer, why);
      const descriptor =
        why === undefined ? await openDirectory(directory, opened.namespace(directory.mountNamespace, table)) : -EBUSY;
      if (descriptor >= 0) opened.add(descriptor);
      return { layer, descriptor, marks: UNMARKED };
    }),
  );
  const isData = ({ layer }: Part) => found.directories[layer]!.dataOnly;
  return { roots: parts.filter((part) => !isData(part)), dataRoots: parts.filter(isData), style: styleOf(found) };
}

/** A descriptor, or `-errno`. */
async function openDirectory(directory: LayerDirectory, root: NamespaceRoot | undefined): Promise<number> {
  const begin = directory.base ?? root?.root;
  if (directory.unreadable !== undefined || begin === undefined) return -errnoOf(directory.unreadable);
  try {
    return await openLayerDirectory(begin, directory);
  } catch (error) {
    if (error instanceof SyscallError) return -error.errno;
    if (error instanceof Failure && error.reason === 'busy') return -EBUSY;
    throw error;
  }
}

function deviceIn({ id }: LayerDirectory): string | undefined {
  return id?.slice(0, id.lastIndexOf(':'));
}

function errnoOf(unreadable: Unknown | undefined): number {
  const { errno } = unreadable ?? {};
  return (errno === undefined ? undefined : (os.constants.errno as Record<string, number>)[errno]) ?? os.constants.errno.EACCES;
}

async function openListedMount(
  namespace: NamespaceRoot,
  { places, directories }: FoundOverlay,
  ref: OverlayRef,
  opened: Descriptors,
  table: OverlayTable,
): Promise<number | undefined> {
  const place = places.find((one) => isAt(one, ref));
  // Somebody answers for these, perhaps never, and the mount would not tell which it is that does not: the layers themselves have to tell.
  if (place?.mount.type !== 'overlay' || isOnServed(directories, opened, table)) return undefined;
  return await openMount(namespace, place.mount);
}

/** On file systems that a process or another machine answers for. */
const SERVED = /^(fuse|nfs|cifs|smb|9p|ceph|afs|virtiofs|lustre|glusterfs)/;

function isOnServed(directories: readonly LayerDirectory[], opened: Descriptors, table: OverlayTable): boolean {
  const devices = new Map<number, Set<string>>();
  for (const directory of directories) {
    const found = devices.get(directory.mountNamespace);
    const device = deviceIn(directory) ?? '';
    if (found === undefined) devices.set(directory.mountNamespace, new Set([device]));
    else found.add(device);
  }
  return [...devices].some(([ino, found]) => {
    const mountinfo = opened.namespace(ino, table)?.mountinfo() ?? '';
    return [...found].some((device) => SERVED.test(typeOf(mountinfo, device)));
  });
}

/** Of the file system with that device number; empty when it is not mounted there. */
function typeOf(mountinfo: string, device: string): string {
  const at = device === '' ? -1 : mountinfo.indexOf(` ${device} `);
  if (at < 0) return '';
  const line = mountinfo.slice(at, mountinfo.indexOf('\n', at));
  return line.slice(line.indexOf(' - ') + 3);
}

let seesTrusted: boolean | undefined;

function styleOf({ overlay, options: { flags }, directories }: FoundOverlay): MarkStyle {
  const fuse = overlay.type !== 'overlay';
  const user = flags.includes('userxattr') || (fuse && !overlay.options.includes('user_id=0'));
  const hasData = directories.some(({ dataOnly }) => dataOnly);
  seesTrusted ??= isTrustedShown();
  return {
    prefix: user ? 'user.overlay.' : 'trusted.overlay.',
    whiteoutFiles: fuse,
    // userxattr allows no redirects: they would let a user reach what only root may (Documentation/filesystems/overlayfs.rst).
    followsRedirects: !flags.includes('userxattr') && !flags.includes('redirect_dir=nofollow'),
    metacopy: hasData || flags.includes('metacopy=on'),
    ...(hasData ? { followsToData: true } : {}),
    ...(user || seesTrusted ? {} : { unknown: { unknown: 'permission' } }),
  };
}

/** `trusted.*` is hidden, not refused, from whoever lacks the capability in the initial user namespace: xattr(7). */
function isTrustedShown(): boolean {
  const { user } = ownNamespaces();
  return ownCapabilities().includes('CAP_SYS_ADMIN') && (user === undefined || isInitial(user));
}
