/**
 * Processes with namespaces of their own that no cgroup names: bubblewrap, unshare, browsers' sandboxes, and containers of
 * engines that were told not to make a cgroup, and sandboxes without limits. Those with the same namespaces are one; what one of them started is its own.
 */
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import { type ContainerGroup, keyOfClaim, leadsBefore } from './containerGroup.ts';
import { containerdTasks } from './engines/containerd.ts';
import { machineOfSupervisor } from './engines/nspawn.ts';
import { runtimeContainers } from './engines/runtimes.ts';
import type { HostModel } from './hostModel.ts';
import type { ProcessRecord } from './processRecord.ts';
import { sandboxAmong } from './sandboxGroups.ts';

export function unnamedGroups(records: readonly ProcessRecord[], model: HostModel): ContainerGroup[] {
  const byNamespaces = groupByNamespaces(records);
  const groups = new Map<ProcessRecord, ProcessRecord[]>();
  for (const group of byNamespaces.values()) {
    const root = outermost(group, byNamespaces, model);
    groups.set(root, [...(groups.get(root) ?? []), ...group.processes]);
  }
  const runtimes: Runtimes = { tasks: containerdTasks(), containers: runtimeContainers() };
  return [...groups.values()].map((processes) => describe(processes, model, runtimes));
}

/** Containers whose cgroups do not tell, by the pid of their first process. */
interface Runtimes {
  tasks: ReadonlyMap<number, string>;
  containers: ReadonlyMap<number, string>;
}

interface SameNamespaces {
  leader: ProcessRecord;
  processes: ProcessRecord[];
}

function groupByNamespaces(records: readonly ProcessRecord[]): Map<string, SameNamespaces> {
  const groups = new Map<string, SameNamespaces>();
  for (const record of records) {
    const key = namespacesKey(record);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, { leader: record, processes: [record] });
      continue;
    }
    group.processes.push(record);
    if (leadsBefore(record, group.leader)) group.leader = record;
  }
  return groups;
}

function namespacesKey({ namespaces }: ProcessRecord): string {
  return namespaces.join();
}

/** Follows the leader's parent as long as that is in such a group itself. */
function outermost(group: SameNamespaces, groups: ReadonlyMap<string, SameNamespaces>, model: HostModel): ProcessRecord {
  let current = group;
  // A chain of parents is finite, but one read while processes are reparented might seem not to be.
  for (let depth = 0; depth < 64; depth += 1) {
    const parent = model.process(current.leader.parentPid);
    const above = parent === undefined ? undefined : groups.get(namespacesKey(parent));
    if (above === undefined || above === current || !above.processes.includes(parent!)) break;
    current = above;
  }
  return current.leader;
}

function describe(processes: ProcessRecord[], model: HostModel, runtimes: Runtimes): ContainerGroup {
  const sandbox = sandboxAmong(processes, model);
  if (sandbox !== undefined) return { key: keyOfClaim(sandbox.claim), ...sandbox, processes };
  const leader = processes.reduce((first, record) => (leadsBefore(record, first) ? record : first));
  const claim = claimOf(leader, model, runtimes);
  return { key: keyOfClaim(claim), claim, leader, processes };
}

function claimOf(leader: ProcessRecord, model: HostModel, { tasks, containers }: Runtimes): CgroupClaim {
  const machine = machineOfSupervisor(model.process(leader.parentPid));
  if (machine !== undefined) return { engine: 'systemd-nspawn', id: machine, cgroups: [] };
  const { cgroups } = leader.membership;
  const task = tasks.get(leader.pid);
  if (task !== undefined) return { engine: 'containerd', id: task, cgroups };
  const name = containers.get(leader.pid);
  const id = `${leader.pid}-${leader.startTime}`;
  return name === undefined ? { engine: 'unnamed', id, cgroups: [] } : { engine: 'unnamed', id, name, cgroups };
}
