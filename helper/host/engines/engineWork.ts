/** Reads engines' files, on a reader thread: engineJobs.ts asks for it. */

import { O_DIRECTORY, openAt } from '../../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../../kernel/numbers.ts';
import type { JobTable } from '../../reading/answering.ts';
import { containerdTasks } from './containerd.ts';
import { describeClaimed } from './description.ts';
import { DescribeContainers, NameByPid, OpenRuntimeBundle } from './engineJobs.ts';
import { runtimeBundle, runtimeContainers } from './runtimes.ts';

export function answerEngines(jobs: JobTable): void {
  jobs.on(DescribeContainers, ({ containers, daemons }, context) => {
    const told = new Set<string>();
    const tell = (directory: string) => {
      const refusal = context.whyDeaf(directory);
      if (refusal !== undefined) throw refusal;
      if (!told.has(directory)) context.tell(directory);
      told.add(directory);
    };
    return containers.map((claimed) => describeClaimed(claimed, { daemons, tell }));
  });
  jobs.on(OpenRuntimeBundle, ({ process }, { give }) => {
    const found = runtimeBundle(process);
    const descriptor = found === undefined ? -1 : openAt(AT_FDCWD, found.folder, O_PATH | O_DIRECTORY);
    if (found === undefined || descriptor < 0) return undefined;
    give(descriptor);
    return { by: found.by };
  });
  jobs.on(NameByPid, ({ uids, daemons }) => ({
    tasks: containerdTasks(daemons),
    runtimes: new Map(uids.map((uid) => [uid, runtimeContainers(uid)])),
  }));
}
