/** The paths of requests: their names, and the way down to them in a layer or in the merged view. */
import { Failure } from '../../failure.ts';
import { bytesOfText } from '../../proc/fileName.ts';
import type { Unknown } from '../../protocol.ts';
import { type Compared, closeCompared, compare, comparedRoot } from './compared.ts';
import { unknownOf } from './directory.ts';
import type { Stack } from './merged.ts';

/** The names of a path of the protocol, one character a byte; none for the root. Throws a `Failure`, which names the `field`, for what is no such path. */
export function namesOf(path: string, field = 'path'): string[] {
  const names = path.split('/').filter((name) => name !== '');
  return names.map((name) => {
    const bytes = name === '.' || name === '..' ? undefined : bytesOfText(name);
    if (bytes !== undefined) return bytes;
    throw new Failure(
      'invalid',
      `The path ${JSON.stringify(path)} cannot be looked up: it must name each directory on the way.`,
      {
        path,
        field: [field],
        hint: 'Send a path as layers/readDirectory gives it: no "." and "..", and bytes that are not UTF-8 as U+DC80 to U+DCFF.',
      },
    );
  });
}

/** A path for openat2(2), relative; `.` for the root. */
export function relativePath(names: readonly string[]): string {
  return names.length === 0 ? '.' : names.join('/');
}

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

export function notFound(path: string, where: string): Failure {
  return new Failure('notFound', `${path} is not there in ${where}.`, {
    path,
    hint: 'Refresh the view: it may have been removed meanwhile. Symbolic links on the way are not followed.',
  });
}

/** What is said of a path at which nothing was found, for certain or not. */
export function missing(path: string, layer: number | 'merged', unknown: Unknown | undefined): Failure {
  if (unknown === undefined) return notFound(path, whereOf(layer));
  return new Failure(unknown.unknown, `Whether ${path} is there in ${whereOf(layer)} cannot be known.`, {
    path,
    ...(unknown.errno === undefined ? {} : { errno: unknown.errno }),
    hint: unknown.unknown === 'permission' ? 'As root, the helper may look into every layer.' : 'Refresh the view.',
  });
}

export function whereOf(layer: number | 'merged'): string {
  return layer === 'merged' ? 'the merged view' : `layer ${layer}`;
}
