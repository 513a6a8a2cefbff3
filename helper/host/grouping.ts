/**
 * Which processes are one container. Three facts of the kernel decide: the cgroup, where an engine or a unit named one (helper/proc/cgroupClaim.ts);
 * who made the namespaces that a process is in; and who started it.
 *
 * - The processes of a cgroup that an engine made are one container, with what supervises it from outside when that is in the same cgroup.
 * - Who has namespaces of its own that no engine's cgroup tells of makes a container (bubblewrap, unshare, a browser's sandbox); what it starts
 *   belongs to it, further namespaces or not. So do services of the host that isolate what they start.
 * - Who gets other files and other pids than the process that started it, or other names and IPC, begins a container in a container.
 * - Who only joined what others made belongs to those: docker exec, nsenter(1), terminals of Isoscope.
 */
import { append } from '../lists.ts';
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import { type ContainerGroup, keyOfClaim, leadsBefore } from './containerGroup.ts';
import type { HostModel } from './hostModel.ts';
import { hasOwnNamespaces, hostInos, isOwn } from './hostNamespaces.ts';
import { isInside, MAX_ANCESTORS, NamespaceHomes, PLACES } from './namespaceHomes.ts';
import { KIND_INDEX, namespaceOf, type ProcessRecord } from './processRecord.ts';
import { descendsFromSandbox, isSandboxKeeper } from './sandboxGroups.ts';
import { type NamesOfFiles, UnclaimedNames } from './unnamedContainers.ts';

/** A container, while its processes are gathered. */
interface Draft {
  /** Absent for one that only its namespaces tell of. */
  claim?: CgroupClaim;
  processes: ProcessRecord[];
  /** With which one that no cgroup names began, and in which one it did. */
  first?: ProcessRecord;
  above?: Draft | undefined;
}

/** From where a process came that was not started in its container, though it is in it. */
export type Entered = 'isoscope' | 'other';

export interface Grouping {
  groups: Map<string, ContainerGroup>;
  /** By pid. */
  keys: Map<number, string>;
  /** By pid; also of processes of the helper that are in no container. */
  entered: Map<number, Entered>;
  homes: NamespaceHomes;
}

export function groupProcesses(model: HostModel, names?: NamesOfFiles): Grouping {
  return new Grouper(model, names).group();
}

/**
 * A process's parent usually comes before it in the list, so that it is known already. Where pids began anew a container could have a chain that is as
 * long as the stack: what is so far down stands for itself.
 */
const MAX_DEPTH = 300;

class Grouper {
  private readonly model: HostModel;
  private readonly homes: NamespaceHomes;
  private readonly claimed = new Map<string, Draft>();
  /** The first process of each service. */
  private readonly services = new Map<string, ProcessRecord>();
  private readonly drafts = new Map<number, Draft | undefined>();
  private readonly begun: Draft[] = [];
  private readonly entered = new Map<number, Entered>();
  private depth = 0;
  private readonly names: NamesOfFiles | undefined;

  constructor(model: HostModel, names: NamesOfFiles | undefined) {
    this.model = model;
    this.names = names;
    this.homes = new NamespaceHomes(model.namespaces);
  }

  group(): Grouping {
    for (const record of this.model.processes) this.noteService(record);
    for (const record of this.model.processes) {
      // Most processes of a host, looked at no further.
      if (record.membership.claim === undefined && !hasOwnNamespaces(record)) continue;
      this.draftOf(record)?.processes.push(record);
    }
    const names = new UnclaimedNames(this.model, this.names);
    const finished = new Map<Draft, ContainerGroup>();
    const groups = new Map<string, ContainerGroup>();
    for (const draft of [...this.claimed.values(), ...this.begun]) {
      if (draft.processes.length === 0) continue;
      const leader = this.leaderOf(draft);
      const group = addTo(groups, names.describe(draft.processes, leader, draft.claim));
      finished.set(draft, group);
    }
    const keys = new Map<number, string>();
    for (const { key, processes } of groups.values()) for (const { pid } of processes) keys.set(pid, key);
    for (const [draft, group] of finished) this.setOuter(draft, group, finished);
    return { groups, keys, entered: this.entered, homes: this.homes };
  }

  private noteService(record: ProcessRecord): void {
    const { claim } = record.membership;
    if (claim?.engine !== 'systemd') return;
    const key = keyOfClaim(claim);
    const first = this.services.get(key);
    if (first === undefined || leadsBefore(record, first)) this.services.set(key, record);
  }

  private draftOf(record: ProcessRecord): Draft | undefined {
    if (this.drafts.has(record.pid)) return this.drafts.get(record.pid);
    if (this.depth === MAX_DEPTH) return undefined;
    // What is read while processes are reparented may seem to be a circle, which ends here.
    this.drafts.set(record.pid, undefined);
    this.depth += 1;
    const draft = this.find(record);
    this.depth -= 1;
    this.drafts.set(record.pid, draft);
    return draft;
  }

  /** Anybody to whom cgroups are delegated may call one as those of sandboxes are called: only what a sandbox started is claimed by it. */
  private claimOf(record: ProcessRecord): CgroupClaim | undefined {
    const { claim } = record.membership;
    return claim?.engine === 'isoscope' && !descendsFromSandbox(record, claim.id, this.model) ? undefined : claim;
  }

  private find(record: ProcessRecord): Draft | undefined {
    const claim = this.claimOf(record);
    if (claim !== undefined && claim.engine !== 'systemd') return this.withinClaim(record, claim);
    if (record.kernelThread) return undefined;
    const service = claim && this.services.get(keyOfClaim(claim));
    // What a service (a login manager, an editor's server) starts in namespaces of its own is not the service.
    if (claim !== undefined && (!hasOwnNamespaces(record) || sharesIsolation(record, service!))) return this.claimedBy(claim);
    return hasOwnNamespaces(record) ? this.byNamespaces(record) : undefined;
  }

  private claimedBy(claim: CgroupClaim): Draft {
    const key = keyOfClaim(claim);
    let draft = this.claimed.get(key);
    if (draft === undefined) {
      draft = { claim, processes: [] };
      this.claimed.set(key, draft);
    }
    return draft;
  }

  /** The cgroup names a container: the process is of that one, or of one that began within it. */
  private withinClaim(record: ProcessRecord, claim: CgroupClaim): Draft {
    const own = this.claimedBy(claim);
    const home = this.homes.ofProcess(record, PLACES);
    if (home === undefined || !isClaimedAs(home, claim)) return own;
    if (home !== record) return this.joined(record, this.draftOf(home)) ?? own;
    const parent = this.model.process(record.parentPid);
    if (parent === undefined || !isClaimedAs(parent, claim) || !this.isAtHome(parent, claim)) return own;
    const above = this.draftOf(parent) ?? own;
    return begins(record, parent) ? this.begin(record, above) : above;
  }

  /** Whether its files or its pids are those of a container that the cgroup names, and not of what supervises it. */
  private isAtHome(record: ProcessRecord, claim: CgroupClaim): boolean {
    return PLACES.some((kind) => {
      const ino = isOwn(record, kind) ? record.namespaces[kind] : undefined;
      const home = typeof ino === 'number' ? this.homes.of(ino) : undefined;
      return home !== undefined && isClaimedAs(home, claim);
    });
  }

  private byNamespaces(record: ProcessRecord): Draft | undefined {
    const home = this.homes.ofProcess(record);
    if (home !== undefined && home !== record) return this.joined(record, this.draftOf(home));
    if (this.isOfHelper(record)) {
      this.entered.set(record.pid, 'isoscope');
      return undefined;
    }
    const parent = this.model.process(record.parentPid);
    const above = parent !== undefined && hasOwnNamespaces(parent) ? this.draftOf(parent) : undefined;
    if (parent === undefined || above === undefined || above.claim?.engine === 'systemd') return this.begin(record, undefined);
    return begins(record, parent) ? this.begin(record, above) : above;
  }

  /** It is in namespaces that another one made; unless that one's container started it, it came from outside. */
  private joined(record: ProcessRecord, draft: Draft | undefined): Draft | undefined {
    const parent = this.model.process(record.parentPid);
    if (parent !== undefined && this.draftOf(parent) === draft) return draft;
    if (this.isOfHelper(record)) this.entered.set(record.pid, 'isoscope');
    else if (draft !== undefined) this.entered.set(record.pid, 'other');
    return draft;
  }

  /** Started by this helper, for a terminal, a program, or to look at a namespace; what keeps a sandbox is the sandbox's. */
  private isOfHelper(record: ProcessRecord): boolean {
    let at: ProcessRecord | undefined = record;
    for (let depth = 0; at !== undefined && depth < MAX_ANCESTORS; depth += 1) {
      if (isSandboxKeeper(at, this.model)) return false;
      if (at.parentPid === process.pid) return true;
      // What a program of ours starts in namespaces that it made itself is not ours.
      if (hasOwnNamespaces(at) && !sameNamespaces(at, record)) return false;
      at = this.model.process(at.parentPid);
    }
    return false;
  }

  private begin(first: ProcessRecord, above: Draft | undefined): Draft {
    const draft: Draft = { processes: [], first, above };
    this.begun.push(draft);
    return draft;
  }

  /** The one rule of who stands for a container: its oldest process that is inside, and never what supervises it from outside, as long as there is one. */
  private leaderOf(draft: Draft): ProcessRecord {
    const rank = draft.claim?.engine === 'systemd' ? () => 0 : (record: ProcessRecord) => this.distance(record, draft);
    let leader = draft.processes[0]!;
    let nearest = rank(leader);
    for (const record of draft.processes) {
      const distance = rank(record);
      if (distance > nearest || (distance === nearest && !leadsBefore(record, leader))) continue;
      leader = record;
      nearest = distance;
    }
    return leader;
  }

  /**
   * How far outside of its container a process is. A supervisor may have namespaces of its own, too, as conmon has that of rootless podman:
   * they are not the container's, for who made them is not in it.
   */
  private distance(record: ProcessRecord, draft: Draft): number {
    if (record.state === 'Z') return 4;
    const isMade = PLACES.some((kind) => {
      const ino = isOwn(record, kind) ? record.namespaces[kind] : undefined;
      const home = typeof ino === 'number' ? this.homes.of(ino) : undefined;
      return home !== undefined && this.draftOf(home) === draft;
    });
    if (isMade && !startsPids(record)) return 0;
    if (isInside(record)) return 1;
    return hasOwnNamespaces(record) ? 2 : 3;
  }

  /** The cgroup may say it; else who started its first process does, as in Docker in Docker without a cgroup namespace. */
  private setOuter(draft: Draft, group: ContainerGroup, finished: ReadonlyMap<Draft, ContainerGroup>): void {
    const named = draft.claim?.outer && this.claimed.get(keyOfClaim(draft.claim.outer));
    let outer = named ?? draft.above ?? this.startedIn(draft, group);
    for (let depth = 0; outer !== undefined && depth < MAX_ANCESTORS; depth += 1) {
      const found = finished.get(outer);
      if (found !== undefined && found !== group && this.isWhole(outer, found.leader)) {
        group.outer = found.key;
        return;
      }
      outer = outer.above;
    }
  }

  /** Whether it is confined as engines confine. The user namespace of rootless podman, in which its containers are, is not one of them. */
  private isWhole({ claim, first }: Draft, leader: ProcessRecord): boolean {
    if (claim !== undefined) return claim.engine !== 'systemd';
    return begins(leader, first && this.model.process(first.parentPid));
  }

  private startedIn(draft: Draft, { leader }: ContainerGroup): Draft | undefined {
    if (draft.claim === undefined || draft.claim.engine === 'systemd') return undefined;
    let at = this.model.process(leader.parentPid);
    for (let depth = 0; at !== undefined && depth < MAX_ANCESTORS; depth += 1) {
      const above = this.draftOf(at);
      if (above !== undefined && above !== draft) return isInside(at) ? above : undefined;
      at = this.model.process(at.parentPid);
    }
    return undefined;
  }
}

/** What waits for a sandbox with limits is not in its cgroup: two groups of one key are one. */
function addTo(groups: Map<string, ContainerGroup>, group: ContainerGroup): ContainerGroup {
  const known = groups.get(group.key);
  if (known === undefined) {
    groups.set(group.key, group);
    return group;
  }
  append(known.processes, group.processes);
  if (!isInside(known.leader) && isInside(group.leader)) known.leader = group.leader;
  return known;
}

function isClaimedAs({ membership }: ProcessRecord, claim: CgroupClaim): boolean {
  return membership.claim !== undefined && keyOfClaim(membership.claim) === keyOfClaim(claim);
}

/**
 * Whether a process is confined anew, as engines do it: other files, and other pids or both names and IPC, than what started it. A service
 * of systemd in a container gets other files often (`PrivateTmp=`), and a browser's sandbox other pids.
 */
function begins(record: ProcessRecord, parent: ProcessRecord | undefined): boolean {
  const outside = parent?.namespaces ?? hostInos;
  const differs = (kind: number) => {
    const [own, above] = [record.namespaces[kind], outside[kind]];
    return typeof own === 'number' && typeof above === 'number' && own !== above;
  };
  const { mnt, pid, uts, ipc } = KIND_INDEX;
  return differs(mnt) && (differs(pid) || startsPids(record) || (differs(uts) && differs(ipc)));
}

/** unshare(1) that forks stays outside of the pid namespace that it made. */
function startsPids({ forChildren }: ProcessRecord): boolean {
  return forChildren.some(({ kind }) => kind === 'pid');
}

function sharesIsolation(one: ProcessRecord, other: ProcessRecord): boolean {
  return (['user', 'mnt', 'pid', 'net'] as const).every((kind) => namespaceOf(one, kind) === namespaceOf(other, kind));
}

function sameNamespaces(one: ProcessRecord, other: ProcessRecord): boolean {
  return one.namespaces.every((ino, kind) => ino === other.namespaces[kind]);
}
