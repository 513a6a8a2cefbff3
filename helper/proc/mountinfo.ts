/** `/proc/PID/mountinfo`: proc_pid_mountinfo(5). */

import type { MountEntry } from '../protocol/mounts.ts';

/** For nsfs the root is the namespace, `net:[4026532184]`. */
export type Mount = MountEntry;

export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const mount = parseMount(line);
    if (mount !== undefined) mounts.push(mount);
  }
  return mounts;
}

/** The fields before ` - ` vary in number; a path cannot contain that text, for spaces in paths are escaped. */
function parseMount(line: string): Mount | undefined {
  const separator = line.indexOf(' - ');
  if (separator === -1) return undefined;
  const [id, parentId, device, root, mountPoint, options, ...propagation] = line.slice(0, separator).split(' ');
  const [type, source, superOptions] = line.slice(separator + 3).split(' ');
  if (options === undefined || superOptions === undefined) return undefined;
  return {
    id: Number(id),
    parentId: Number(parentId),
    device: device ?? '',
    root: unescapeOctal(root ?? ''),
    mountPoint: unescapeOctal(mountPoint ?? ''),
    options: options.split(','),
    propagation,
    type: unescapeOctal(type ?? ''),
    source: unescapeOctal(source ?? ''),
    superOptions: superOptions.split(',').map(unescapeOctal),
  };
}

/** Space, tab, newline, backslash and `#` are written as three octal digits: `\040` (mangle() in fs/proc_namespace.c). */
function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replaceAll(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** File systems that somebody answers for, elsewhere or in a process. */
export const SERVED = /^(fuse|nfs|9p|ceph|cifs|smb|afs|coda|lustre|gfs2|ocfs2|orangefs|virtiofs)/;
