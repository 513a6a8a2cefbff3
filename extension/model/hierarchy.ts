/** The order and the hierarchies in which processes, containers and namespaces are shown. Pure functions of the model. */
import type { Container } from '../../helper/protocol/containers.ts';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { Namespace, NamespaceKind, NamespaceRef } from '../../helper/protocol/namespaces.ts';
import type { Process } from '../../helper/protocol/processes.ts';
import { type ClientModel, keyOf, type NamespaceKey, namespaceKey } from './clientModel.ts';

/** The order of kinds in lists: what people look for first comes first. */
export const KIND_ORDER: readonly NamespaceKind[] = ['net', 'pid', 'mnt', 'user', 'uts', 'ipc', 'cgroup', 'time'];

/** How the Namespaces view groups: by kind, by owning user namespace, or as the tree of pid namespaces. */
export const GROUPINGS = ['kind', 'owner', 'pid'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** The processes of a container that no other process of it started: the roots of its process tree, by pid. */
export function containerRoots(model: ClientModel, container: string): Process[] {
  const members = model.processesOf(container);
  return byPid(model, members).filter((process) => !members.has(process.parentPid) || process.parentPid === process.pid);
}

/** Children of a process that belong to the same container as it, by pid. */
export function childProcesses(model: ClientModel, process: Process): Process[] {
  return byPid(model, model.childrenOf(process.pid)).filter(
    (child) => child.container === process.container && child.pid !== process.pid,
  );
}

/**
 * Members of a namespace: those of containers first, in the order of the containers' names, then the host's, and kernel
 * threads, of which there are many and all alike, last; each by pid.
 */
export function members(model: ClientModel, namespace: NamespaceKey): Process[] {
  const name = (process: Process) => containerOf(model, process)?.name;
  const rank = (process: Process) => (process.kernelThread ? 2 : name(process) === undefined ? 1 : 0);
  return byPid(model, model.membersOf(namespace)).sort(
    (a, b) => rank(a) - rank(b) || compareNames(name(a) ?? '', name(b) ?? ''),
  );
}

/**
 * Whether it is a container to a person, or only a service of the host. What an engine runs is one also when its
 * namespaces may not be read; a service only when it has some of its own.
 */
export function isContainer(container: Container): boolean {
  return container.isolated || container.engine !== 'systemd';
}

/** Whether a container of this key is known to be no more than a service of the host. */
export function isService(model: ClientModel, key: string): boolean {
  const container = model.containers.get(key);
  return container !== undefined && !isContainer(container);
}

/** The container of a process when it is one that isolates; a plain service of the host gives its processes no other name. */
export function containerOf(model: ClientModel, process: Process): Container | undefined {
  const container = process.container === undefined ? undefined : model.containers.get(process.container);
  return container !== undefined && isContainer(container) ? container : undefined;
}

function byPid(model: ClientModel, pids: ReadonlySet<number>): Process[] {
  return [...pids]
    .sort((a, b) => a - b)
    .map((pid) => model.processes.get(pid))
    .filter((process) => process !== undefined);
}

const collator = new Intl.Collator(undefined, { numeric: true });

export function compareNames(a: string, b: string): number {
  return collator.compare(a, b);
}

export function sortedContainers(model: ClientModel, isolated: boolean): Container[] {
  return [...model.containers.values()]
    .filter((container) => isContainer(container) === isolated)
    .sort((a, b) => compareNames(a.name, b.name) || compareNames(a.key, b.key));
}

/** Containers in containers are seldom deeper. */
const MAX_OUTER = 16;

/** The container that one runs in; undefined when it runs on the host, or when answers contradict each other. */
export function outerContainer(model: ClientModel, container: Container): Container | undefined {
  const outer = outerOf(model, container);
  let at = outer;
  for (let depth = 0; at !== undefined && depth < MAX_OUTER; depth += 1) {
    if (at.key === container.key) return undefined;
    at = outerOf(model, at);
  }
  return at === undefined ? outer : undefined;
}

function outerOf(model: ClientModel, { outer }: Container): Container | undefined {
  return outer === undefined ? undefined : model.containers.get(outer);
}

/** Those that run directly in a container, by name. */
export function containersWithin(model: ClientModel, container: Container): Container[] {
  return sortedContainers(model, true).filter((one) => outerContainer(model, one)?.key === container.key);
}

/**
 * The isolated containers whose leader is in a namespace: first the one that made it, which it is known by, then the others by name, and those
 * without an engine last.
 */
export function containersIn(model: ClientModel, namespace: NamespaceRef): Container[] {
  const maker = model.namespaces.get(keyOf(namespace))?.container;
  return namedFirst(sortedContainers(model, true))
    .filter((container) => container.namespaces[namespace.kind] === namespace.ino || container.key === maker)
    .sort((a, b) => Number(b.key === maker) - Number(a.key === maker));
}

function namedFirst(containers: Container[]): Container[] {
  const unnamed = (container: Container) => Number(container.engine === 'unnamed');
  return containers.sort((a, b) => unnamed(a) - unnamed(b));
}

/** Namespaces in the order of a list: the host's first, then by the name that the row shows, then by number. */
export function sortedNamespaces(model: ClientModel, namespaces: Iterable<Namespace>): Namespace[] {
  const names = new Map<Namespace, string>();
  const containers = containerNames(model);
  for (const namespace of namespaces) {
    names.set(namespace, containers.get(keyOf(namespace)) ?? namespace.leader?.name ?? '\uffff');
  }
  const position = (namespace: Namespace) => KIND_ORDER.indexOf(namespace.kind);
  return [...names.keys()].sort(
    (a, b) =>
      Number(b.host) - Number(a.host) ||
      position(a) - position(b) ||
      compareNames(names.get(a) ?? '', names.get(b) ?? '') ||
      a.ino - b.ino,
  );
}

/** The name of every namespace's first container, if it has one; one pass over the containers, for sorting many namespaces. */
function containerNames(model: ClientModel): Map<NamespaceKey, string> {
  const names = new Map<NamespaceKey, string>();
  for (const container of namedFirst(sortedContainers(model, true))) {
    for (const kind of NAMESPACE_KINDS) {
      const ino = container.namespaces[kind];
      if (ino === undefined || ino === null) continue;
      const key = namespaceKey(kind, ino);
      if (!names.has(key) || model.namespaces.get(key)?.container === container.key) names.set(key, container.name);
    }
  }
  return names;
}

/** By this Chromium, with all that is made of it, and Firefox tell their parts apart. */
const PART_OF_BROWSER = /(^|\s)(--type=\w|-contentproc(\s|$))/;

/** Whether a namespace is one of those in which a browser, or an editor made of one, confines its parts: nobody asked for it, and there are many. */
export function isOfBrowser(model: ClientModel, { host, leader }: Namespace): boolean {
  const process = host || leader === undefined ? undefined : model.process(leader);
  if (process === undefined || !Array.isArray(process.arguments)) return false;
  const container = containerOf(model, process);
  const isNamed = container !== undefined && container.engine !== 'unnamed';
  return !isNamed && PART_OF_BROWSER.test(process.arguments.join(' '));
}

export function namespacesOfKind(model: ClientModel, kind: NamespaceKind): Namespace[] {
  return sortedNamespaces(
    model,
    [...model.namespaces.values()].filter((namespace) => namespace.kind === kind),
  );
}

/** The hierarchy of a grouping: its roots, and what is above and below each namespace. */
export interface NamespaceForest {
  roots: Namespace[];
  above: Map<NamespaceKey, NamespaceKey>;
  below: Map<NamespaceKey, Namespace[]>;
}

/**
 * Namespaces below the one that owns them (`owner`), or pid namespaces below their parents (`pid`). One whose parent is
 * unknown or out of sight is a root, so that nothing that exists is ever missing.
 */
export function namespaceForest(model: ClientModel, grouping: 'owner' | 'pid'): NamespaceForest {
  const forest: NamespaceForest = { roots: [], above: new Map(), below: new Map() };
  for (const namespace of model.namespaces.values()) {
    if (grouping === 'pid' && namespace.kind !== 'pid') continue;
    const parent = parentIn(model, grouping, namespace);
    if (parent === undefined || isAbove(forest, namespace, parent)) {
      forest.roots.push(namespace);
      continue;
    }
    forest.above.set(keyOf(namespace), keyOf(parent));
    const siblings = forest.below.get(keyOf(parent));
    if (siblings === undefined) forest.below.set(keyOf(parent), [namespace]);
    else siblings.push(namespace);
  }
  return forest;
}

function parentIn(model: ClientModel, grouping: 'owner' | 'pid', namespace: Namespace): Namespace | undefined {
  const above = grouping === 'owner' ? namespace.owner : namespace.parent;
  if (above === null || above === undefined || 'unknown' in above) return undefined;
  return model.namespaces.get(keyOf(above));
}

/** Whether `namespace` is already at or above `below`: an answer that says otherwise too would make a circle without a root. */
function isAbove(forest: NamespaceForest, namespace: Namespace, below: Namespace): boolean {
  const wanted = keyOf(namespace);
  for (let key: NamespaceKey | undefined = keyOf(below); key !== undefined; key = forest.above.get(key)) {
    if (key === wanted) return true;
  }
  return false;
}
