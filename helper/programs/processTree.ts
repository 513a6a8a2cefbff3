/** Ending a program with everything that it started. */

import { close, readNumbers, readText } from '../kernel/files.ts';
import { AT_FDCWD, SIGKILL } from '../kernel/numbers.ts';
import { openPidfd, sendSignal } from '../kernel/pidfd.ts';
import type { Launched } from '../launcher/launch.ts';

/** A fork bomb is not chased for ever. */
const MAX_PROCESSES = 10_000;

/**
 * Kills the program's process group, and what left the group: descendants are found through `/proc/PID/task/TID/children`
 * (proc_pid_task_tid_children(5)). In the helper's own pid namespace an orphan becomes a child of the launcher's process that
 * waits, and so is found; in another it becomes the child of that namespace's init, and belongs to the container from then on.
 */
export function killTree(program: Pick<Launched, 'pid' | 'kill'>): void {
  const descendants = descendantsOf(program.pid);
  program.kill();
  for (const pidfd of descendants) {
    try {
      sendSignal(pidfd, SIGKILL);
    } catch {
      // ESRCH: it has ended by itself.
    } finally {
      close(pidfd);
    }
  }
}

/** Held by pidfds. A pid that is still a child of the same parent once it is held is not another's. */
function descendantsOf(root: number): number[] {
  const held: number[] = [];
  const parents = [root];
  for (let next = 0; next < parents.length && parents.length < MAX_PROCESSES; next += 1) {
    const parent = parents[next]!;
    for (const child of childrenOf(parent)) {
      const pidfd = holdChild(parent, child);
      if (pidfd === undefined) continue;
      held.push(pidfd);
      parents.push(child);
    }
  }
  return held;
}

function holdChild(parent: number, child: number): number | undefined {
  let pidfd: number;
  try {
    pidfd = openPidfd(child);
  } catch {
    return undefined;
  }
  if (childrenOf(parent).includes(child)) return pidfd;
  close(pidfd);
  return undefined;
}

/** A child belongs to the thread that made it. */
function childrenOf(pid: number): number[] {
  const threads = readNumbers(AT_FDCWD, `/proc/${pid}/task`);
  if (typeof threads === 'number') return [];
  return threads.flatMap((tid) => {
    const text = readText(AT_FDCWD, `/proc/${pid}/task/${tid}/children`, 64 * 1024);
    return typeof text === 'number'
      ? []
      : text
          .split(' ')
          .filter((word) => word !== '')
          .map(Number);
  });
}
