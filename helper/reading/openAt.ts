/**
 * Opening what a link of `/proc/PID` leads to, or what else lies on a file system that may not answer: some (NFS, 9p) are asked even when a
 * directory is only held (`O_PATH`).
 */
import { duplicate, openAt } from '../kernel/files.ts';
import type { JobTable } from './answering.ts';
import { job } from './job.ts';
import { readers } from './readers.ts';

const OpenAt = job<{ directory: number; path: string; flags: number }, { errno?: number }>('openAt');

/** As `openAt`: a descriptor (close-on-exec), or `-errno`. Rejects with a `Failure`, `busy`, when its file system does not answer. */
export async function openAtSlowly(directory: number, path: string, flags: number): Promise<number> {
  let opened = 0;
  const prepare = () => {
    const own = directory < 0 ? directory : duplicate(directory);
    const paths = path.startsWith('/') ? { paths: [path] } : {};
    return { params: { directory: own, path, flags }, ...(own < 0 ? {} : { descriptors: [own] }), ...paths };
  };
  const take = ([descriptor = 0]: readonly number[]) => {
    opened = descriptor;
  };
  const { errno } = await readers.ask(OpenAt, prepare, { take });
  return errno === undefined ? opened : -errno;
}

export function answerOpenAt(jobs: JobTable): void {
  jobs.on(OpenAt, ({ directory, path, flags }, { give }) => {
    const opened = openAt(directory, path, flags);
    if (opened < 0) return { errno: -opened };
    give(opened);
    return {};
  });
}
