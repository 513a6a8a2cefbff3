/** Reading a small file below the root directory of a process, which the process may have made to do harm. */

import { duplicate } from '../kernel/files.ts';
import { O_PATH } from '../kernel/numbers.ts';
import { deviceOnTheWay } from '../reading/blockedCall.ts';
import { job } from '../reading/job.ts';
import { openInRoot } from '../reading/openInRoot.ts';
import { readers } from '../reading/readers.ts';

export const ReadFileInRoot = job<{ root: number; path: string; limit: number }, Uint8Array | undefined>('readFileInRoot');

/**
 * The first `limit` bytes of the regular file at `path` as seen from `root`; undefined when there is none that may be read. Rejects with a `Failure`, `busy`, when
 * its file system does not answer.
 */
export async function readFileInRoot(root: number, path: string, limit: number): Promise<Buffer | undefined> {
  const device = deviceOnTheWay(root, path);
  const content = await readers.ask(ReadFileInRoot, () => {
    const own = duplicate(root);
    return { params: { root: own, path, limit }, descriptors: [own], path, ...(device === undefined ? {} : { device }) };
  });
  return content && Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}

/** `path` as seen from `root`, opened with `O_PATH`; undefined when there is none, or no answer. */
export function findInRoot(root: number, path: string): Promise<number | undefined> {
  return openInRoot(root, path, O_PATH).catch(() => undefined);
}
