/**
 * Sandboxes, of this helper or of another of its user's: since one without limits has no cgroup of its own, they are looked for by the title of the
 * processes that keep them (helper/proc/sandboxTitle.ts). Anybody may call a process so: only what is noted to be such is one.
 */
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import { idInTitle, parseSandboxTitle, type SandboxTitle } from '../proc/sandboxTitle.ts';
import { leadsBefore } from './containerGroup.ts';
import type { HostModel } from './hostModel.ts';
import { MAX_ANCESTORS } from './namespaceHomes.ts';
import { type ProcessRecord, refOf } from './processRecord.ts';

/** The sandbox that `record` was started in by what keeps it. */
export function sandboxOf(record: ProcessRecord, model: HostModel): SandboxTitle | undefined {
  return sandboxKeptBy(model.process(record.parentPid), model);
}

/** What waits outside, one that waits there in the user namespace, the init: each started the next. */
const KEEPERS = 3;

/** The one that it keeps from within its user namespace. */
function sandboxKeptBy(record: ProcessRecord | undefined, model: HostModel): SandboxTitle | undefined {
  const title = parseSandboxTitle(record?.arguments);
  const name = title && nameOfKept(record, title.id, model);
  return title === undefined || name === undefined ? undefined : { id: title.id, name };
}

/** Whether it keeps a sandbox, from within its user namespace or from outside. */
export function isSandboxKeeper(record: ProcessRecord, model: HostModel): boolean {
  const id = idInTitle(record.arguments);
  return id !== undefined && nameOfKept(record, id, model) !== undefined;
}

/** Undefined unless the process, or the one that started it to help, is noted to keep the sandbox with this id. */
function nameOfKept(record: ProcessRecord | undefined, id: string, model: HostModel): string | undefined {
  let keeper = record;
  for (let count = 0; count < KEEPERS && keeper !== undefined && idInTitle(keeper.arguments) === id; count += 1) {
    const name = model.nameOfSandbox(id, refOf(keeper));
    if (name !== undefined) return name;
    keeper = model.process(keeper.parentPid);
  }
  return undefined;
}

/** Whether it was started by what keeps the sandbox with this id, however many came between. */
export function descendsFromSandbox(record: ProcessRecord, id: string, model: HostModel): boolean {
  let at: ProcessRecord | undefined = record;
  for (let depth = 0; at !== undefined && depth < MAX_ANCESTORS; depth += 1) {
    if (idInTitle(at.arguments) === id && model.nameOfSandbox(id, refOf(at)) !== undefined) return true;
    at = model.process(at.parentPid);
  }
  return false;
}

/**
 * Undefined when these processes are no sandbox. What waits outside for the sandbox's end is among them when the user namespace is new, or is
 * all of them when the others are in cgroups of their own; it leads only itself, for it sees the host's files.
 */
export function sandboxAmong(
  processes: readonly ProcessRecord[],
  model: HostModel,
): { claim: CgroupClaim; leader: ProcessRecord } | undefined {
  const inside = first(processes, (record) => sandboxOf(record, model) !== undefined);
  const leader = inside ?? first(processes, (record) => sandboxKeptBy(record, model) !== undefined);
  const keeper = inside === undefined ? leader : model.process(inside.parentPid);
  const title = sandboxKeptBy(keeper, model);
  if (leader === undefined || keeper === undefined || title === undefined) return undefined;
  return { claim: { engine: 'isoscope', ...title, ...(keeper.uid === 0 ? {} : { uid: keeper.uid }), cgroups: [] }, leader };
}

function first(records: readonly ProcessRecord[], which: (record: ProcessRecord) => boolean): ProcessRecord | undefined {
  let found: ProcessRecord | undefined;
  for (const record of records) if (which(record) && (found === undefined || leadsBefore(record, found))) found = record;
  return found;
}
