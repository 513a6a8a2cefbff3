/**
 * Which container each process belongs to, and what is known of each container. The cgroup says it where an engine made
 * one (helper/proc/cgroupClaim.ts); where it says nothing, namespaces and descent do (unnamedContainers.ts).
 */
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import type { Container, NamespaceKind } from '../protocol.ts';
import { type ContainerGroup, keyOfClaim, leadsBefore } from './containerGroup.ts';
import { describeContainer } from './engines/description.ts';
import { freezerFiles, freezerState } from './freezer.ts';
import type { HostModel } from './hostModel.ts';
import { hasOwnNamespaces, ownNamespaces } from './hostNamespaces.ts';
import { placesOf } from './places.ts';
import { namespaceOf, namespacesByKind, type ProcessRecord, refOf } from './processRecord.ts';
import type { RelationTable } from './relations.ts';
import { unnamedGroups } from './unnamedContainers.ts';

const ownUser = ownNamespaces().user?.ino;

export class ContainerTable {
  private readonly model: HostModel;
  private readonly relations: RelationTable;
  private groupedAt = -1;
  private groups = new Map<string, ContainerGroup>();
  private keys = new Map<number, string>();

  constructor(model: HostModel, relations: RelationTable) {
    this.model = model;
    this.relations = relations;
  }

  /** `key` of the container that a process belongs to. */
  keyOf({ pid }: { pid: number }): string | undefined {
    this.group();
    return this.keys.get(pid);
  }

  list(): Container[] {
    this.group();
    return [...this.groups.values()].map((group) => this.describe(group));
  }

  /** Files that change when a container is paused or resumed. */
  freezerFiles(): string[] {
    const groups = [...this.group().values()].filter(({ claim }) => claim.engine !== 'systemd');
    return groups.flatMap(({ claim }) => freezerFiles(claim.cgroups)).map(({ path }) => path);
  }

  /** Groups anew when a process changed since the last time. */
  group(): ReadonlyMap<string, ContainerGroup> {
    if (this.groupedAt === this.model.containersRevision) return this.groups;
    this.groups = groupProcesses(this.model);
    const keys = new Map<number, string>();
    for (const { key, processes } of this.groups.values()) for (const { pid } of processes) keys.set(pid, key);
    this.touchMoved(keys);
    this.keys = keys;
    this.groupedAt = this.model.containersRevision;
    return this.groups;
  }

  /** A process whose container is another one now has changed, though nothing of itself did. */
  private touchMoved(keys: ReadonlyMap<number, string>): void {
    if (this.groupedAt === -1) return;
    for (const [pid, key] of keys) if (this.keys.get(pid) !== key) this.model.touch(pid);
    for (const pid of this.keys.keys()) if (!keys.has(pid)) this.model.touch(pid);
  }

  /** The user's own manager runs it, or the user made its user namespace. Root may make one too, and is not rootless. */
  private rootlessUid({ uid }: CgroupClaim, leader: ProcessRecord): number | undefined {
    const user = namespaceOf(leader, 'user');
    const indexed = typeof user === 'number' && user !== ownUser ? this.model.namespaces.get(user) : undefined;
    const owner = uid ?? (indexed && this.relations.lookUp('user', indexed.ino, placesOf(indexed), () => undefined).ownerUid);
    return typeof owner === 'number' && owner !== 0 ? owner : undefined;
  }

  private describe({ key, claim, leader, processes }: ContainerGroup): Container {
    const rootlessUid = this.rootlessUid(claim, leader);
    const { name, image, pod } = describeContainer(claim, leader, this.model);
    return {
      key,
      engine: claim.engine,
      id: claim.id,
      name,
      ...(image === undefined ? {} : { image }),
      state: freezerState(claim.cgroups),
      leader: refOf(leader),
      processCount: processes.length,
      ...(rootlessUid === undefined ? {} : { rootlessUid }),
      ...(pod === undefined ? {} : { pod }),
      cgroups: claim.cgroups.length > 0 ? claim.cgroups : leader.membership.cgroups,
      namespaces: namespacesByKind(leader.namespaces),
      isolated: hasOwnNamespaces(leader),
    };
  }
}

function groupProcesses(model: HostModel): Map<string, ContainerGroup> {
  const claimed = new Map<string, ContainerGroup>();
  const unclaimed: ProcessRecord[] = [];
  for (const record of model.processes) {
    const { claim } = record.membership;
    if (claim !== undefined) addTo(claimed, claim, record);
    else if (!record.kernelThread && hasOwnNamespaces(record)) unclaimed.push(record);
  }
  unclaimed.push(...takeSandboxesOutOfServices(claimed));
  for (const group of unnamedGroups(unclaimed, model)) {
    const known = claimed.get(group.key);
    if (known === undefined) claimed.set(group.key, group);
    // What waits for a sandbox with limits is not in its cgroup.
    else known.processes.push(...group.processes);
  }
  return claimed;
}

function addTo(groups: Map<string, ContainerGroup>, claim: CgroupClaim, record: ProcessRecord): void {
  const key = keyOfClaim(claim);
  const group = groups.get(key);
  if (group === undefined) {
    groups.set(key, { key, claim, leader: record, processes: [record] });
    return;
  }
  group.processes.push(record);
  if (!leadsBefore(record, group.leader)) return;
  group.leader = record;
  // A program that was put into one of its cgroups only says less.
  group.claim = claim;
}

/** What a service (a login manager, an editor's server) starts in namespaces of its own is not the service. */
function takeSandboxesOutOfServices(groups: Map<string, ContainerGroup>): ProcessRecord[] {
  const taken: ProcessRecord[] = [];
  for (const group of groups.values()) {
    if (group.claim.engine !== 'systemd') continue;
    const isSandbox = (record: ProcessRecord) => hasOwnNamespaces(record) && !sharesIsolation(record, group.leader);
    taken.push(...group.processes.filter(isSandbox));
    group.processes = group.processes.filter((record) => !isSandbox(record));
  }
  return taken;
}

const TELLING: NamespaceKind[] = ['user', 'mnt', 'pid', 'net'];

function sharesIsolation(one: ProcessRecord, other: ProcessRecord): boolean {
  return TELLING.every((kind) => namespaceOf(one, kind) === namespaceOf(other, kind));
}
