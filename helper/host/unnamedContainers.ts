/**
 * Names of containers that no cgroup names: sandboxes without limits, machines of systemd-nspawn in a cgroup of somebody else, what containerd
 * and low-level runtimes run under names of their own. Namespaces and parents found them; only their names are from files and arguments.
 */
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import { type ContainerGroup, keyOfClaim } from './containerGroup.ts';
import type { ContainerNames } from './containerNames.ts';
import { machineOfSupervisor } from './engines/nspawnSupervisor.ts';
import type { HostModel } from './hostModel.ts';
import type { ProcessRecord } from './processRecord.ts';
import { sandboxAmong } from './sandboxGroups.ts';

/** What files say, as it was last read; nothing where nobody reads it. */
export type NamesOfFiles = Pick<ContainerNames, 'task' | 'inRuntime'>;

export class UnclaimedNames {
  private readonly model: HostModel;
  private readonly names: NamesOfFiles | undefined;

  constructor(model: HostModel, names: NamesOfFiles | undefined) {
    this.model = model;
    this.names = names;
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
    const supervisor = this.model.process(leader.parentPid);
    const machine = machineOfSupervisor(supervisor);
    if (machine !== undefined) return { engine: 'systemd-nspawn', id: machine, cgroups: [] };
    const { cgroups } = leader.membership;
    const task = this.names?.task(leader.pid);
    if (task !== undefined) return { engine: 'containerd', id: task, cgroups };
    const id = `${leader.pid}-${leader.startTime}`;
    const name = this.nameInRuntime(leader, supervisor);
    if (name === undefined) return { engine: 'unnamed', id, cgroups: [] };
    // Rootless podman without a cgroup of the container's own (`--cgroups=disabled`, or no systemd): its runtime knows the id.
    const isPodmans = supervisor?.name === 'conmon' && /^[0-9a-f]{64}$/.test(name);
    if (isPodmans) return { engine: 'podman', id: name, ...(supervisor.uid === 0 ? {} : { uid: supervisor.uid }), cgroups: [] };
    return { engine: 'unnamed', id, name, cgroups };
  }

  /** Of root's own, and of who supervises it: no other user's files are asked, who could name what is not theirs. */
  private nameInRuntime({ pid }: ProcessRecord, supervisor: ProcessRecord | undefined): string | undefined {
    for (const uid of new Set([0, supervisor?.uid ?? 0])) {
      const name = this.names?.inRuntime(pid, uid);
      if (name !== undefined) return name;
    }
    return undefined;
  }
}
