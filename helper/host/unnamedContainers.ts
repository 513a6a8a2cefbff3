/**
 * Names of containers that no cgroup names: sandboxes without limits, machines of systemd-nspawn in a cgroup of somebody else, what containerd
 * and low-level runtimes run under names of their own. Namespaces and parents found them; only their names are from files and arguments.
 */
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import { type ContainerGroup, keyOfClaim } from './containerGroup.ts';
import { containerdTasks } from './engines/containerd.ts';
import { machineOfSupervisor } from './engines/nspawn.ts';
import { runtimeContainers } from './engines/runtimes.ts';
import type { HostModel } from './hostModel.ts';
import type { ProcessRecord } from './processRecord.ts';
import { sandboxAmong } from './sandboxGroups.ts';

/** Read once for all containers of one moment, when the first asks. */
export class UnclaimedNames {
  private readonly model: HostModel;
  private runtimes: { tasks: ReadonlyMap<number, string>; containers: ReadonlyMap<number, string> } | undefined;

  constructor(model: HostModel) {
    this.model = model;
  }

  /** The container of these processes; `claim` is what its cgroup says. */
  describe(processes: ProcessRecord[], leader: ProcessRecord, claim: CgroupClaim | undefined): ContainerGroup {
    if (claim !== undefined) {
      const own = leader.membership.claim;
      // A program that was put into one of its cgroups only says less.
      const fullest = own !== undefined && keyOfClaim(own) === keyOfClaim(claim) ? own : claim;
      return { key: keyOfClaim(claim), claim: fullest, leader, processes };
    }
    const sandbox = sandboxAmong(processes, this.model);
    if (sandbox !== undefined) return { key: keyOfClaim(sandbox.claim), ...sandbox, processes };
    const named = this.claimOf(leader);
    return { key: keyOfClaim(named), claim: named, leader, processes };
  }

  private claimOf(leader: ProcessRecord): CgroupClaim {
    const machine = machineOfSupervisor(this.model.process(leader.parentPid));
    if (machine !== undefined) return { engine: 'systemd-nspawn', id: machine, cgroups: [] };
    this.runtimes ??= { tasks: containerdTasks(), containers: runtimeContainers() };
    const { cgroups } = leader.membership;
    const task = this.runtimes.tasks.get(leader.pid);
    if (task !== undefined) return { engine: 'containerd', id: task, cgroups };
    const name = this.runtimes.containers.get(leader.pid);
    const id = `${leader.pid}-${leader.startTime}`;
    return name === undefined ? { engine: 'unnamed', id, cgroups: [] } : { engine: 'unnamed', id, name, cgroups };
  }
}
