/** Mounts of fuse-overlayfs(1), whose layers only the command line of the process that serves them tells. */

import { close, closing, directoryStatus, openAt, readText } from '../../kernel/files.ts';
import { openOwner } from '../../kernel/nsfs.ts';
import { AT_FDCWD } from '../../kernel/numbers.ts';
import { parseIdMap } from '../../proc/idMap.ts';
import type { OverlayOptions } from '../../proc/overlayOptions.ts';
import { parseFuseOverlayArguments } from '../../proc/overlayOptions.ts';
import type { HostModel } from '../hostModel.ts';
import { isInitial } from '../initialNamespaces.ts';
import { namespaceOf, type ProcessRecord } from '../processRecord.ts';

const MAX_MAP_BYTES = 64 * 1024;

import type { MountPlace } from './layerDirectories.ts';

/** What the process that serves such a mount was told. */
export interface FuseOverlay {
  options: OverlayOptions;
  /** Who mounted it, as the initial user namespace counts: marks of others than root are written in other attributes. */
  uid: number;
}

/** Undefined when no process is seen that serves one of these mounts. */
export function fuseOverlayOf(places: readonly MountPlace[], model: HostModel): FuseOverlay | undefined {
  for (const { name, arguments: words, ...record } of model.processes) {
    if (!name.startsWith('fuse-overlayfs') || !Array.isArray(words)) continue;
    const told = parseFuseOverlayArguments(words);
    if (told === undefined) continue;
    const process = { name, arguments: words, ...record };
    const mountNamespace = namespaceOf(process, 'mnt');
    const isIts = ({ mountNamespace: ino, mount }: MountPlace) =>
      // Anybody may call a process so: the kernel says in the mount whose it is.
      ino === mountNamespace && mount.mountPoint === told.mountPoint && ownerOf(mount.superOptions, process) === record.uid;
    if (places.some(isIts)) return { options: told.options, uid: record.uid };
  }
  return undefined;
}

/**
 * `user_id` of fuse(4), which the kernel counts as the user namespace of the mount does: there a process is believed only when that is its own, for by a map of its
 * own choice anybody's id may be anything.
 */
function ownerOf(superOptions: readonly string[], process: ProcessRecord): number | undefined {
  const option = superOptions.find((one) => one.startsWith('user_id='));
  if (option === undefined) return undefined;
  const uid = Number(option.slice('user_id='.length));
  const user = namespaceOf(process, 'user');
  if (user === undefined || user === null) return undefined;
  if (isInitial({ kind: 'user', ino: user })) return uid;
  if (user !== ownerOfMountNamespace(process.pid)) return undefined;
  const map = readText(AT_FDCWD, `/proc/${process.pid}/uid_map`, MAX_MAP_BYTES);
  const range =
    typeof map === 'string' ? parseIdMap(map).find(({ inside, count }) => uid >= inside && uid < inside + count) : undefined;
  return range === undefined ? undefined : range.outside + uid - range.inside;
}

/** Inode number of the user namespace that owns the mount namespace of a process. */
function ownerOfMountNamespace(pid: number): number | undefined {
  const namespace = openAt(AT_FDCWD, `/proc/${pid}/ns/mnt`, 0);
  if (namespace < 0) return undefined;
  const owner = closing(namespace, openOwner);
  if (owner < 0) return undefined;
  const status = directoryStatus(owner, '');
  close(owner);
  return typeof status === 'number' ? undefined : status.ino;
}
