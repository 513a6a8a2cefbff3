/**
 * The layers of an image in an engine's storage, mounted as an overlay for a new user namespace. What is in that may not do it: the marks of
 * deletions there count only for who has privilege on the host (`trusted.overlay.`, user_namespaces(7)), and so has the mapping of owners. A launcher
 * of its own does it, in a mount namespace that goes with it; what remains is the overlay, mounted nowhere. The storage is not written to.
 */

import fs from 'node:fs';
import { Failure, isSystemError } from '../../failure.ts';
import { close } from '../../kernel/files.ts';
import { CLONE_FLAGS } from '../../kernel/nsfs.ts';
import { EINVAL, MS_PRIVATE, MS_REC, SIGKILL } from '../../kernel/numbers.ts';
import { openPidfd, takeDescriptor } from '../../kernel/pidfd.ts';
import { launch, StepFailure, type StepResult } from '../../launcher/launch.ts';
import { integer, string } from '../../launcher/program.ts';
import { type CompiledSteps, Steps } from '../../launcher/steps.ts';
import { said } from '../../saying.ts';
import { type IdMaps, rootOf } from '../idMaps/idMaps.ts';
import type { RootPlan } from '../plan/planRoot.ts';
import { overlayRoot } from './overlaySteps.ts';

type Overlay = Extract<RootPlan, { type: 'overlay' }>;

/** Open mounts that are mounted nowhere. */
export interface MappedLayers {
  overlay: number;
  /** With `upper` in it, which takes the changes, unless the host keeps them. */
  changes?: number;
}

const NULL = integer(0, 'NULL');

/** By the id maps of the user namespace that the process `pid`, which waits, is in. The caller closes them. Rejects with a `Failure`. */
export async function mountMappedLayers(root: Overlay, idMaps: IdMaps, pid: number): Promise<MappedLayers> {
  const namespace = fs.openSync(`/proc/${pid}/ns/user`, 'r');
  const taken: number[] = [];
  try {
    const { program, descriptors } = compileLayers(root, idMaps, namespace);
    const launched = launch({
      program,
      descriptors,
      stdio: ['ignore', 'ignore', 'ignore'],
      onSync: (waiting, _, results) => {
        take(waiting, results, taken);
      },
    });
    await launched.started;
    await launched.ended;
    if (taken.length === 0) throw new Failure('kernel', said('layersWereKilled'));
    const overlay = taken.pop()!;
    const [changes] = taken.splice(0);
    return { overlay, ...(changes === undefined ? {} : { changes }) };
  } catch (error) {
    for (const descriptor of taken) close(descriptor);
    throw error instanceof StepFailure ? inWords(error) : error;
  } finally {
    fs.closeSync(namespace);
  }
}

function compileLayers(root: Overlay, { uid, gid }: IdMaps, namespace: number): CompiledSteps {
  const steps = new Steps();
  const userNamespace = steps.descriptor(namespace, 'the user namespace');
  steps.add({ kind: 'tether', signal: SIGKILL, purpose: said('endWhenHelperEnds') });
  steps.call('unshare', [integer(CLONE_FLAGS.mnt, 'CLONE_NEWNS')], said('makeMountNamespaceForLayers'));
  const flags = integer(MS_REC | MS_PRIVATE, 'MS_REC|MS_PRIVATE');
  steps.call('mount', [NULL, string('/'), NULL, flags, NULL], said('keepMountsFromHost'));
  const number = userNamespace.type === 'descriptor' ? userNamespace.value : -1;
  overlayRoot(steps, root, { mapped: { userNamespace: number, uid: rootOf(uid), gid: rootOf(gid) } });
  steps.add({ kind: 'sync', purpose: said('letHelperTakeOverlay') });
  return steps.compiled();
}

/** What was reported are mounts: of the changes, if they go nowhere else, and the overlay. */
function take(pid: number, results: readonly StepResult[], into: number[]): void {
  const pidfd = openPidfd(pid);
  try {
    for (const { value } of results) into.push(takeDescriptor(pidfd, value));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure('permission', said('overlayCannotBeTakenOver', error.code), {
      errno: error.code,
    });
  } finally {
    close(pidfd);
  }
}

function inWords({ step, errno, data, text }: StepFailure): Failure {
  const name = step.kind === 'syscall' ? step.name : '';
  const what = said('becauseOf', said('couldNot', step.purpose), data.errno!);
  const hint = said('setUserHostOrSave');
  if (errno === EINVAL && name === 'mount_setattr') {
    return new Failure('unsupported', said('sentences', what, said('storageTakesNoIdMaps')), { ...data, hint });
  }
  if (errno === EINVAL && (name === 'fsconfig' || name === 'fsmount')) {
    return new Failure('unsupported', said('sentences', what, said('layersNeedLinux519')), { ...data, hint });
  }
  return new Failure(data.reason, text, { ...data, hint });
}
