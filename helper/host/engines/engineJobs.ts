/** What a reader thread is asked about engines' files: their storage may be anywhere. */
import type { ProcessRef } from '../../protocol/processes.ts';
import { job } from '../../reading/job.ts';
import { readers } from '../../reading/readers.ts';
import type { Daemon } from './daemons.ts';
import type { Claimed, Told } from './description.ts';

/** Names that are known by the pid of a container's first process. */
export interface NamesByPid {
  /** Of containerd. */
  tasks: ReadonlyMap<number, string>;
  /** Of low-level runtimes, by the uid of who runs them. */
  runtimes: ReadonlyMap<number, ReadonlyMap<number, string>>;
}

/** Tells each directory before it is looked into. */
export const DescribeContainers = job<{ containers: readonly Claimed[]; daemons: readonly Daemon[] }, Told[], string>(
  'describeContainers',
);
export const NameByPid = job<{ uids: readonly number[]; daemons: readonly Daemon[] }, NamesByPid>('nameByPid');

export const OpenRuntimeBundle = job<{ process: ProcessRef }, { by: string } | undefined>('openRuntimeBundle');

/** The folder with the config.json of the container whose first process this is, held (`O_PATH`), and the runtime that root ran it with. */
export async function openRuntimeBundle(process: ProcessRef): Promise<{ by: string; descriptor: number } | undefined> {
  let opened: number | undefined;
  const take = ([descriptor]: readonly number[]) => {
    opened = descriptor;
  };
  const found = await readers.ask(OpenRuntimeBundle, () => ({ params: { process } }), { take });
  return found === undefined || opened === undefined ? undefined : { by: found.by, descriptor: opened };
}
