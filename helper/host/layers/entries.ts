/** One entry of a directory of a layer or of the merged view, as the protocol has it. */

import { type FileStatus, linkBelow, SECTOR_BYTES } from '../../kernel/directory.ts';
import { S_IFLNK, S_IFMT } from '../../kernel/numbers.ts';
import { textOfBytes } from '../../proc/fileName.ts';
import type { FileType, LayerEntry, LayerMark } from '../../protocol/layers.ts';
import type { Comparison } from './compared.ts';

/** By the type bits of `st_mode` (inode(7)). */
const TYPES = new Map<number, FileType>([
  [0o010000, 'fifo'],
  [0o020000, 'characterDevice'],
  [0o040000, 'directory'],
  [0o060000, 'blockDevice'],
  [0o100000, 'file'],
  [0o120000, 'symlink'],
  [0o140000, 'socket'],
]);

export function typeOf(status: Pick<FileStatus, 'mode'>): FileType {
  return TYPES.get(status.mode & S_IFMT) ?? 'file';
}

/** The entry of what is at `place`. `name` is one character a byte. */
export function entryOf(
  name: string,
  status: FileStatus,
  place: { directory: number; name: string } | undefined,
  marks: LayerMark[] = [],
): LayerEntry {
  const type = typeOf(status);
  const target = type === 'symlink' && place !== undefined ? linkBelow(place.directory, place.name) : undefined;
  return {
    name: textOfBytes(name),
    type,
    mode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
    sizeBytes: status.sizeBytes,
    allocatedBytes: status.blocks * SECTOR_BYTES,
    modifiedMillis: status.modifiedSeconds * 1000 + Math.floor(status.modifiedNanos / 1_000_000),
    links: status.links,
    marks,
    ...(typeof target === 'string' ? { symlinkTarget: textOfBytes(target) } : {}),
    ...(type === 'blockDevice' || type === 'characterDevice' ? { deviceNumber: `${status.major}:${status.minor}` } : {}),
  };
}

/** What a layer itself has under a name, a whiteout too. Undefined when it has nothing. */
export function entryOfLayer(name: string, { own, marks, redirect, unknown }: Comparison): LayerEntry | undefined {
  if (own.what === 'nothing') return undefined;
  const entry = own.what === 'present' ? entryOf(name, own.status!, own.place, marks) : emptyEntry(name, marks);
  if (own.what === 'whiteout') entry.type = 'whiteout';
  if (redirect !== undefined) entry.redirect = textOfBytes(redirect);
  if (unknown !== undefined) entry.unknown = unknown;
  return entry;
}

/** What is seen under a name, from which layer, and what the topmost layer has to do with it. Undefined when nothing is seen. */
export function entryOfView(name: string, { now, marks, redirect, unknown }: Comparison): LayerEntry | undefined {
  if (now === undefined && unknown === undefined) return undefined;
  const entry = now === undefined ? emptyEntry(name) : entryOf(name, now.status!, now.place, marks);
  if (now !== undefined) entry.providedBy = now.layer;
  if (redirect !== undefined) entry.redirect = textOfBytes(redirect);
  if (unknown !== undefined) entry.unknown = unknown;
  return entry;
}

/** Of what has no attributes, or none that can be read. */
export function emptyEntry(name: string, marks: LayerMark[] = []): LayerEntry {
  return {
    name: textOfBytes(name),
    type: 'file',
    mode: 0,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    allocatedBytes: 0,
    modifiedMillis: 0,
    links: 0,
    marks,
  };
}

export function isSymlink(status: FileStatus): boolean {
  return (status.mode & S_IFMT) === S_IFLNK;
}
