/** The paths of requests: their names, and what is said of one at which nothing is. */
import { Failure } from '../../failure.ts';
import { bytesOfText } from '../../proc/fileName.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';

/** The names of a path of the protocol, one character a byte; none for the root. Throws a `Failure`, which names the `field`, for what is no such path. */
export function namesOf(path: string, field = 'path'): string[] {
  const names = path.split('/').filter((name) => name !== '');
  return names.map((name) => {
    const bytes = name === '.' || name === '..' ? undefined : bytesOfText(name);
    if (bytes !== undefined) return bytes;
    throw new Failure('invalid', said('pathMustNameDirectories', JSON.stringify(path)), {
      path,
      field: [field],
      hint: said('sendPathAsGiven'),
    });
  });
}

/** A path for openat2(2), relative; `.` for the root. */
export function relativePath(names: readonly string[]): string {
  return names.length === 0 ? '.' : names.join('/');
}

export function notFound(path: string, where: Said): Failure {
  return new Failure('notFound', said('isNotThere', path, where), {
    path,
    hint: said('mayHaveBeenRemoved'),
  });
}

/** What is said of a path at which nothing was found, for certain or not. */
export function missing(path: string, layer: number | 'merged', unknown: Unknown | undefined): Failure {
  if (unknown === undefined) return notFound(path, whereOf(layer));
  return new Failure(unknown.unknown, said('mayBeThere', path, whereOf(layer)), {
    path,
    ...(unknown.errno === undefined ? {} : { errno: unknown.errno }),
    hint: unknown.unknown === 'permission' ? said('asRootHelperLooksEverywhere') : said('refreshView'),
  });
}

export function whereOf(layer: number | 'merged'): Said {
  return layer === 'merged' ? said('mergedView') : said('layer', layer);
}
