/**
 * The extension's picture of the host: processes, namespaces and containers by identity, with the indexes that the trees
 * ask for. It is brought up to date by the helper's answers and says, each time, exactly what changed, so that a
 * tree refreshes only the rows that show it.
 */
import type { Container, ContainersListResult } from '../../helper/protocol/containers.ts';
import type { Namespace, NamespaceKind, NamespaceRef, NamespacesListResult } from '../../helper/protocol/namespaces.ts';
import type { Process, ProcessesListResult, ProcessRef } from '../../helper/protocol/processes.ts';

/** `net:4026532281`. The device is left out: every namespace file is on the kernel's one nsfs. */
export type NamespaceKey = `${NamespaceKind}:${number}`;

export function namespaceKey(kind: NamespaceKind, ino: number): NamespaceKey {
  return `${kind}:${ino}`;
}

export function keyOf(namespace: NamespaceRef): NamespaceKey {
  return namespaceKey(namespace.kind, namespace.ino);
}

/** What an answer of the helper changed. Empty sets mean that nothing is to be drawn again. */
export interface HostDelta {
  /** Pids of processes that appeared, changed or ended, and of the parents whose children did. */
  processes: Set<number>;
  /** Containers that appeared, changed or ended. */
  containers: Set<string>;
  /** Containers whose processes changed. */
  containerProcesses: Set<string>;
  /** Namespaces that appeared, changed or ended. */
  namespaces: Set<NamespaceKey>;
  /** Namespaces whose members changed. */
  members: Set<NamespaceKey>;
  /** A container came, went, or began or ceased to be isolated: the list of containers itself differs. */
  containerList: boolean;
  /** A namespace came or went, or its place in the hierarchies changed. */
  namespaceList: boolean;
  /** Net namespaces that are shown and whose interfaces, routes or sockets changed. */
  networks: Set<NamespaceKey>;
  /** Cgroups that appeared, changed or went, by `keyOfCgroup`, and the parents whose children did. */
  cgroups: Set<string>;
  /** A cgroup came, went or got another name, or a hierarchy did: lists of cgroups differ. */
  cgroupList: boolean;
}

export function emptyDelta(): HostDelta {
  return {
    processes: new Set(),
    containers: new Set(),
    containerProcesses: new Set(),
    namespaces: new Set(),
    members: new Set(),
    containerList: false,
    namespaceList: false,
    networks: new Set(),
    cgroups: new Set(),
    cgroupList: false,
  };
}

export function isEmpty(delta: HostDelta): boolean {
  const sets = [
    delta.processes,
    delta.containers,
    delta.containerProcesses,
    delta.namespaces,
    delta.members,
    delta.networks,
    delta.cgroups,
  ];
  return sets.every((set) => set.size === 0) && !delta.containerList && !delta.namespaceList && !delta.cgroupList;
}

const NO_PIDS: ReadonlySet<number> = new Set();

export class ClientModel {
  readonly processes = new Map<number, Process>();
  readonly containers = new Map<string, Container>();
  readonly namespaces = new Map<NamespaceKey, Namespace>();
  /** Processes whose namespaces may not be read. */
  unreadable: NamespacesListResult['unreadable'] = { count: 0, processes: [] };
  /** Processes that nobody on this host may examine. */
  closed: NamespacesListResult['closed'] = { count: 0, processes: [] };

  /** Sockets that may be in a net namespace that is not known of. */
  unknownSockets: NamespacesListResult['unknownSockets'] = { pending: 0, refused: 0 };

  /** Whether no namespace or member of one can be missing, because its process may not be read. Init is what the host's are called after. */
  get isComplete(): boolean {
    const { count, processes } = this.unreadable;
    return count === processes.filter(({ pid }) => pid === 1).length;
  }

  /** The same for one kind: a net namespace may be kept alive by a socket alone, and has an owner. */
  knowsAll(kind: NamespaceKind): boolean {
    const { pending, refused } = this.unknownSockets;
    return this.isComplete && ((kind !== 'net' && kind !== 'user') || pending + refused === 0);
  }

  /** Kinds that this kernel lacks. */
  unsupported: NamespaceKind[] = [];
  private readonly children = new Map<number, Set<number>>();
  private readonly byContainer = new Map<string, Set<number>>();
  private readonly byNamespace = new Map<NamespaceKey, Set<number>>();
  private readonly namespaceTexts = new Map<NamespaceKey, string>();

  childrenOf(pid: number): ReadonlySet<number> {
    return this.children.get(pid) ?? NO_PIDS;
  }

  processesOf(container: string): ReadonlySet<number> {
    return this.byContainer.get(container) ?? NO_PIDS;
  }

  membersOf(namespace: NamespaceKey): ReadonlySet<number> {
    return this.byNamespace.get(namespace) ?? NO_PIDS;
  }

  /** The process that `ref` names, if it is still that process and not another with its pid. */
  process(ref: ProcessRef): Process | undefined {
    const process = this.processes.get(ref.pid);
    return process?.startTime === ref.startTime ? process : undefined;
  }

  /** The host's own namespace of a kind: the helper's. */
  hostNamespace(kind: NamespaceKind): Namespace | undefined {
    for (const namespace of this.namespaces.values()) if (namespace.host && namespace.kind === kind) return namespace;
    return undefined;
  }

  applyProcesses(answer: ProcessesListResult, delta = emptyDelta()): HostDelta {
    if (answer.complete) {
      const present = new Map(answer.processes.map((process) => [process.pid, process.startTime]));
      for (const process of [...this.processes.values()]) {
        if (present.get(process.pid) !== process.startTime) this.removeProcess(process, delta);
      }
    }
    for (const ref of answer.gone) {
      const process = this.process(ref);
      if (process !== undefined) this.removeProcess(process, delta);
    }
    for (const process of answer.processes) this.putProcess(process, delta);
    return delta;
  }

  private putProcess(process: Process, delta: HostDelta): void {
    const before = this.processes.get(process.pid);
    if (before !== undefined) {
      if (JSON.stringify(before) === JSON.stringify(process)) return;
      this.removeProcess(before, delta);
    }
    this.processes.set(process.pid, process);
    this.index(process, delta, addTo);
  }

  private removeProcess(process: Process, delta: HostDelta): void {
    this.processes.delete(process.pid);
    this.index(process, delta, removeFrom);
  }

  private index(
    process: Process,
    delta: HostDelta,
    change: <K>(index: Map<K, Set<number>>, key: K, pid: number) => void,
  ): void {
    const { pid } = process;
    change(this.children, process.parentPid, pid);
    delta.processes.add(pid).add(process.parentPid);
    if (process.container !== undefined) {
      change(this.byContainer, process.container, pid);
      delta.containerProcesses.add(process.container);
    }
    for (const [kind, ino] of Object.entries(process.namespaces) as [NamespaceKind, number | null][]) {
      if (ino === null) continue;
      const key = namespaceKey(kind, ino);
      change(this.byNamespace, key, pid);
      delta.members.add(key);
    }
  }

  applyContainers(answer: ContainersListResult, delta = emptyDelta()): HostDelta {
    const present = new Set(answer.containers.map((container) => container.key));
    for (const key of [...this.containers.keys()]) {
      if (present.has(key)) continue;
      this.containers.delete(key);
      delta.containers.add(key);
      delta.containerList = true;
    }
    for (const container of answer.containers) {
      const before = this.containers.get(container.key);
      if (before !== undefined && JSON.stringify(before) === JSON.stringify(container)) continue;
      this.containers.set(container.key, container);
      delta.containers.add(container.key);
      // The list is sorted by name, so a new name moves the row.
      const isElsewhere = before?.isolated !== container.isolated || before.outer !== container.outer;
      if (isElsewhere || before.name !== container.name) delta.containerList = true;
    }
    return delta;
  }

  applyNamespaces(answer: NamespacesListResult, delta = emptyDelta()): HostDelta {
    const present = new Set(answer.namespaces.map(keyOf));
    for (const key of [...this.namespaces.keys()]) {
      if (present.has(key)) continue;
      this.namespaces.delete(key);
      this.namespaceTexts.delete(key);
      delta.namespaces.add(key);
      delta.namespaceList = true;
    }
    for (const namespace of answer.namespaces) this.putNamespace(namespace, delta);
    const counts = ({
      unreadable,
      closed,
      unsupported,
      unknownSockets,
    }: Omit<NamespacesListResult, 'revision' | 'namespaces'>) =>
      JSON.stringify([unreadable.count, closed.count, unsupported.length, unknownSockets]);
    if (counts(answer) !== counts(this)) delta.namespaceList = true;
    this.unreadable = answer.unreadable;
    this.closed = answer.closed;
    this.unknownSockets = answer.unknownSockets;
    this.unsupported = answer.unsupported;
    return delta;
  }

  private putNamespace(namespace: Namespace, delta: HostDelta): void {
    const key = keyOf(namespace);
    // Who is in it is known from the processes, and changes far more often than the rest.
    const text = JSON.stringify({ ...namespace, processCount: 0, members: [] });
    if (this.namespaceTexts.get(key) === text) return;
    const before = this.namespaces.get(key);
    this.namespaces.set(key, namespace);
    this.namespaceTexts.set(key, text);
    delta.namespaces.add(key);
    if (placeOf(before) !== placeOf(namespace)) delta.namespaceList = true;
  }
}

/** Where a namespace stands in the lists and hierarchies, as text to compare. */
function placeOf(namespace: Namespace | undefined): string {
  return namespace === undefined
    ? ''
    : JSON.stringify([namespace.owner, namespace.parent, namespace.leader?.pid, namespace.container]);
}

function addTo<K>(index: Map<K, Set<number>>, key: K, pid: number): void {
  const pids = index.get(key);
  if (pids === undefined) index.set(key, new Set([pid]));
  else pids.add(pid);
}

function removeFrom<K>(index: Map<K, Set<number>>, key: K, pid: number): void {
  const pids = index.get(key);
  pids?.delete(pid);
  if (pids?.size === 0) index.delete(key);
}
