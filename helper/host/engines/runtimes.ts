/** Containers that a low-level runtime runs by itself, without an engine: runc(8), crun(1). They keep a folder of state each. */
import path from 'node:path';
import * as v from 'valibot';
import { jsonOf } from '../../proc/json.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import { parsedFile } from './boundedFile.ts';
import { directoriesIn } from './containerd.ts';

const RuncState = v.object({
  init_process_pid: v.number(),
  init_process_start: v.optional(v.number()),
  config: v.optional(v.object({ labels: v.nullish(v.array(v.string())) })),
});
const CrunStatus = v.object({
  pid: v.number(),
  'process-start-time': v.optional(v.number()),
  bundle: v.optional(v.string()),
});

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

/** The folder with the config.json of the container whose first process this is, and the runtime that root ran it with. */
export function runtimeBundle(process: ProcessRef): { by: 'runc' | 'crun'; folder: string } | undefined {
  for (const [by, file, parse] of BUNDLES) {
    for (const id of directoriesIn(`/run/${by}`)) {
      const folder = parsedFile(path.join('/run', by, id, file), (text) => parse(text), 'bundle');
      if (folder?.pid === process.pid && folder.startTime === process.startTime) return { by, folder: folder.path };
    }
  }
  return undefined;
}

interface BundleOfProcess extends ProcessRef {
  path: string;
}

const BUNDLES = [
  ['runc', 'state.json', parseRuncBundle],
  ['crun', 'status', parseCrunBundle],
] as const;

/** runc notes the bundle among its labels (libcontainer/specconv). */
export function parseRuncBundle(text: string): BundleOfProcess | undefined {
  const state = v.safeParse(RuncState, jsonOf(text));
  const { init_process_pid: pid, init_process_start: startTime, config } = state.success ? state.output : {};
  const label = config?.labels?.find((one) => one.startsWith('bundle='));
  if (pid === undefined || startTime === undefined || label === undefined) return undefined;
  return { pid, startTime, path: label.slice('bundle='.length) };
}

export function parseCrunBundle(text: string): BundleOfProcess | undefined {
  const status = v.safeParse(CrunStatus, jsonOf(text));
  const { pid, 'process-start-time': startTime, bundle } = status.success ? status.output : {};
  if (pid === undefined || startTime === undefined || bundle === undefined) return undefined;
  return { pid, startTime, path: bundle };
}
