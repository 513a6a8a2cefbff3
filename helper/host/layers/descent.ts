/** Going down to a directory of a layer, on a reader thread. */
import type { Unknown } from '../../protocol/errors.ts';
import { type Compared, closeCompared, compare, comparedRoot } from './compared.ts';
import { unknownOf } from './directory.ts';
import { missing } from './layerPath.ts';
import type { Stack } from './merged.ts';

/** Where `names` lead. */
interface Descent {
  /** Beside what is below the layer; close it with `closeUnlessRoot`. Absent when neither the layer nor what is merged with it has such a directory. */
  directory?: Compared;
  /** Why there may be one all the same, in the merged view. */
  unknown?: Unknown;
  /** Why the layer itself may have one. */
  ownUnknown?: Unknown;
}

export function descend(stack: Stack, layer: number, names: readonly string[]): Descent {
  const descent: Descent = { directory: comparedRoot(stack, layer) };
  for (const [at, name] of names.entries()) {
    const directory = descent.directory!;
    const { inside, own, unknown } = compare(stack, layer, directory, name, { openUnchanged: true, onlyLook: true });
    if (at > 0) closeCompared(directory);
    if (unknown !== undefined) descent.unknown ??= unknown;
    if (own.what === 'unknown') descent.ownUnknown ??= unknownOf(own.result!);
    delete descent.directory;
    if (inside === undefined) return descent;
    descent.directory = inside;
  }
  return descent;
}

/** The directory at a path; throws a `Failure` when it is not there, and another one when that is not known. Close it with `closeUnlessRoot`. */
export function directoryAt(stack: Stack, layer: number | 'merged', path: string, names: readonly string[]): Compared {
  const { directory, unknown, ownUnknown } = descend(stack, layer === 'merged' ? 0 : layer, names);
  if (directory !== undefined && (layer === 'merged' || directory.own !== undefined)) return directory;
  if (directory !== undefined) closeUnlessRoot(directory, names);
  throw missing(path, layer, layer === 'merged' ? unknown : ownUnknown);
}

export function closeUnlessRoot(directory: Compared, names: readonly string[]): void {
  if (names.length > 0) closeCompared(directory);
}
