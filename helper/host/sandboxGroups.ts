/**
 * Sandboxes, of this helper or of another: told by the title of the processes that keep them (helper/proc/sandboxTitle.ts), since one
 * without limits has no cgroup of its own.
 */
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import { KEEPER, parseSandboxTitle, type SandboxTitle } from '../proc/sandboxTitle.ts';
import { leadsBefore } from './containerGroup.ts';
import type { HostModel } from './hostModel.ts';
import type { ProcessRecord } from './processRecord.ts';

/** The sandbox that `record` was started in by what keeps it. */
export function sandboxOf(record: ProcessRecord, model: HostModel): SandboxTitle | undefined {
  return parseSandboxTitle(model.process(record.parentPid)?.arguments);
}

/** Whether it keeps a sandbox, from within its user namespace or from outside. */
export function isSandboxKeeper({ arguments: words }: ProcessRecord): boolean {
  return Array.isArray(words) && words.length === 3 && (words[0] === KEEPER || parseSandboxTitle(words) !== undefined);
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
  const leader = inside ?? first(processes, (record) => parseSandboxTitle(record.arguments) !== undefined);
  const keeper = inside === undefined ? leader : model.process(inside.parentPid);
  const title = parseSandboxTitle(keeper?.arguments);
  if (leader === undefined || keeper === undefined || title === undefined) return undefined;
  // Whose it is belongs to the key: anybody can call a process so.
  return { claim: { engine: 'isoscope', ...title, ...(keeper.uid === 0 ? {} : { uid: keeper.uid }), cgroups: [] }, leader };
}

function first(records: readonly ProcessRecord[], which: (record: ProcessRecord) => boolean): ProcessRecord | undefined {
  let found: ProcessRecord | undefined;
  for (const record of records) if (which(record) && (found === undefined || leadsBefore(record, found))) found = record;
  return found;
}
