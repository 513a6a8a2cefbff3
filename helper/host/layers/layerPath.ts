/** The paths of requests: their names, and the way down to them in a layer or in the merged view. */
import { Failure } from '../../failure.ts';
import { bytesOfText } from '../../proc/fileName.ts';
import { type Compared, closeCompared, compare, comparedRoot } from './compared.ts';
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

/**
 * The directory that `names` lead to, beside what is below the layer; close it with `closeUnlessRoot`. Undefined when there is no such
 * directory in the layer, nor in what is merged with it.
 */
export function descend(stack: Stack, layer: number, names: readonly string[]): Compared | undefined {
  let directory = comparedRoot(stack, layer);
  for (const [at, name] of names.entries()) {
    const { inside } = compare(stack, layer, directory, name, { openUnchanged: true });
    if (at > 0) closeCompared(directory);
    if (inside === undefined) return undefined;
    directory = inside;
  }
  return directory;
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

export function whereOf(layer: number | 'merged'): string {
  return layer === 'merged' ? 'the merged view' : `layer ${layer}`;
}
