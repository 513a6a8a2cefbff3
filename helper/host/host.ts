/** This host, as the requests ask for it: the model, kept fresh, and the lists that are derived from it. */
import { Failure } from '../failure.ts';
import { formatNamespaceLink } from '../proc/namespaceLink.ts';
import type { ContainersListResult } from '../protocol/containers.ts';
import type { HostPart } from '../protocol/host.ts';
import type { MountsListResult } from '../protocol/mounts.ts';
import type { Namespace, NamespaceRef, NamespacesListParams, NamespacesListResult } from '../protocol/namespaces.ts';
import type { InterfaceCounters, NetworkInspectResult } from '../protocol/network.ts';
import type { Process, ProcessesInspectResult, ProcessesListResult, ProcessRef } from '../protocol/processes.ts';
import { said } from '../saying.ts';
import { type CgroupOwners, ownersOfCgroups } from './cgroups/ownCgroups.ts';
import { ContainerTable } from './containers.ts';
import { ContainerUsers } from './containerUsers.ts';
import { HostModel, othersTurn } from './hostModel.ts';
import { ownNamespaces } from './hostNamespaces.ts';
import { inspectProcess } from './inspection.ts';
import type { OverlaySource } from './layers/overlays.ts';
import { MountPins } from './mountPins.ts';
import { listMounts } from './mountTable.ts';
import type { IndexedNamespace } from './namespaceIndex.ts';
import { NamespaceLister, sameNamespace } from './namespaceList.ts';
import { countNetwork, inspectNetwork, type OpenNetwork } from './network.ts';
import { openNamespace } from './openNamespace.ts';
import { namespaceOf, namespacesByKind, type ProcessRecord } from './processRecord.ts';
import { namespaceRef, RelationTable } from './relations.ts';
import { rootHint } from './rootHint.ts';
import { refreshUsers } from './users.ts';
import { hasProcessEvents, Watcher } from './watcher.ts';

/** Of 128 sockets each. */
const MAX_SOCKET_TURNS = 4;

export class Host {
  private readonly model = new HostModel();
  private readonly mounts = new MountPins(this.model.namespaces);
  private readonly relations = new RelationTable();
  private readonly containers = new ContainerTable(this.model, this.relations);
  private readonly lister = new NamespaceLister(this.model, this.mounts, this.relations, this.containers);
  private readonly users = new ContainerUsers(this.model.namespaces, (mountNamespace) => this.noteUsers(mountNamespace));
  private readonly watcher: Watcher;
  private readonly followers: ((parts: readonly HostPart[]) => void)[] = [];
  private readonly processFollowers: (() => void)[] = [];
  private ownMountsChanged = false;
  private eventsAvailable: boolean | undefined;
  private onLost: () => void = () => undefined;

  constructor(notify: (parts: HostPart[]) => void) {
    this.watcher = new Watcher(this.model, {
      notify,
      mountsChanged: () => {
        this.ownMountsChanged = true;
      },
      processesChanged: () => {
        for (const follower of this.processFollowers) follower();
      },
      processesLost: () => this.onLost(),
      freezerFiles: () => this.containers.freezerFiles(),
    });
  }

  /** Tells by what sandboxes are known. */
  knowSandboxes(nameOf: HostModel['nameOfSandbox']): void {
    this.model.nameOfSandbox = nameOf;
  }

  /** What the overlays are found by. */
  get overlaySource(): OverlaySource {
    return {
      model: this.model,
      mounts: this.mounts,
      containers: this.containers,
      refresh: async () => {
        await this.refresh(undefined);
        this.readMounts(undefined);
      },
    };
  }

  get changes(): 'events' | 'scan' {
    this.eventsAvailable ??= hasProcessEvents();
    return this.eventsAvailable ? 'events' : 'scan';
  }

  watch(parts: readonly HostPart[]): void {
    this.watcher.watch(parts);
    for (const follower of this.followers) follower(parts);
  }

  /** `follower` is told what the client watches, whenever that changes. */
  onWatch(follower: (parts: readonly HostPart[]) => void): void {
    this.followers.push(follower);
  }

  /** `follower` is told when processes came, went or changed, as long as the client watches anything. */
  onProcesses(follower: () => void): void {
    this.processFollowers.push(follower);
  }

  /** Parts that change by what the helper itself does; whoever watches them is told. */
  changed(parts: HostPart[]): void {
    this.watcher.noteChanged(parts);
  }

  async listProcesses(since: number | undefined): Promise<ProcessesListResult> {
    await this.refresh(since);
    this.containers.group();
    const { complete, changed, gone } = this.model.changesSince(since);
    const nameOf = this.userNames();
    const processes = changed.map((record) => this.describe(record, nameOf));
    return { revision: this.model.revision, complete, processes, gone };
  }

  async listContainers(since: number | undefined): Promise<ContainersListResult> {
    await this.refresh(since);
    return { revision: this.model.revision, containers: await this.containers.list() };
  }

  /** Which container each cgroup is the very cgroup of. While the host is followed this reads nothing anew but what events named. */
  async cgroupOwners(): Promise<CgroupOwners> {
    await this.refresh(this.sinceNow().since);
    return ownersOfCgroups(await this.containers.listNamed(), this.model.processes, (record) => this.containers.keyOf(record));
  }

  /** Whether `onProcess` is told of every one, so that a cgroup that no record names has the processes that it had. */
  get hearsProcesses(): boolean {
    // Another's processes may be hidden from a user (hidepid, proc(5)).
    return this.watcher.hearsProcesses && process.geteuid?.() === 0;
  }

  /**
   * `listener` is told of processes that began, ended or changed; before `cgroupOwners` resolves, of all until then. `lost` is told when events
   * were lost, and with them processes that both began and ended.
   */
  onProcess(listener: (record: ProcessRecord) => void, lost: () => void): void {
    this.model.onRecord = listener;
    this.onLost = lost;
  }

  /** Tells the client that cgroups changed, if it watches them. */
  noteCgroups(): void {
    this.watcher.note('cgroups');
  }

  async listNamespaces({ since, kinds, members = true }: NamespacesListParams): Promise<NamespacesListResult> {
    await this.refreshNamespaces(since);
    return this.lister.list({ kinds, members });
  }

  /** One namespace, read now, with its members. */
  async inspectNamespace(ref: NamespaceRef): Promise<Namespace> {
    const { namespaces } = await this.listNamespaces({ kinds: [ref.kind], ...this.sinceNow() });
    const found = namespaces.find((namespace) => sameNamespace(namespace, ref));
    if (found !== undefined) return found;
    throw new Failure('gone', said('namespaceHasEnded', formatNamespaceLink(ref)), {
      hint: said('refreshViewAndChooseAnotherNamespace'),
    });
  }

  /** A descriptor of this very namespace, for programs that are to run in it; the caller closes it. */
  openNamespace(ref: NamespaceRef): number {
    return openNamespace(ref, this.mounts);
  }

  async inspectNetwork(target: { namespace: NamespaceRef } | { process: ProcessRef }): Promise<NetworkInspectResult> {
    await this.refreshNamespaces(this.sinceNow().since);
    if ('process' in target) this.model.reread([target.process.pid]);
    const namespace = this.networkOf(target);
    const others: NamespaceRef[] = [];
    for (const { kind, ino } of this.model.namespaces.namespaces) if (kind === 'net') others.push(namespaceRef(kind, ino));
    for (const { kind, ino } of this.mounts.namespaces()) if (kind === 'net') others.push(namespaceRef(kind, ino));
    return inspectNetwork(namespace, this.openNetwork, others, this.model.processes);
  }

  /** Of a namespace that is known already nothing is read but its counters. */
  async countNetwork(
    target: { namespace: NamespaceRef } | { process: ProcessRef },
  ): Promise<{ interfaces: InterfaceCounters[] }> {
    if ('process' in target) {
      await this.refresh(this.sinceNow().since);
      this.model.reread([target.process.pid]);
    }
    return { interfaces: countNetwork(this.networkOf(target), this.openNetwork) };
  }

  /** Undefined for the helper's own. */
  private readonly openNetwork: OpenNetwork = (ref) => {
    const own = ownNamespaces().net;
    return own !== undefined && sameNamespace(own, ref) ? undefined : openNamespace(ref, this.mounts);
  };

  async inspectProcess(process: ProcessRef): Promise<ProcessesInspectResult> {
    await this.refresh(this.sinceNow().since);
    this.model.reread([process.pid]);
    const record = this.model.process(process.pid);
    if (record?.startTime === process.startTime) await this.users.learn(record);
    return inspectProcess(process, {
      describe: (read) => this.describe(read, this.userNames()),
      index: this.model.namespaces,
    });
  }

  listMounts(process: ProcessRef | undefined): MountsListResult {
    return listMounts(process, this.model.namespaces);
  }

  private networkOf(target: { namespace: NamespaceRef } | { process: ProcessRef }): NamespaceRef {
    if ('namespace' in target) return target.namespace;
    const { pid, startTime } = target.process;
    const record = this.model.process(pid);
    if (record?.startTime !== startTime) {
      throw new Failure('gone', said('processHasEnded', pid), { hint: said('refreshView') });
    }
    const ino = namespaceOf(record, 'net');
    if (typeof ino === 'number') return namespaceRef('net', ino);
    throw new Failure('permission', said('netNamespaceMayNotBeRead', pid), {
      hint: rootHint(),
    });
  }

  /** For a question about one thing: while the host is followed, what is known of everything else is of now already. */
  private sinceNow(): { since?: number } {
    return this.watcher.isFollowing ? { since: this.model.revision } : {};
  }

  /** A client that follows the changes gets them from the model; one that asks for everything gets it read now. */
  private async refresh(since: number | undefined): Promise<void> {
    if (since !== undefined && this.watcher.isFollowing) this.watcher.flush();
    // What was still to be heard may have been that events were lost.
    if (since === undefined || !this.watcher.isFollowing) this.watcher.noteScan(await this.model.scan());
    await Promise.all([this.containers.settle(), refreshUsers()]);
  }

  private async refreshNamespaces(since: number | undefined): Promise<void> {
    await this.refresh(since);
    // What watches asks them by and by, and tells the client.
    if (!this.watcher.isWatching) await this.askSockets();
    this.readMounts(since);
  }

  /** As many as a person would not notice. */
  private async askSockets(): Promise<void> {
    const round = this.model.beginSocketRound();
    for (let turn = 0; turn < MAX_SOCKET_TURNS && this.model.askSomeSockets(round); turn += 1) await othersTurn();
    this.watcher.noteScan(this.model.endSocketRound(round));
  }

  private readMounts(since: number | undefined): void {
    const own = ownNamespaces().mnt;
    const changed = new Set(this.ownMountsChanged && own !== undefined ? [own.ino] : []);
    this.ownMountsChanged = false;
    this.mounts.read(since !== undefined && this.watcher.isFollowing ? changed : 'all');
  }

  private userNames(): (record: ProcessRecord) => string {
    return this.users.names((record) => this.containers.keyOf(record) !== undefined && !isService(record));
  }

  /** Who is shown under other names than before is sent again. */
  private noteUsers({ members }: IndexedNamespace): void {
    for (const pid of members.keys()) this.model.touch(pid);
    this.watcher.noteChanged(['processes']);
  }

  private describe(record: ProcessRecord, nameOf: (record: ProcessRecord) => string): Process {
    const container = this.containers.keyOf(record);
    const entered = this.containers.enteredBy(record);
    return {
      pid: record.pid,
      startTime: record.startTime,
      parentPid: record.parentPid,
      name: record.name,
      arguments: record.arguments,
      state: record.state,
      uid: record.uid,
      user: nameOf(record),
      threads: record.threads,
      kernelThread: record.kernelThread,
      ...(container === undefined ? {} : { container }),
      ...(entered === undefined ? {} : { entered }),
      nestedPids: record.nestedPids,
      namespaces: namespacesByKind(record.namespaces),
    };
  }
}

/** Its user is one of the host's, though its processes be kept from the files of others. */
function isService({ membership }: ProcessRecord): boolean {
  return membership.claim?.engine === 'systemd';
}
