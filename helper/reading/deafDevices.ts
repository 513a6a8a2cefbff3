/** File systems that are known not to answer, and the refusal to ask them. */

import { Failure } from '../failure.ts';
import { close, openAt } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import { deviceBehindLinks } from './blockedCall.ts';

export interface DeafDevice {
  /** Its number; undefined where the kernel does not tell. */
  device: string | undefined;
  /** For people: which one it is, and what it was asked for. */
  words: Said;
}

export function unanswered(words: Said, path?: string): Failure {
  return new Failure('busy', words, {
    ...(path === undefined ? {} : { path }),
    hint: said('itIsLeftAlone'),
  });
}

/** Why nobody should ask for one of these absolute paths of the helper's own root; undefined when no `deaf` file system answers for them. */
export function whyDeafOnTheWay(paths: readonly string[], deaf: readonly DeafDevice[]): Failure | undefined {
  if (deaf.length === 0 || paths.length === 0) return undefined;
  const root = openAt(AT_FDCWD, '/', O_PATH);
  if (root < 0) return undefined;
  try {
    for (const path of paths) {
      const device = deviceBehindLinks(root, path);
      const found = device === undefined ? undefined : deaf.find((one) => one.device === device);
      if (found !== undefined) return unanswered(found.words);
    }
    return undefined;
  } finally {
    close(root);
  }
}
