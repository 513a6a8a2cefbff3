/** What is remembered of a cgroup between two lists. */
import type { Cgroup, CpusetPartition } from '../../protocol/cgroups.ts';
import type { HeldFiles } from './heldFiles.ts';

/** The figures of a row as they were read; `undefined`: lacking, unknown, or no limit. */
export interface RowFigures {
  cpuUsageMicros: number | undefined;
  cpuLimitCores: number | undefined;
  periods: number | undefined;
  throttledPeriods: number | undefined;
  memoryBytes: number | undefined;
  /** Known only where `memoryBytes` is close to the limit. */
  workingSetBytes: number | undefined;
  memoryLimitBytes: number | undefined;
  oomKills: number | undefined;
  tasks: number | undefined;
  tasksLimit: number | undefined;
}

/** What was known of a cgroup before it was read again: thousands of rows are not made anew where nothing differs. */
export class NodeFacts {
  private type: Cgroup['type'] = 'domain';
  private memberCount: number | null = null;
  private frozen: boolean | undefined;
  private partition: CpusetPartition | undefined;
  private dyingDescendants: number | undefined;
  private figures = noFigures();

  take({ type, memberCount, frozen, partition, dyingDescendants, figures }: CgroupNode): void {
    this.partition = partition;
    this.dyingDescendants = dyingDescendants;
    this.type = type;
    this.memberCount = memberCount;
    this.frozen = frozen;
    Object.assign(this.figures, figures);
  }

  differsFrom({ type, memberCount, frozen, partition, dyingDescendants, figures }: CgroupNode): boolean {
    const { figures: before } = this;
    return (
      this.type !== type ||
      this.memberCount !== memberCount ||
      this.frozen !== frozen ||
      this.partition?.kind !== partition?.kind ||
      this.partition?.invalid !== partition?.invalid ||
      this.dyingDescendants !== dyingDescendants ||
      before.cpuUsageMicros !== figures.cpuUsageMicros ||
      before.cpuLimitCores !== figures.cpuLimitCores ||
      before.throttledPeriods !== figures.throttledPeriods ||
      before.periods !== figures.periods ||
      before.memoryBytes !== figures.memoryBytes ||
      before.workingSetBytes !== figures.workingSetBytes ||
      before.memoryLimitBytes !== figures.memoryLimitBytes ||
      before.oomKills !== figures.oomKills ||
      before.tasks !== figures.tasks ||
      before.tasksLimit !== figures.tasksLimit
    );
  }
}

function noFigures(): RowFigures {
  return {
    cpuUsageMicros: undefined,
    cpuLimitCores: undefined,
    periods: undefined,
    throttledPeriods: undefined,
    memoryBytes: undefined,
    workingSetBytes: undefined,
    memoryLimitBytes: undefined,
    oomKills: undefined,
    tasks: undefined,
    tasksLimit: undefined,
  };
}

export class CgroupNode {
  readonly ino: number;
  /** Text of the name (helper/proc/fileName.ts), and the path from the root of the hierarchy. */
  readonly name: string;
  readonly path: string;
  readonly parent: CgroupNode | undefined;
  readonly depth: number;
  children: CgroupNode[] = [];
  uid = 0;
  hasChildren = true;
  /** Its directory may not be listed: there may be children that nobody knows of. */
  isOpaque = false;
  type: Cgroup['type'] = 'domain';
  memberCount: number | null = null;
  /** The processes that were counted, or the threads when it is threaded. */
  members: readonly number[] = [];
  /** v2 says so of the whole subtree; of v1 it is found out from the members of each. */
  populated: boolean | null = null;
  frozen: boolean | undefined;
  /** Absent for a member. */
  partition: CpusetPartition | undefined;
  /** Of the root of v2. */
  dyingDescendants: number | undefined;
  isFreezing = false;
  readonly figures: RowFigures = noFigures();
  /** Whether periods were throttled between the last two readings, where these are close to each other. */
  throttled = false;
  /** Its row of the list with figures, as long as nothing in it changed: thousands are made into text for every list. */
  row: Cgroup | undefined;
  /** Gone, or beyond what is listed: a reading takes it out of its parent. */
  isLeftOut = false;

  /** Number of the inotify watch; 0 without one. */
  watch = 0;
  /** Files that stay open, while there is a watch that tells when they are to be closed. */
  held: HeldFiles | undefined;
  /** When its limits and what else changes only by a write were read; they hold as long as a watch says nothing. */
  settingsReadAt = Number.NEGATIVE_INFINITY;
  figuresReadAt = Number.NEGATIVE_INFINITY;
  /** The children are those that there are: a watch would have told otherwise. */
  knowsChildren = false;
  /** The tree's count of moves between its cgroups when its processes were counted: they are still those if nothing else told otherwise. */
  countedAt = -1;
  /** Figures were read, and nothing happened to it or below it since. */
  quiet = false;

  constructor(parent: CgroupNode | undefined, name: string, ino: number, rootPath = '/') {
    this.parent = parent;
    this.name = name;
    this.ino = ino;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
    this.path = parent === undefined ? rootPath : `${parent.path === '/' ? '' : parent.path}/${name}`;
  }

  /** `-errno` when they could not be read. */
  setMembers(members: number[] | number): void {
    this.members = typeof members === 'number' ? [] : members;
    this.memberCount = typeof members === 'number' ? null : members.length;
  }

  setThrottled(throttled: boolean): void {
    if (this.throttled !== throttled) this.row = undefined;
    this.throttled = throttled;
  }

  setPopulated(populated: boolean | null): void {
    if (this.populated !== populated) this.row = undefined;
    this.populated = populated;
    if (populated === false) this.held?.release();
  }

  /** With the number of its watch. What happened before there was one, nothing has told. */
  beginWatch(watch: number, held: HeldFiles): void {
    this.watch = watch;
    this.held = held;
    this.countedAt = -1;
    this.noteChildren();
  }

  endWatch(): void {
    this.held?.release();
    this.held = undefined;
    this.watch = 0;
  }

  setOwner(uid: number): void {
    if (this.uid !== uid) this.row = undefined;
    this.uid = uid;
  }

  /** It was written to, or its kernel file said that something happened. */
  noteEvent(): void {
    this.settingsReadAt = Number.NEGATIVE_INFINITY;
    for (let node: CgroupNode | undefined = this; node?.quiet; node = node.parent) node.quiet = false;
  }

  noteChildren(): void {
    this.knowsChildren = false;
    this.hasChildren = true;
    this.noteEvent();
  }
}
