/**
 * A mount table as text that is made to be compared: a mount a line, by mount point, without what differs from namespace to namespace though
 * the mount is the same (its id). Pure.
 */
import { l10n } from 'vscode';
import type { MountEntry, MountsListResult } from '../../helper/protocol/mounts.ts';
import { oneLine } from '../plain/plainText.ts';
import { propagationOf } from './mountComparison.ts';

const MAX_FIELD = 4096;
/** Columns at which fields begin, where the ones before are no longer. */
const POINT_WIDTH = 40;
const TYPE_WIDTH = 10;
const DEVICE_WIDTH = 8;
const SOURCE_WIDTH = 32;
/** Mount points that are named of each kind of propagation. */
const MOST_NAMED = 20;

export function mountTableText({ mounts, omitted, complete, root }: MountsListResult): string {
  const lines = byPoint(mounts).map(mountLine);
  const confined = confinementText(complete, root);
  if (confined !== undefined) lines.unshift(`# ${confined}`);
  if (omitted > 0) lines.push(`# ${l10n.t('{0} more are left out.', omitted)}`);
  return `${[...lines, '', `# ${l10n.t('Propagation')}`, ...propagationLines(mounts)].join('\n')}\n`;
}

/** What a chrooted process's mounts are to it; undefined when it is at the root of all of them. */
function confinementText(complete: boolean, root: MountsListResult['root']): string | undefined {
  const path = typeof root === 'string' ? oneLine(root, MAX_FIELD) : undefined;
  if (!complete && path !== undefined && path !== '/') {
    return l10n.t('Only what is mounted below {0}, the root of the process. What is mounted above it is unknown.', path);
  }
  if (!complete) return l10n.t('Only what is mounted below the root of the process. What is mounted above it is unknown.');
  if (path === undefined || path === '/') return undefined;
  return l10n.t('chroot confines the process to {0}. The rest is mounted all the same: who joins its namespace sees it.', path);
}

/** Those on the same point stay in their order: the last one is what is seen. */
function byPoint(mounts: readonly MountEntry[]): MountEntry[] {
  const key = ({ mountPoint }: MountEntry) => mountPoint.replaceAll('/', '\0');
  return mounts
    .map((mount, at) => ({ mount, at, key: key(mount) }))
    .sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : one.at - other.at))
    .map(({ mount }) => mount);
}

function mountLine({ mountPoint, type, device, source, root, options, superOptions }: MountEntry): string {
  // As findmnt(8) writes it: of a file system only a part may be mounted.
  const from = root === '/' ? source : `${source}[${root}]`;
  return [
    oneLine(mountPoint, MAX_FIELD).padEnd(POINT_WIDTH),
    oneLine(type).padEnd(TYPE_WIDTH),
    device.padEnd(DEVICE_WIDTH),
    oneLine(from, MAX_FIELD).padEnd(SOURCE_WIDTH),
    oneLine(options.join(','), MAX_FIELD),
    oneLine(superOptions.join(','), MAX_FIELD),
  ].join('  ');
}

/** By kind and not by mount: a namespace of its own differs from the host's in all of them at once. */
function propagationLines(mounts: readonly MountEntry[]): string[] {
  const kinds = new Map<string, string[]>();
  for (const mount of byPoint(mounts)) {
    const kind = propagationOf(mount);
    kinds.set(kind, [...(kinds.get(kind) ?? []), oneLine(mount.mountPoint)]);
  }
  const sorted = [...kinds].sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.map(([kind, points]) => {
    if (points.length === mounts.length) return `${kind}: ${l10n.t('all')}`;
    const named = points.slice(0, MOST_NAMED).join(', ');
    const more = points.length - MOST_NAMED;
    return `${kind}: ${more > 0 ? l10n.t('{0} and {1} more', named, more) : named}`;
  });
}
