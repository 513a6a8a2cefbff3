/** Containers that a low-level runtime runs by itself, without an engine: runc(8), crun(1). They keep a folder of state each. */
import path from 'node:path';
import * as v from 'valibot';
import { jsonOf, parsedFile } from './boundedFile.ts';
import { directoriesIn } from './containerd.ts';

const RuncState = v.object({ init_process_pid: v.number() });
const CrunStatus = v.object({ pid: v.number() });

/** The ids that their users gave them, by the pid of their first process: root's, or those of `uid`, who runs them rootless. */
export function runtimeContainers(uid: number): Map<number, string> {
  const containers = new Map<number, string>();
  const add = (folder: string, file: string, pidOf: (text: string) => number | undefined) => {
    for (const id of directoriesIn(folder)) {
      const pid = parsedFile(path.join(folder, id, file), pidOf);
      if (pid !== undefined) containers.set(pid, id);
    }
  };
  const run = uid === 0 ? '/run' : `/run/user/${uid}`;
  add(`${run}/runc`, 'state.json', parseRuncState);
  add(`${run}/crun`, 'status', parseCrunStatus);
  return containers;
}

export function parseRuncState(text: string): number | undefined {
  const state = v.safeParse(RuncState, jsonOf(text));
  return state.success ? state.output.init_process_pid : undefined;
}

export function parseCrunStatus(text: string): number | undefined {
  const status = v.safeParse(CrunStatus, jsonOf(text));
  return status.success ? status.output.pid : undefined;
}
