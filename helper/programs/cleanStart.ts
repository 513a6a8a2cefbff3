/**
 * What a program gets where nobody says otherwise: the defaults of a fresh login, and nothing of what the helper was started with. VS Code's Node raises
 * its soft limit of open files to the hard one, which select(2) and programs that close all descriptors suffer from; and whoever started VS Code may
 * have had it run nicely, without killing others for memory, or with an umask of its own. (The launcher itself sets back the signals.)
 */

import fs from 'node:fs';
import os from 'node:os';
import { RLIMIT_NOFILE } from '../kernel/numbers.ts';
import { integer } from '../launcher/program.ts';
import type { Steps } from '../launcher/steps.ts';
import { parseLimits, type ResourceLimit } from '../proc/limits.ts';
import { said } from '../saying.ts';
import { setLimit, withOwnFiles, writeOwn } from './ownFiles.ts';

/** The kernel's (INR_OPEN_CUR), and systemd's. */
const NOFILE_SOFT = 1024n;
const PRIO_PROCESS = 0;
const UMASK = 0o022;
/** Of who is not to be killed sooner or later than others. */
export const OOM_SCORE_ADJUSTMENT = '0';

/** The limits of a process that has begun so. */
export function startingLimits(): ResourceLimit[] {
  const limits = parseLimits(fs.readFileSync('/proc/self/limits', 'utf8'));
  return limits.map((limit) =>
    limit.resource === RLIMIT_NOFILE && limit.soft > NOFILE_SOFT ? { ...limit, soft: NOFILE_SOFT } : limit,
  );
}

/** To be the first steps. What an ordinary user may not set back, as a nice value, stays. */
export function startClean(steps: Steps, isPrivileged: boolean): void {
  const flags = { ignoreError: true };
  const files = startingLimits().find(({ resource }) => resource === RLIMIT_NOFILE);
  if (files !== undefined) setLimit(steps, files, said('takeBackOpenFilesLimit'), flags);
  steps.call('umask', [integer(UMASK, `0${UMASK.toString(8)}`)], said('takeBackHelpersUmask'));
  if (os.getPriority() !== 0) {
    const who = [integer(PRIO_PROCESS, 'PRIO_PROCESS'), integer(0)];
    steps.call('setpriority', [...who, integer(0)], said('takeBackHelpersNiceValue'), flags);
  }
  if (fs.readFileSync('/proc/self/oom_score_adj', 'utf8').trim() === OOM_SCORE_ADJUSTMENT) return;
  withOwnFiles(steps, !isPrivileged, () =>
    writeOwn(steps, 'oom_score_adj', OOM_SCORE_ADJUSTMENT, said('takeBackHelpersOomScore'), flags),
  );
}
