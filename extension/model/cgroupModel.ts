/**
 * The extension's picture of the cgroups: by identity, with children and containers indexed, and the rates that two answers in a row give.
 * Each answer says what it changed, so that a tree draws only the rows that show it.
 */
import type { Cgroup, CgroupHierarchy, CgroupRef, CgroupsListResult } from '../../helper/protocol/cgroups.ts';
import { emptyDelta, type HostDelta } from './clientModel.ts';
import { compareNames } from './hierarchy.ts';

/** `memory 1234`: a hierarchy's file system has each inode number once. */
export type CgroupKey = string;

export function keyOfCgroup({ hierarchy, ino }: CgroupRef): CgroupKey {
  return `${hierarchy} ${ino}`;
}

export function refOfCgroup({ hierarchy, path, ino }: CgroupRef): CgroupRef {
  return { hierarchy, path, ino };
}

/** The last name of its path; `/` for the root. */
export function nameOfCgroup({ path }: { path: string }): string {
  return path === '/' ? '/' : path.slice(path.lastIndexOf('/') + 1);
}

/** Two readings closer together than this tell no rate worth showing. */
const SHORTEST_MILLIS = 200;

interface Reading {
  atMillis: number;
  cpuUsageMicros: number;
}

const NO_CGROUPS: readonly Cgroup[] = [];

/** Undefined is what is not known; of the limit, that there is none. */
export interface ContainerUse {
  /** CPUs kept busy over the last interval. */
  coresUsed: number | undefined;
  memoryBytes: number | undefined;
  /** The one that binds. */
  memoryLimitBytes: number | undefined;
}

export class CgroupModel {
  readonly cgroups = new Map<CgroupKey, Cgroup>();
  mode: CgroupsListResult['mode'] = 'none';
  /** In the order in which they are shown. */
  hierarchies: CgroupHierarchy[] = [];
  unreadable: CgroupsListResult['unreadable'] = [];
  truncated = false;
  private readonly roots = new Map<string, Cgroup>();
  private readonly children = new Map<CgroupKey, Cgroup[]>();
  private readonly byContainer = new Map<string, Cgroup[]>();
  private readonly texts = new Map<CgroupKey, string>();
  private readonly readings = new Map<CgroupKey, Reading>();
  private readonly cores = new Map<CgroupKey, number>();

  /** The cgroup that `ref` names, if it is still that one and not another of its name. */
  cgroup(ref: CgroupRef): Cgroup | undefined {
    return this.cgroups.get(keyOfCgroup(ref));
  }

  at(hierarchy: string, path: string): Cgroup | undefined {
    const names = path.split('/').filter((name) => name !== '');
    let at = this.roots.get(hierarchy);
    for (const name of names) at = at && this.childrenOf(at).find((child) => nameOfCgroup(child) === name);
    return at;
  }

  root(hierarchy: string): Cgroup | undefined {
    return this.roots.get(hierarchy);
  }

  /** In the order of their names. */
  childrenOf(cgroup: CgroupRef): readonly Cgroup[] {
    return this.children.get(keyOfCgroup(cgroup)) ?? NO_CGROUPS;
  }

  parentOf(cgroup: Cgroup): Cgroup | undefined {
    if (cgroup.parent === undefined) return undefined;
    return this.cgroups.get(keyOfCgroup({ ...cgroup, ino: cgroup.parent }));
  }

  /** The tightest limit of memory of a cgroup and of those above it that are in sight. Undefined where none has one. */
  memoryLimit(cgroup: Cgroup): number | undefined {
    let tightest: number | undefined;
    for (let at: Cgroup | undefined = cgroup; at !== undefined; at = this.parentOf(at)) {
      const own = at.figures.memoryLimitBytes;
      if (own !== undefined && (tightest === undefined || own < tightest)) tightest = own;
    }
    return tightest;
  }

  /** What a container uses, as far as its own cgroups tell: of v1 each tells a part. */
  useOf(container: string): ContainerUse {
    const own = this.ofContainer(container);
    const charged = own.find(({ figures }) => figures.memoryBytes !== undefined);
    return {
      coresUsed: own.map((cgroup) => this.coresUsed(cgroup)).find((cores) => cores !== undefined),
      memoryBytes: charged?.figures.memoryBytes,
      memoryLimitBytes: charged === undefined ? undefined : this.memoryLimit(charged),
    };
  }

  /** The cgroups of a container, one a hierarchy. */
  ofContainer(container: string): readonly Cgroup[] {
    return this.byContainer.get(container) ?? NO_CGROUPS;
  }

  get containers(): string[] {
    return [...this.byContainer.keys()];
  }

  hierarchy(name: string): CgroupHierarchy | undefined {
    return this.hierarchies.find(({ hierarchy }) => hierarchy === name);
  }

  /**
   * CPUs kept busy between the last two readings: 0.02 is 2 % of one. Undefined until there are two. On v1 `cpu` limits and `cpuacct`, often a
   * hierarchy of its own, counts: a container's cgroup of the one gets the rate of the other.
   */
  coresUsed(cgroup: Cgroup): number | undefined {
    const own = this.cores.get(keyOfCgroup(cgroup));
    if (own !== undefined || cgroup.container === undefined) return own;
    if (!this.hierarchy(cgroup.hierarchy)?.controllers.includes('cpu')) return undefined;
    return this.ofContainer(cgroup.container)
      .map((other) => this.cores.get(keyOfCgroup(other)))
      .find((cores) => cores !== undefined);
  }

  /**
   * The cgroups of a hierarchy that did not answer in time stay as they were: it may answer the next time, and what is unfolded would be folded.
   * @param atMillis when the answer came, on a clock that does not jump
   */
  apply(answer: CgroupsListResult, atMillis: number, delta: HostDelta = emptyDelta()): HostDelta {
    const before = this.placesText();
    this.mode = answer.mode;
    this.hierarchies = [...answer.hierarchies].sort(compareHierarchies);
    this.unreadable = answer.unreadable;
    this.truncated = answer.truncated;
    if (this.placesText() !== before) delta.cgroupList = true;
    const present = new Set(answer.cgroups.map(keyOfCgroup));
    const silent = new Set(answer.unreadable.filter(({ why }) => why.unknown === 'busy').map(({ hierarchy }) => hierarchy));
    for (const [key, cgroup] of this.cgroups)
      if (!present.has(key) && !silent.has(cgroup.hierarchy)) this.remove(key, cgroup, delta);
    for (const cgroup of answer.cgroups) this.put(cgroup, atMillis, delta);
    if (delta.cgroupList) this.index();
    return delta;
  }

  private placesText(): string {
    return JSON.stringify([this.mode, this.hierarchies, this.unreadable, this.truncated]);
  }

  /** Cgroups of several hierarchies in the order in which those are shown. */
  inOrder<T extends CgroupRef>(cgroups: readonly T[]): T[] {
    const order = this.hierarchies.map(({ hierarchy }) => hierarchy);
    return [...cgroups].sort((a, b) => order.indexOf(a.hierarchy) - order.indexOf(b.hierarchy));
  }

  private remove(key: CgroupKey, cgroup: Cgroup, delta: HostDelta): void {
    for (const map of [this.cgroups, this.texts, this.readings, this.cores]) map.delete(key);
    delta.cgroupList = true;
    noteParent(cgroup, delta.cgroups.add(key));
  }

  private put(cgroup: Cgroup, atMillis: number, delta: HostDelta): void {
    const key = keyOfCgroup(cgroup);
    // One that came to rest keeps its counter and loses its rate.
    if (this.measure(key, cgroup, atMillis)) this.noteRate(cgroup, delta.cgroups.add(key));
    const text = JSON.stringify(cgroup);
    if (this.texts.get(key) === text) return;
    const before = this.cgroups.get(key);
    this.cgroups.set(key, cgroup);
    this.texts.set(key, text);
    delta.cgroups.add(key);
    if (before !== undefined) this.replace(before, cgroup);
    if (before !== undefined && placeOf(before) === placeOf(cgroup)) return;
    delta.cgroupList = true;
    noteParent(cgroup, delta.cgroups);
  }

  /** In the indexes, whose order stays the same where only figures changed. */
  private replace(before: Cgroup, now: Cgroup): void {
    const lists = [
      before.parent === undefined ? undefined : this.children.get(keyOfCgroup({ ...before, ino: before.parent })),
      before.container === undefined ? undefined : this.byContainer.get(before.container),
    ];
    for (const list of lists) {
      const position = list?.indexOf(before) ?? -1;
      if (position >= 0) list?.splice(position, 1, now);
    }
    if (this.roots.get(before.hierarchy) === before) this.roots.set(now.hierarchy, now);
  }

  /** A container's rate shows on its cgroups of other hierarchies too. */
  private noteRate({ container }: Cgroup, keys: Set<CgroupKey>): void {
    if (container !== undefined) for (const other of this.ofContainer(container)) keys.add(keyOfCgroup(other));
  }

  /** Whether the rate is another one now. */
  private measure(key: CgroupKey, { figures }: Cgroup, atMillis: number): boolean {
    const usage = figures.cpuUsageMicros;
    if (usage === undefined) return false;
    const before = this.readings.get(key);
    if (before !== undefined && atMillis - before.atMillis < SHORTEST_MILLIS) return false;
    this.readings.set(key, { atMillis, cpuUsageMicros: usage });
    const rate = this.cores.get(key);
    // A counter that was reset by a write tells nothing this time.
    if (before === undefined || usage < before.cpuUsageMicros) this.cores.delete(key);
    else this.cores.set(key, (usage - before.cpuUsageMicros) / ((atMillis - before.atMillis) * 1000));
    return this.cores.get(key) !== rate;
  }

  private index(): void {
    this.roots.clear();
    this.children.clear();
    this.byContainer.clear();
    for (const cgroup of this.cgroups.values()) {
      if (cgroup.parent === undefined) this.roots.set(cgroup.hierarchy, cgroup);
      else append(this.children, keyOfCgroup({ ...cgroup, ino: cgroup.parent }), cgroup);
      if (cgroup.container !== undefined) append(this.byContainer, cgroup.container, cgroup);
    }
    for (const list of this.children.values()) list.sort((a, b) => compareNames(shownName(a), shownName(b)));
  }
}

/** What a list is sorted by: the name that people use. */
export function shownName(cgroup: Cgroup): string {
  return cgroup.title ?? nameOfCgroup(cgroup);
}

/** What decides where its row stands, and whether it is shown. */
function placeOf({ path, parent, container, title }: Cgroup): string {
  return JSON.stringify([path, parent, container, title]);
}

function noteParent(cgroup: Cgroup, keys: Set<string>): void {
  if (cgroup.parent !== undefined) keys.add(keyOfCgroup({ ...cgroup, ino: cgroup.parent }));
}

function append<K>(index: Map<K, Cgroup[]>, key: K, cgroup: Cgroup): void {
  const list = index.get(key);
  if (list === undefined) index.set(key, [cgroup]);
  else list.push(cgroup);
}

/** What people look for first comes first; others follow by name, and those with a name instead of a controller last. */
const CONTROLLER_ORDER = ['cpu', 'memory', 'pids', 'io', 'blkio', 'freezer', 'cpuset', 'devices', 'cpuacct'];

function compareHierarchies(a: CgroupHierarchy, b: CgroupHierarchy): number {
  return rank(a) - rank(b) || compareNames(a.hierarchy, b.hierarchy);
}

/** The v2 hierarchy is where the controllers are, or else has none. */
function rank({ hierarchy, controllers }: CgroupHierarchy): number {
  if (controllers.length === 0) return CONTROLLER_ORDER.length + (hierarchy === 'unified' ? 1 : 2);
  const positions = controllers.map((controller) => CONTROLLER_ORDER.indexOf(controller)).filter((position) => position >= 0);
  return Math.min(CONTROLLER_ORDER.length, ...positions);
}
