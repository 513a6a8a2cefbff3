/** Entering what belongs to a user namespace of one's own: without privilege that is possible from inside of that one only (setns(2)). */

import fs from 'node:fs';
import { close } from '../kernel/files.ts';
import { CLONE_FLAGS, openOwner } from '../kernel/nsfs.ts';
import { integer, named } from '../launcher/program.ts';
import type { Steps } from '../launcher/steps.ts';
import { said } from '../saying.ts';

/** A descriptor of the user namespace that owns this namespace, for the caller to close; undefined for root, and when it is the helper's own. */
export function ownerToEnter(namespace: number): number | undefined {
  if (process.geteuid?.() === 0) return undefined;
  const owner = openOwner(namespace);
  if (owner < 0) return undefined;
  if (fs.fstatSync(owner).ino !== fs.statSync('/proc/self/ns/user').ino) return owner;
  close(owner);
  return undefined;
}

/** The first steps of a launcher that goes into such a namespace and is then looked at. */
export function enterOwner(steps: Steps, owner: number): void {
  const namespace = steps.descriptor(owner, 'the user namespace that owns it');
  steps.call('setns', [namespace, integer(CLONE_FLAGS.user, 'CLONE_NEWUSER')], said('enterOwningUserNamespace'));
  // Entering made it one that nobody may look at, since its privilege has changed.
  const call = [named('PR_SET_DUMPABLE'), integer(1)];
  steps.call('prctl', call, said('letItsUserLook'));
}
