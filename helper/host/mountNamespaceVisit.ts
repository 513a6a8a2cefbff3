/**
 * Reads the mounts of mount namespaces whose root no process is at: nobody is in there (a bind mount or a descriptor keeps it), or only
 * processes that chroot(2) confines. So a launcher enters, which puts it at the root, and is looked at from outside.
 */

import { close, openAt, readText } from '../kernel/files.ts';
import { CLONE_FLAGS } from '../kernel/nsfs.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import { type HeldProcess, holdProcess } from '../launcher/holdProcess.ts';
import { integer, named, string } from '../launcher/program.ts';
import { Steps } from '../launcher/steps.ts';
import { said } from '../saying.ts';
import { enterOwner, ownerToEnter } from './ownerEntry.ts';

/** One namespace to visit, by descriptor; `open` is a mount point there to be opened too. */
export interface Visit {
  descriptor: number;
  open?: string;
}

export interface Visited {
  /** `/proc/PID/mountinfo` as a process at its root has it; undefined when the namespace could not be entered, or it is too long. */
  mountinfo: string | undefined;
  /** `O_PATH` descriptor of what was found at `open`, of this process, for the caller to close. */
  opened: number | undefined;
}

const MAX_MOUNTINFO_BYTES = 32 * 1024 * 1024;
/** It takes a millisecond; a file system in there that never answers must not hold the helper for ever. */
const PATIENCE_SECONDS = 3;
const NOTHING: Visited = { mountinfo: undefined, opened: undefined };

/** Waits for each: who asks is in the middle of one reading of the host. */
export function visitMountNamespaces(visits: Visit[]): Visited[] {
  return visits.map(visit);
}

/** The launcher has the descriptor of the owner from its start. */
function held(steps: Steps, owner: number | undefined): HeldProcess | undefined {
  try {
    return holdProcess(steps.compiled(), PATIENCE_SECONDS);
  } finally {
    if (owner !== undefined) close(owner);
  }
}

function visit({ descriptor, open }: Visit): Visited {
  const steps = new Steps();
  const owner = ownerToEnter(descriptor);
  if (owner !== undefined) enterOwner(steps, owner);
  const namespace = steps.descriptor(descriptor, 'the mount namespace');
  steps.call('setns', [namespace, integer(CLONE_FLAGS.mnt, 'CLONE_NEWNS')], said('enterMountNamespace'));
  const opening = steps.count;
  if (open !== undefined) {
    const flags = { ignoreError: true, reportResult: true };
    steps.call('openat', [named('AT_FDCWD'), string(open), named('O_PATH')], said('openMountPoint'), flags);
  }
  steps.add({ kind: 'sync', purpose: said('waitToBeLookedAt') });
  using inside = held(steps, owner);
  if (inside === undefined) return NOTHING;
  const mountinfo = readText(AT_FDCWD, `/proc/${inside.pid}/mountinfo`, MAX_MOUNTINFO_BYTES);
  const found = inside.results.get(opening) ?? -1;
  const opened = found < 0 ? -1 : openAt(AT_FDCWD, `/proc/${inside.pid}/fd/${found}`, O_PATH);
  const isWhole = typeof mountinfo === 'string' && mountinfo.length < MAX_MOUNTINFO_BYTES;
  return { mountinfo: isWhole ? mountinfo : undefined, opened: opened < 0 ? undefined : opened };
}
