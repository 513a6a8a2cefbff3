/** The containers of this host and what is known of each: found by grouping.ts, named by the engines' files. */
import type { CgroupPath } from '../proc/cgroup.ts';
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import type { Container } from '../protocol/containers.ts';
import type { ContainerGroup } from './containerGroup.ts';
import { ContainerNames } from './containerNames.ts';
import { freezerFiles, freezerState } from './freezer.ts';
import { type Entered, type Grouping, groupProcesses } from './grouping.ts';
import type { HostModel } from './hostModel.ts';
import { hasOwnNamespaces, ownNamespaces } from './hostNamespaces.ts';
import { placesOf } from './places.ts';
import { namespaceOf, namespacesByKind, type ProcessRecord, refOf } from './processRecord.ts';
import type { RelationTable } from './relations.ts';

const ownUser = ownNamespaces().user?.ino;

export class ContainerTable {
  private readonly model: HostModel;
  private readonly relations: RelationTable;
  private readonly names: ContainerNames;
  private groupedAt = -1;
  private namedAt = -1;
  private settledAt = -1;
  private grouping: Grouping | undefined;

  constructor(model: HostModel, relations: RelationTable) {
    this.model = model;
    this.relations = relations;
    this.names = new ContainerNames(model);
  }

  /** Reads what names containers that no cgroup names: to be awaited after the host was read, and before anything of it is told. */
  async settle(): Promise<void> {
    this.group();
    const { containersRevision } = this.model;
    if (this.settledAt === containersRevision) return;
    if (await this.names.readByPid()) this.settledAt = containersRevision;
    this.group();
  }

  /** `key` of the container that a process belongs to. */
  keyOf({ pid }: { pid: number }): string | undefined {
    return this.group().keys.get(pid);
  }

  /** Whether, and by whom, a process was brought into its container from outside; undefined when it was started there. */
  enteredBy({ pid }: { pid: number }): Entered | undefined {
    return this.group().entered.get(pid);
  }

  /** `key` of the container that made the namespace with this number; undefined when none did, or nobody of it is in it any more. */
  makerOf(ino: number): string | undefined {
    const { homes, keys } = this.group();
    const home = homes.of(ino);
    return home && keys.get(home.pid);
  }

  /** With their names as the engines' files have them now. */
  async list(): Promise<Container[]> {
    await this.settle();
    await this.names.read([...this.group().groups.values()]);
    return this.listKnown();
  }

  /** With names that are new, or of a moment ago: for what is not about the containers themselves. */
  async listNamed(): Promise<Container[]> {
    await this.settle();
    await this.names.readUnlessKnown([...this.group().groups.values()]);
    return this.listKnown();
  }

  private listKnown(): Container[] {
    return [...this.group().groups.values()].map((group) => this.describe(group));
  }

  /** Files that change when a container is paused or resumed. */
  freezerFiles(): string[] {
    const groups = [...this.group().groups.values()].filter(({ claim }) => claim.engine !== 'systemd');
    return groups.flatMap((group) => freezerFiles(cgroupsOf(group)));
  }

  /** Groups anew when a process changed since the last time. */
  group(): Grouping {
    const { containersRevision } = this.model;
    const isCurrent = this.groupedAt === containersRevision && this.namedAt === this.names.revision;
    if (this.grouping !== undefined && isCurrent) return this.grouping;
    const before = this.grouping;
    this.grouping = groupProcesses(this.model, this.names);
    if (before !== undefined) this.touchMoved(before, this.grouping);
    this.groupedAt = containersRevision;
    this.namedAt = this.names.revision;
    return this.grouping;
  }

  /** A process whose container is another one now, or that is in it in another way, has changed, though nothing of itself did. */
  private touchMoved(before: Grouping, after: Grouping): void {
    const maps = [
      [before.keys, after.keys],
      [before.entered, after.entered],
    ] as const;
    for (const [old, now] of maps) {
      for (const [pid, value] of now) if (old.get(pid) !== value) this.model.touch(pid);
      for (const pid of old.keys()) if (!now.has(pid)) this.model.touch(pid);
    }
  }

  /** The user's own manager runs it, or the user made its user namespace. Root may make one too, and is not rootless. */
  private rootlessUid({ uid }: CgroupClaim, leader: ProcessRecord): number | undefined {
    const user = namespaceOf(leader, 'user');
    const indexed = typeof user === 'number' && user !== ownUser ? this.model.namespaces.get(user) : undefined;
    const owner = uid ?? (indexed && this.relations.lookUp('user', indexed.ino, placesOf(indexed), () => undefined).ownerUid);
    return typeof owner === 'number' && owner !== 0 ? owner : undefined;
  }

  private describe(group: ContainerGroup): Container {
    const { key, claim, leader, processes, outer } = group;
    const rootlessUid = this.rootlessUid(claim, leader);
    const { engine, name, image, pod, unanswered } = this.names.describe(group);
    return {
      key,
      engine,
      id: claim.id,
      name,
      ...(image === undefined ? {} : { image }),
      ...(unanswered === undefined ? {} : { unanswered }),
      state: freezerState(cgroupsOf(group)),
      leader: refOf(leader),
      processCount: processes.length,
      ...(rootlessUid === undefined ? {} : { rootlessUid }),
      ...(pod === undefined ? {} : { pod }),
      ...(outer === undefined ? {} : { outer }),
      cgroups: claim.cgroups.length > 0 ? claim.cgroups : leader.membership.cgroups,
      namespaces: namespacesByKind(leader.namespaces),
      isolated: hasOwnNamespaces(leader),
    };
  }
}

/** Its own cgroup in each hierarchy; where it has none, the one that it is in, which may be frozen as well. */
function cgroupsOf({ claim, leader }: ContainerGroup): CgroupPath[] {
  return leader.membership.cgroups.map(
    (cgroup) => claim.cgroups.find(({ hierarchy }) => hierarchy === cgroup.hierarchy) ?? cgroup,
  );
}
