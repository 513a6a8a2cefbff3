/** Joining the cgroups of a process, in every hierarchy: cgroups(7). */

import fs from 'node:fs';
import { Failure } from '../failure.ts';
import { directoryOf } from '../host/cgroups/hierarchies.ts';
import { freezerState } from '../host/freezer.ts';
import { close, errorOf, O_DIRECTORY, openAt } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import { type CgroupPath, parseCgroups } from '../proc/cgroup.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import type { HeldProcess } from './target.ts';

/** Cgroups to join, held open. */
export interface HeldCgroups {
  /**
   * v1: the open `tasks` files. A process with one thread that writes `0` there moves itself without the lock over all
   * processes of the machine that moving another takes: 0.02 ms each, where that takes 5 to 15 ms.
   */
  tasks: { path: string; descriptor: number }[];
  /** v2: the open directory, for clone3(2) with `CLONE_INTO_CGROUP`, which for the same reason beats `cgroup.procs`. */
  unified?: { path: string; descriptor: number };
  differences: Said[];
  dispose(): void;
}

const MAX_CGROUP_BYTES = 32 * 1024;

/** Throws a `Failure`: `busy` when the process is frozen, `permission` when its cgroups may not be joined. */
export function holdCgroups(process: HeldProcess): HeldCgroups {
  const theirs = parseCgroups(process.read('cgroup', MAX_CGROUP_BYTES, said('theCgroups')));
  if (freezerState(theirs) === 'paused') {
    throw new Failure('busy', said('containerIsPaused'), {
      hint: said('unpauseOrEnterWithoutCgroups'),
    });
  }
  const mine = new Map(
    parseCgroups(fs.readFileSync('/proc/self/cgroup', 'utf8')).map(({ hierarchy, path }) => [hierarchy, path]),
  );
  const held: HeldCgroups = { tasks: [], differences: [], dispose: () => undefined };
  held.dispose = () => {
    for (const { descriptor } of held.tasks.splice(0)) close(descriptor);
    if (held.unified !== undefined) close(held.unified.descriptor);
    delete held.unified;
  };
  try {
    for (const cgroup of theirs) if (mine.get(cgroup.hierarchy) !== cgroup.path) hold(held, cgroup);
  } catch (error) {
    held.dispose();
    throw error;
  }
  return held;
}

function hold(held: HeldCgroups, { hierarchy, path }: CgroupPath): void {
  const directory = directoryOf(hierarchy, path);
  if (directory === undefined) {
    held.differences.push(said('hierarchyIsNotJoined', hierarchy));
  } else if (hierarchy === 'unified') {
    held.unified = { path: directory, descriptor: open(directory, O_PATH | O_DIRECTORY) };
  } else {
    held.tasks.push({ path: `${directory}/tasks`, descriptor: open(`${directory}/tasks`, fs.constants.O_WRONLY) });
  }
}

function open(path: string, flags: number): number {
  const descriptor = openAt(AT_FDCWD, path, flags);
  if (descriptor >= 0) return descriptor;
  const error = errorOf(descriptor, 'openat', path);
  throw new Failure('permission', said('cgroupCannotBeJoined', error.message), {
    errno: error.code,
    path,
    hint: said('enterWithoutCgroups'),
  });
}
