/** Steps by which a process changes what the kernel keeps about it: its limits, and what is written to its own files in /proc. */

import fs from 'node:fs';
import { O_DIRECTORY } from '../kernel/files.ts';
import { O_CLOEXEC, O_PATH } from '../kernel/numbers.ts';
import { bytes, integer, named, string } from '../launcher/program.ts';
import type { Steps } from '../launcher/steps.ts';
import { RESOURCE_NAMES, type ResourceLimit, RLIM_INFINITY } from '../proc/limits.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';

const WRITE_ONLY = integer(fs.constants.O_WRONLY | O_CLOEXEC, 'O_WRONLY|O_CLOEXEC');

/** The helper's own `/proc`, in which a process finds itself as `self` wherever its root is. */
let proc: number | undefined;

export function setLimit(
  steps: Steps,
  { resource, soft, hard }: ResourceLimit,
  purpose: Said,
  flags: { ignoreError: boolean },
): void {
  const value = Buffer.alloc(16);
  value.writeBigUInt64LE(soft, 0);
  value.writeBigUInt64LE(hard, 8);
  const text = `{rlim_cur=${limitText(soft)}, rlim_max=${limitText(hard)}}`;
  const name = integer(resource, RESOURCE_NAMES[resource]!);
  steps.call('prlimit64', [integer(0), name, bytes(value, text), integer(0, 'NULL')], purpose, flags);
}

function limitText(limit: bigint): string {
  return limit === RLIM_INFINITY ? 'RLIM64_INFINITY' : String(limit);
}

/** Writes a file of the process's own below the helper's `/proc`. */
export function writeOwn(steps: Steps, file: string, text: string, purpose: Said, flags: { ignoreError?: boolean } = {}): void {
  proc ??= fs.openSync('/proc', O_PATH | O_DIRECTORY);
  const opened = steps.call('openat', [steps.descriptor(proc, '/proc'), string(`self/${file}`), WRITE_ONLY], purpose, flags);
  steps.call('write', [opened, string(text), integer(Buffer.byteLength(text))], purpose, flags);
  steps.call('close', [opened], purpose, flags);
}

/**
 * The files in `/proc/PID` of a process that is not dumpable belong to root, so that a user may not write its own; for that
 * time it is dumpable. Whoever could look into it then is the same user, or above it.
 */
export function withOwnFiles(steps: Steps, isHidden: boolean, write: () => void): void {
  const dumpable = (on: 0 | 1, purpose: Said) => steps.call('prctl', [named('PR_SET_DUMPABLE'), integer(on)], purpose);
  if (isHidden) dumpable(1, said('ownProcFiles'));
  write();
  if (isHidden) dumpable(0, said('hideFromDebuggers'));
}
