/** Mounts of fuse-overlayfs(1), whose layers only the command line of the process that serves them tells. */

import type { OverlayOptions } from '../../proc/overlayOptions.ts';
import { parseFuseOverlayArguments } from '../../proc/overlayOptions.ts';
import type { HostModel } from '../hostModel.ts';
import { namespaceOf } from '../processRecord.ts';
import type { MountPlace } from './layerDirectories.ts';

/** What the process that serves one of these mounts was told; undefined when it is not seen. */
export function fuseOverlayOptions(places: readonly MountPlace[], model: HostModel): OverlayOptions | undefined {
  for (const { name, arguments: words, ...record } of model.processes) {
    if (!name.startsWith('fuse-overlayfs') || !Array.isArray(words)) continue;
    const told = parseFuseOverlayArguments(words);
    if (told === undefined) continue;
    const mountNamespace = namespaceOf({ name, arguments: words, ...record }, 'mnt');
    const isIts = ({ mountNamespace: ino, mount }: MountPlace) =>
      // Anybody may call a process so: the kernel says in the mount whose it is.
      ino === mountNamespace && mount.mountPoint === told.mountPoint && ownerOf(mount.superOptions) === record.uid;
    if (places.some(isIts)) return told.options;
  }
  return undefined;
}

/** `user_id` of fuse(4), as the initial user namespace counts. */
function ownerOf(superOptions: readonly string[]): number | undefined {
  const option = superOptions.find((one) => one.startsWith('user_id='));
  return option === undefined ? undefined : Number(option.slice('user_id='.length));
}
