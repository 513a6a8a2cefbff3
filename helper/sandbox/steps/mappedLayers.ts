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
    if (taken.length === 0) throw new Failure('kernel', 'What was to mount the layers of the image was killed.');
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
  steps.add({ kind: 'tether', signal: SIGKILL, purpose: 'end when the helper ends' });
  steps.call('unshare', [integer(CLONE_FLAGS.mnt, 'CLONE_NEWNS')], 'make a mount namespace for the layers');
  const flags = integer(MS_REC | MS_PRIVATE, 'MS_REC|MS_PRIVATE');
  steps.call('mount', [NULL, string('/'), NULL, flags, NULL], 'keep its mounts from the host');
  const number = userNamespace.type === 'descriptor' ? userNamespace.value : -1;
  overlayRoot(steps, root, { mapped: { userNamespace: number, uid: rootOf(uid), gid: rootOf(gid) } });
  steps.add({ kind: 'sync', purpose: 'let the helper take the overlay' });
  return steps.compiled();
}

/** What was reported are mounts: of the changes, if they go nowhere else, and the overlay. */
function take(pid: number, results: readonly StepResult[], into: number[]): void {
  const pidfd = openPidfd(pid);
  try {
    for (const { value } of results) into.push(takeDescriptor(pidfd, value));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure('permission', `The overlay of the image's layers cannot be taken over: ${error.code}.`, {
      errno: error.code,
    });
  } finally {
    close(pidfd);
  }
}

function inWords({ step, errno, data, message }: StepFailure): Failure {
  const name = step.kind === 'syscall' ? step.name : '';
  const what = `Could not ${step.purpose}: ${data.errno}`;
  const hint = 'Set namespaces.user to "host"; or save the image to a file (docker save), and take that.';
  if (errno === EINVAL && name === 'mount_setattr') {
    return new Failure(
      'unsupported',
      `${what}. The file system of the engine's storage does not take id maps on this kernel.`,
      {
        ...data,
        hint,
      },
    );
  }
  if (errno === EINVAL && (name === 'fsconfig' || name === 'fsmount')) {
    const needed = 'Layers whose owners are mapped can be mounted as an overlay since Linux 5.19';
    return new Failure('unsupported', `${what}. ${needed}.`, { ...data, hint });
  }
  return new Failure(data.reason, message, { ...data, hint });
}
