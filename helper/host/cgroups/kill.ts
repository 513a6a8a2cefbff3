/** Ending every process of a cgroup and of all below it. */

import { setTimeout as delay } from 'node:timers/promises';
import { Failure, isSystemError } from '../../failure.ts';
import { close, readText } from '../../kernel/files.ts';
import { AT_FDCWD, SIGKILL } from '../../kernel/numbers.ts';
import { hasEnded, openPidfd, sendSignal } from '../../kernel/pidfd.ts';
import { parseStat } from '../../proc/stat.ts';
import type { SaidArgument } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { OpenCgroup } from './directory.ts';
import { cgroupPathOf, isWithin, membersBelow } from './members.ts';

const LOOK_AGAIN_MILLIS = 20;
/** Until all have ended: one that waits for a device cannot end before that answers. */
const END_MILLIS = 10_000;
/** Until a v1 freezer has stopped all, which a process that waits for a device holds up. */
const FREEZE_MILLIS = 2_000;

/** How a cgroup's freezer is set, and its writing: of v1, when the kernel has no cgroup.kill, or of neither. */
export interface Freezer {
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Those below that are frozen by themselves, in which no signal is acted on: a matter of v1. */
  thawBelow(): Promise<void>;
  isFrozen(): boolean;
}

/**
 * How many were killed. With a freezer none of them can start another meanwhile; without one the rounds go on until none is left. Never the helper itself.
 * Throws a `Failure`: `permission` when the user may not end some, `busy` when some have not ended after 10 s.
 */
export async function killMembers(cgroup: OpenCgroup, freezer: Freezer | undefined): Promise<number> {
  const killed = new Set<number>();
  let refused = new Set<number>();
  const deadline = performance.now() + END_MILLIS;
  // A helper that froze itself could not thaw anything.
  const own = cgroupPathOf(process.pid, cgroup.ref.hierarchy);
  const usable = own !== undefined && isWithin(own, cgroup.ref.path) ? undefined : freezer;
  do {
    if (membersOf(cgroup).length === 0) return killed.size;
    refused = await killOnce(cgroup, usable, killed);
    // Those who may be killed end; for the others there is nothing to wait for.
    if (refused.size > 0 && membersOf(cgroup).every((pid) => refused.has(pid))) throw notAllowed([...refused], killed.size);
    await untilEmpty(cgroup, Math.min(deadline, performance.now() + LOOK_AGAIN_MILLIS * 10));
  } while (performance.now() < deadline);
  const left = membersOf(cgroup);
  if (left.length === 0) return killed.size;
  throw refused.size > 0 ? notAllowed([...refused], killed.size) : survivors(left);
}

/** Those that the user may not kill. */
async function killOnce(cgroup: OpenCgroup, freezer: Freezer | undefined, killed: Set<number>): Promise<Set<number>> {
  const refused = new Set<number>();
  await freezer?.freeze();
  try {
    const frozenBy = performance.now() + FREEZE_MILLIS;
    while (freezer !== undefined && !freezer.isFrozen() && performance.now() < frozenBy) await delay(1);
    for (const pid of membersOf(cgroup)) {
      const sent = killMember(cgroup, pid);
      if (sent === 'sent') killed.add(pid);
      if (sent === 'refused') refused.add(pid);
    }
  } finally {
    // A signal is acted on only once thawed.
    await freezer?.thaw();
    if (refused.size === 0) await freezer?.thawBelow();
  }
  return refused;
}

function membersOf({ fd }: OpenCgroup): number[] {
  return [...membersBelow(fd).pids].filter((pid) => pid !== process.pid);
}

/** Holds the process first and then looks whether it is one of the cgroup: a pid that was read may be another's by now. */
function killMember({ ref }: OpenCgroup, pid: number): 'sent' | 'refused' | 'gone' {
  let pidfd: number;
  try {
    pidfd = openPidfd(pid);
  } catch {
    return 'gone';
  }
  try {
    const path = cgroupPathOf(pid, ref.hierarchy);
    if (path === undefined || !isWithin(path, ref.path) || hasEnded(pidfd)) return 'gone';
    sendSignal(pidfd, SIGKILL);
    return 'sent';
  } catch (error) {
    return isSystemError(error) && error.code === 'EPERM' ? 'refused' : 'gone';
  } finally {
    close(pidfd);
  }
}

/** Resolves when no process is left, or at `deadline` (of the monotonic clock, in milliseconds). */
export async function untilEmpty(cgroup: OpenCgroup, deadline: number): Promise<void> {
  while (membersOf(cgroup).length > 0 && performance.now() < deadline) await delay(LOOK_AGAIN_MILLIS);
}

/** After `cgroup.kill`: waits for the end of all. Throws a `Failure`, `busy`, when some have not ended after 10 s. */
export async function awaitEnd(cgroup: OpenCgroup): Promise<void> {
  await untilEmpty(cgroup, performance.now() + END_MILLIS);
  const left = membersOf(cgroup);
  if (left.length > 0) throw survivors(left);
}

const SHOWN = 5;

function notAllowed(pids: readonly number[], killed: number): Failure {
  const refused = said('userMayNotKill', listed(pids));
  const text =
    killed === 0
      ? refused
      : said('sentences', refused, killed === 1 ? said('oneOtherWasKilled') : said('othersWereKilled', killed));
  return new Failure('permission', text, {
    hint: said('restartHelperAsTheirUser'),
  });
}

function listed(pids: readonly number[]): SaidArgument {
  const states = pids.slice(0, SHOWN).map((pid) => {
    const text = readText(AT_FDCWD, `/proc/${pid}/stat`, 4096);
    const stat = typeof text === 'string' ? parseStat(text) : undefined;
    return stat === undefined ? String(pid) : `${pid} (${stat.name}, ${stat.state})`;
  });
  return pids.length > SHOWN ? said('andMore', states, pids.length - SHOWN) : states;
}

function survivors(pids: readonly number[]): Failure {
  return new Failure('busy', said('killedHaveNotEnded', END_MILLIS / 1000, listed(pids)), {
    hint: said('killedMayWait'),
  });
}
