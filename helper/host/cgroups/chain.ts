/** A cgroup with its ancestors, all open: limits and pressure of those above it count for it too. */

import fs from 'node:fs';
import { close, errorOf, O_DIRECTORY, openAt } from '../../kernel/files.ts';
import { O_PATH } from '../../kernel/numbers.ts';
import type { CgroupRef } from '../../protocol/cgroups.ts';
import { type OpenCgroup, openCgroup } from './directory.ts';
import { pathBelow } from './hierarchies.ts';

/** Deeper ones are looked at as far as this. */
const MAX_ANCESTORS = 256;

export interface Link {
  ref: CgroupRef;
  fd: number;
}

export interface Chain extends Disposable {
  readonly cgroup: OpenCgroup;
  /** The cgroup itself first, the root of the mount last. */
  readonly links: readonly Link[];
}

/** Throws the `Failure`s of `openCgroup`. */
export function openChain(ref: CgroupRef): Chain {
  const cgroup = openCgroup(ref);
  const links: Link[] = [{ ref, fd: cgroup.fd }];
  const dispose = () => {
    for (const { fd } of links.splice(0)) close(fd);
  };
  try {
    for (const path of pathsAbove(cgroup)) links.push(openAbove(links.at(-1)!, path));
  } catch (error) {
    dispose();
    throw error;
  }
  return { cgroup, links, [Symbol.dispose]: dispose };
}

/** As the hierarchy calls them, up to the root that the mount shows. */
function pathsAbove({ ref, hierarchy }: OpenCgroup): string[] {
  const paths: string[] = [];
  for (let path = ref.path; paths.length < MAX_ANCESTORS && (pathBelow(hierarchy.mount, path) ?? '/') !== '/'; ) {
    path = path.slice(0, path.lastIndexOf('/')) || '/';
    paths.push(path);
  }
  return paths;
}

/** A cgroup is never moved, so `..` is the cgroup above it, for as long as it lives. */
function openAbove({ fd, ref: { hierarchy } }: Link, path: string): Link {
  const above = openAt(fd, '..', O_PATH | O_DIRECTORY);
  if (above < 0) throw errorOf(above, 'openat', path);
  return { ref: { hierarchy, path, ino: fs.fstatSync(above).ino }, fd: above };
}
