/** How a fact that could not be read of a living process is told. */
import { reasonOf } from '../failure.ts';
import { errnoName } from '../kernel/libc.ts';
import type { Unknown } from '../protocol/errors.ts';

/** `result` is the `-errno` of helper/kernel/files. Without the file (a kernel thread has no program) it is `notFound`. */
export function unreadable(result: number): Unknown {
  const errno = errnoName(-result);
  return { unknown: reasonOf(errno), errno };
}
