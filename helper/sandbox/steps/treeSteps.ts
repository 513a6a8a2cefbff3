/** Steps by which the launcher comes to the mounts of the host that a sandbox is made of. */
import { O_DIRECTORY } from '../../kernel/files.ts';
import type { Argument } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { HeldTree } from '../idMaps/heldTrees.ts';
import { cloneTree, closeDescriptor, openSource } from './mountCalls.ts';

/** A copy of the mounts from a directory on, which is given by its real path. */
export function takeDirectory(steps: Steps, path: string, purpose: Said): Argument {
  const source = openSource(steps, path, said('openPath', path), O_DIRECTORY);
  const tree = cloneTree(steps, source, purpose);
  closeDescriptor(steps, source, said('closeTheDirectory'));
  return tree;
}

/** Mounts that the helper holds. Where their owners are to be mapped, they are by now. */
export function heldTree(steps: Steps, { descriptor, path, mapped }: HeldTree): Argument {
  return steps.descriptor(descriptor, mapped === undefined ? path : `${path}, id-mapped`);
}
