/** The words for layers: names by role, what a layer does to a file, sizes. */
import { l10n } from 'vscode';
import type { Container } from '../../helper/protocol/containers.ts';
import type {
  FileType,
  Layer,
  LayerCover,
  LayerEntry,
  LayerMark,
  LayerRole,
  LayerSize,
  LayersProvenanceResult,
  Overlay,
} from '../../helper/protocol/layers.ts';
import type { ClientModel } from '../model/clientModel.ts';
import { layerNumber, sharers } from '../model/overlayStack.ts';
import { visibleBytes } from '../plain/fileNameText.ts';
import { oneLine } from '../plain/plainText.ts';
import { containerName } from './hostWords.ts';

/** Names of files may have 255 bytes. */
const NAME_LENGTH = 255;
const STEP_LENGTH = 160;

export function entryName(name: string): string {
  return oneLine(visibleBytes(name), NAME_LENGTH);
}

export function pathText(path: string): string {
  return oneLine(visibleBytes(path), 1000);
}

/** "web", or "web: /data" of what a container has mounted elsewhere, or where it is mounted on the host. */
export function overlayName(model: ClientModel, overlay: Overlay): string {
  const container = overlayContainer(model, overlay);
  const place = pathText(overlay.mountPoint);
  if (container === undefined) return place;
  return overlay.isRoot ? containerName(container) : `${containerName(container)}: ${place}`;
}

export function overlayContainer(model: ClientModel, overlay: Overlay): Container | undefined {
  return overlay.container === undefined ? undefined : model.containers.get(overlay.container);
}

/** "Read-write layer", "Init layer", "Image layer 3". */
export function layerName(overlay: Overlay, layer: Layer): string {
  const number = layerNumber(overlay, layer);
  switch (layer.role) {
    case 'readWrite':
      return l10n.t('Read-write layer');
    case 'init':
      return l10n.t('Init layer');
    case 'image':
      return l10n.t('Image layer {0}', number);
    case 'host':
      return layer.directory === '/' ? l10n.t('Host root') : l10n.t('Host directory {0}', pathText(layer.directory));
    case 'lower':
      return l10n.t('Lower layer {0}', number);
    case 'data':
      return l10n.t('Data-only layer {0}', number);
  }
}

/** The build step that made it, on one line. */
export function stepText(layer: Layer): string | undefined {
  return layer.createdBy === undefined || layer.createdBy.trim() === ''
    ? undefined
    : oneLine(layer.createdBy.trim(), STEP_LENGTH);
}

/** "Image layer 3: RUN apt-get install …". */
export function layerTitle(overlay: Overlay, layer: Layer): string {
  const step = stepText(layer);
  const name = layerName(overlay, layer);
  return step === undefined ? name : `${name}: ${step}`;
}

const ROLE_ICONS: Record<LayerRole, string> = {
  readWrite: 'edit',
  init: 'settings-gear',
  image: 'package',
  host: 'vm',
  lower: 'folder-library',
  data: 'database',
};

export function roleIcon(role: LayerRole): string {
  return ROLE_ICONS[role];
}

export function roleText(role: LayerRole): string {
  const words: Record<LayerRole, string> = {
    readWrite: l10n.t('takes every change that is made'),
    init: l10n.t('files that the engine makes for each container, such as /etc/hosts'),
    image: l10n.t('read-only, of the image'),
    host: l10n.t('files of the host, read-only here'),
    lower: l10n.t('read-only'),
    data: l10n.t('holds only the content of files whose metadata lie above'),
  };
  return words[role];
}

/** `sha256:0123456789ab`, as short as docker shows it. */
export function shortDigest(digest: string): string {
  return oneLine(digest, 80).replace(/^(sha256:)?([0-9a-f]{12})[0-9a-f]+$/, '$1$2');
}

/** What is mounted over files of layers, and where it comes from: `tmpfs`, `ext4 from /srv/data`. */
export function coverText({ type, source, from }: LayerCover): string {
  const origin = from ?? (source === type || source === 'none' ? undefined : source);
  if (origin === undefined) return l10n.t('mount: {0}', pathText(type));
  return l10n.t('mount: {0} from {1}', pathText(type), pathText(origin));
}

export function markText(mark: LayerMark): string {
  const words: Record<LayerMark, string> = {
    added: l10n.t('Added by this layer'),
    modified: l10n.t('Modified: it replaces the one of a layer below'),
    perhapsModified: l10n.t(
      'Perhaps modified: it has the size and time of the one of a layer below, and its content was not compared whole',
    ),
    deleted: l10n.t('Deleted: a whiteout hides the one of a layer below'),
    opaque: l10n.t('Opaque: it hides the whole directory below'),
    redirected: l10n.t('Redirected: renamed here, its lower part has another name'),
    metadata: l10n.t('Metadata only: the content is still that of a layer below'),
  };
  return words[mark];
}

export function typeText(type: FileType): string {
  const words: Record<FileType, string> = {
    file: l10n.t('file'),
    directory: l10n.t('directory'),
    symlink: l10n.t('symbolic link'),
    characterDevice: l10n.t('character device'),
    blockDevice: l10n.t('block device'),
    fifo: l10n.t('named pipe'),
    socket: l10n.t('socket'),
    whiteout: l10n.t('whiteout'),
  };
  return words[type];
}

/** Permissions as ls(1) writes them, without the type: `rwxr-xr-x`. */
export function modeText(mode: number): string {
  const letters = 'rwxrwxrwx';
  const bits = [...letters].map((letter, position) => ((mode >> (8 - position)) & 1 ? letter : '-'));
  const special = [
    [0o4000, 2, 's'],
    [0o2000, 5, 's'],
    [0o1000, 8, 't'],
  ] as const;
  for (const [bit, position, letter] of special)
    if (mode & bit) bits[position] = bits[position] === 'x' ? letter : letter.toUpperCase();
  return bits.join('');
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** "812 B", "4.0 KiB", "42 MiB". */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return l10n.t('{0} B', bytes);
  let value = bytes;
  let unit = -1;
  do {
    value /= 1024;
    unit += 1;
  } while (value >= 1023.5 && unit < UNITS.length - 1);
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** What files hold, and what they take of the disk. */
export interface Size {
  sizeBytes: number;
  allocatedBytes: number;
}

/** Blocks are rounded up: below it, and below a tenth, the difference says nothing. */
const TOLD_DIFFERENCE_BYTES = 64 * 1024;

/** "42 MiB"; "10 GiB (4.0 KiB used)" of a file with a hole, where the disk has less, or more, than it seems. */
export function sizeText({ sizeBytes, allocatedBytes }: Size): string {
  const difference = Math.abs(allocatedBytes - sizeBytes);
  const isTold = difference >= TOLD_DIFFERENCE_BYTES && difference >= Math.max(allocatedBytes, sizeBytes) / 10;
  return isTold ? bothSizesText({ sizeBytes, allocatedBytes }) : bytesText(sizeBytes);
}

/** "42 MiB (43 MiB used)". */
export function bothSizesText({ sizeBytes, allocatedBytes }: Size): string {
  return l10n.t('{0} ({1} used)', bytesText(sizeBytes), bytesText(allocatedBytes));
}

/** "42 MiB", "42 MiB, changed since". */
export function measuredText({ outdated, ...size }: Size & { outdated: boolean }): string {
  return outdated ? l10n.t('{0}, changed since', sizeText(size)) : sizeText(size);
}

/** "42 MiB (43 MiB used), changed since, 12 entries". */
export function measuredWholeText({ outdated, entries, ...size }: Size & { outdated: boolean; entries: number }): string {
  const both = bothSizesText(size);
  return [outdated ? l10n.t('{0}, changed since', both) : both, entriesText(entries)].join(', ');
}

/** Of files that a layer above replaces or deletes. */
export function wastedOf({ wastedBytes, wastedAllocatedBytes }: LayerSize): Size {
  return { sizeBytes: wastedBytes, allocatedBytes: wastedAllocatedBytes };
}

/** How many layers an overlay has, where that is known. */
export function layerCountText({ layers, unknownLayers }: Pick<Overlay, 'layers' | 'unknownLayers'>): string {
  if (unknownLayers !== undefined) return l10n.t('layers unknown');
  return layers.length === 1 ? l10n.t('1 layer') : l10n.t('{0} layers', layers.length);
}

/** That a container's root is none of the overlay mounts in sight. */
export function noOverlayText(name: string, unreadable: number): string {
  if (unreadable === 0) return l10n.t('The root of {0} is no overlay mount: its files are in no layers.', name);
  return l10n.t('No overlay mount of {0} is in sight: the mounts of {1} mount namespaces could not be read.', name, unreadable);
}

export function countText(count: number): string {
  return count.toLocaleString();
}

export function entriesText(count: number): string {
  return count === 1 ? l10n.t('1 entry') : l10n.t('{0} entries', countText(count));
}

/** "shared with 2 others". */
export function sharedText(layer: Layer): string | undefined {
  const others = sharers(layer);
  if (others === 0) return undefined;
  return others === 1 ? l10n.t('shared with 1 other') : l10n.t('shared with {0} others', others);
}

export function timeText(millis: number): string {
  return new Date(millis).toLocaleString();
}

/** What a layer has to say of a path, for the stack. */
export function hasText(one: LayersProvenanceResult['layers'][number]): string {
  return one.path === undefined ? wordText(one) : l10n.t('{0}, as {1}', wordText(one), pathText(one.path));
}

function wordText(one: LayersProvenanceResult['layers'][number]): string {
  const because = one.because === undefined ? undefined : pathText(one.because);
  switch (one.has) {
    case 'provides':
      return l10n.t('Provided by this layer');
    case 'merges':
      return l10n.t('Its entries are merged in');
    case 'hidden':
      return l10n.t('Has a copy, hidden by a layer above');
    case 'whiteout':
      return because === undefined ? l10n.t('Deleted here') : l10n.t('Deleted here with {0}', because);
    case 'opaque':
      return because === undefined ? l10n.t('Opaque: hides all below') : l10n.t('Hides all below: {0} is opaque', because);
    case 'hiddenByParent':
      return because === undefined ? l10n.t('Hidden with its directory') : l10n.t('Hidden with its directory {0}', because);
    case 'nothing':
      return l10n.t('Does not have it');
    case 'unknown':
      return because === undefined
        ? l10n.t('Unknown: this layer could not be read')
        : l10n.t('Unknown: what {0} hides or moves is shown only to root', because);
  }
}

export function entryFacts(entry: LayerEntry): string {
  const size = entry.type === 'file' ? sizeText(entry) : typeText(entry.type);
  return `${size}, ${modeText(entry.mode)}, ${timeText(entry.modifiedMillis)}`;
}
