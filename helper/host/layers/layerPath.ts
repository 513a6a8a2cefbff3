/** The paths of requests: their names, and what is said of one at which nothing is. */
import { Failure } from '../../failure.ts';
import { bytesOfText } from '../../proc/fileName.ts';
import type { Unknown } from '../../protocol/errors.ts';

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
