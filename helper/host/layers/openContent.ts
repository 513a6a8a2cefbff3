/** Opens regular files of layers, and finds their content where only the metadata was copied up. Nothing else is ever opened: that has effects of its own. */

import fs from 'node:fs';
import { openBelow, statusOf } from '../../kernel/directory.ts';
import { close, openAt } from '../../kernel/files.ts';
import { AT_FDCWD, EPERM, O_NOATIME, O_PATH } from '../../kernel/numbers.ts';
import { isRegular } from './marks.ts';
import type { Found, Stack } from './merged.ts';

const O_NOFOLLOW = fs.constants.O_NOFOLLOW;
const READ_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY;

/** A descriptor for reading of the regular file at `name`, or `-errno`; `irregular` for anything else. */
export function openRegular(directory: number, name: string): number | 'irregular' {
  const place = openBelow(directory, name, O_PATH | O_NOFOLLOW);
  if (place < 0) return place;
  try {
    return openPlace(place);
  } finally {
    close(place);
  }
}

/** What an `O_PATH` descriptor is of, for reading. */
export function openPlace(place: number): number | 'irregular' {
  const status = statusOf(place);
  if (typeof status === 'number') return status;
  if (!isRegular(status)) return 'irregular';
  // The descriptor is that very file: its name may mean something else by now.
  const path = `/proc/self/fd/${place}`;
  const descriptor = openAt(AT_FDCWD, path, READ_FLAGS | O_NOATIME);
  return descriptor === -EPERM ? openAt(AT_FDCWD, path, READ_FLAGS) : descriptor;
}

/** The content of what was looked up, which is a lower layer's when only the metadata was copied up. `-errno` or a word when there is none. */
export function openContent(stack: Stack, found: readonly Found[]): number | 'irregular' | 'elsewhere' {
  const last = found.filter(({ what }) => what === 'present').at(-1);
  if (last === undefined || last.part !== undefined) return 'irregular';
  if (!last.metacopy) return openFound(stack, last);
  for (const root of stack.dataRoots) {
    const path = last.redirect?.absolute ? last.redirect.names.join('/') : undefined;
    const descriptor = path === undefined || root.descriptor < 0 ? -1 : openRegular(root.descriptor, path);
    if (descriptor === 'irregular' || descriptor >= 0) return descriptor;
  }
  return 'elsewhere';
}

function openFound({ roots }: Stack, { layer, place, pathFromRoot }: Found): number | 'irregular' {
  if (pathFromRoot !== undefined) return openRegular(roots[layer]!.descriptor, pathFromRoot);
  return openRegular(place!.directory, place!.name);
}
