import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
/** What to do about a part of the host that this helper may not look at. */

/** Who is root already gains nothing by becoming it: then the helper runs in a container, or without the capability. */
export function rootHint(): Said {
  if (process.geteuid?.() !== 0) return said('restartHelperAsRoot');
  return said('runOutsideOfContainer');
}
