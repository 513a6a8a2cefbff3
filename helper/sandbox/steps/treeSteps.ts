/** Steps by which the launcher comes to the mounts of the host that a sandbox is made of. */
import { O_DIRECTORY } from '../../kernel/files.ts';
import type { Argument } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import type { HeldTree } from '../idMaps/heldTrees.ts';
import { cloneTree, closeDescriptor, openSource } from './mountCalls.ts';

/** A copy of the mounts from a directory on, which is given by its real path. */
export function takeDirectory(steps: Steps, path: string, what: string, rest = ''): Argument {
  const source = openSource(steps, path, `open ${path}`, O_DIRECTORY);
  const tree = cloneTree(steps, source, `take ${what} ${path}${rest === '' ? '' : ` ${rest}`}`);
  closeDescriptor(steps, source, 'close the directory');
  return tree;
}

/** Mounts that the helper holds. Where their owners are to be mapped, they are by now. */
export function heldTree(steps: Steps, { descriptor, path, mapped }: HeldTree): Argument {
  return steps.descriptor(descriptor, mapped === undefined ? path : `${path}, id-mapped`);
}
