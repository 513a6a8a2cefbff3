/** The cgroups of this host, hierarchy by hierarchy: what `cgroups/list` answers, and the watch that keeps it true. */
import { Failure, unknownFrom } from '../../failure.ts';
import type { Cgroup, CgroupRef, CgroupsInspectResult, CgroupsListParams, CgroupsListResult } from '../../protocol/cgroups.ts';
import type { Unknown } from '../../protocol/errors.ts';
import { said } from '../../saying.ts';
import type { ProcessRecord } from '../processRecord.ts';
import { unreadable } from '../unreadable.ts';
import { userNames } from '../users.ts';
import { answers } from './directory.ts';
import { describeHierarchy, type Hierarchy, modeOf, readHierarchies } from './hierarchies.ts';
import { inspectCgroup } from './inspect.ts';
import type { CgroupNode } from './node.ts';
import type { CgroupOwners, Owner } from './ownCgroups.ts';
import { CgroupReconciliation } from './reconciliation.ts';
import { containersAtRisk } from './risks.ts';
import { type RowContext, rowOf } from './row.ts';
import { CgroupTree, descending, type Reading } from './tree.ts';
import { CgroupWatch } from './watch.ts';

/** How long a reading runs before it lets requests and terminals have a turn. */
const TURN_MILLIS = 15;
/** The clock is looked at after so many. */
const TURN_CGROUPS = 16;
/** Thirteen hierarchies of 5,000 are 65,000, at about 200 bytes in the answer. */
const MAX_LISTED = 100_000;
/** File systems are mounted seldom: while lists follow each other, what is mounted is read so often. */
const MOUNTS_HOLD_MILLIS = 2000;
const FREEZING_LOOK_MILLIS = 100;

/** What the rest of the host tells of containers. */
export interface HostContainers {
  cgroupOwners(): Promise<CgroupOwners>;
  readonly hearsProcesses: boolean;
  onProcess(listener: (process: ProcessRecord) => void, lost: () => void): void;
}

export class CgroupList {
  private readonly host: HostContainers;
  private readonly notify: () => void;
  private hierarchies: Hierarchy[] = [];
  private hierarchiesReadAt = Number.NEGATIVE_INFINITY;
  private readonly trees = new Map<string, CgroupTree>();
  private watching: CgroupWatch | undefined;
  private reconciliation: CgroupReconciliation | undefined;

  /** `notify` is called when something that a list shows changed, while that is watched. */
  constructor(host: HostContainers, notify: () => void) {
    this.host = host;
    this.notify = notify;
    host.onProcess(
      (process) => this.noteProcess(process),
      () => this.recount(),
    );
  }

  /** Begins or ends watching. Nothing runs in between lists unless it is on. */
  watch(wanted: boolean): void {
    if (wanted === (this.reconciliation !== undefined)) return;
    this.reconciliation?.stop();
    this.watching?.dispose();
    this.reconciliation = undefined;
    this.watching = undefined;
    if (!wanted) return;
    this.watching = openWatch({
      changed: this.notify,
      moved: (root) => this.noteMoves(root),
      lost: () => this.forget(),
    });
    this.reconciliation = new CgroupReconciliation(
      () => this.watching?.isComplete !== true,
      () => this.reconcile(),
    );
  }

  async list({ hierarchy: name, figures = true }: CgroupsListParams): Promise<CgroupsListResult> {
    const all = this.currentHierarchies();
    const wanted = all.filter(({ hierarchy }) => name === undefined || hierarchy === name);
    if (name !== undefined && wanted.length === 0) {
      throw new Failure('notFound', said('noSuchHierarchy', name), { hint: said('refreshView') });
    }
    const owners = await this.host.cgroupOwners();
    const listed = await this.readTrees(wanted, figures);
    if (listed.trees.some(({ isFreezing }) => isFreezing)) this.tellAgain();
    const context = contextOf(owners, figures);
    return {
      mode: modeOf(all),
      hierarchies: all.map(describeHierarchy),
      cgroups: listed.trees.flatMap((tree) => rowsOf(tree, { ...context, hierarchy: tree.hierarchy.hierarchy })),
      unreadable: listed.unreadable,
      truncated: listed.trees.some(({ truncated }) => truncated),
    };
  }

  async inspect(ref: CgroupRef): Promise<CgroupsInspectResult> {
    const owners = await this.host.cgroupOwners();
    return inspectCgroup(ref, { ...contextOf(owners, true), hierarchy: ref.hierarchy });
  }

  /** For what is about to change without an event. */
  private tellAgain(): void {
    setTimeout(() => {
      if (this.reconciliation !== undefined) this.notify();
    }, FREEZING_LOOK_MILLIS).unref();
  }

  private currentHierarchies(): Hierarchy[] {
    const now = performance.now();
    if (this.reconciliation === undefined || now - this.hierarchiesReadAt > MOUNTS_HOLD_MILLIS) {
      this.hierarchies = readHierarchies();
      this.hierarchiesReadAt = now;
    }
    return this.hierarchies;
  }

  private async readTrees(
    hierarchies: readonly Hierarchy[],
    figures: boolean,
    recount = false,
  ): Promise<{ trees: CgroupTree[]; unreadable: CgroupsListResult['unreadable'] }> {
    const trees: CgroupTree[] = [];
    const unreadable: CgroupsListResult['unreadable'] = [];
    const { hearsProcesses: hearsMembers } = this.host;
    let left = MAX_LISTED;
    for (const hierarchy of hierarchies) {
      const tree = this.treeOf(hierarchy);
      const why =
        tree === undefined
          ? NOT_SEEN
          : await this.read(tree, { figures, recount, hearsMembers, limit: left, watch: this.watching });
      if (typeof why === 'number') {
        trees.push(tree!);
        left -= why;
      } else unreadable.push({ hierarchy: hierarchy.hierarchy, why });
    }
    return { trees, unreadable };
  }

  /** How many cgroups there are, or why they cannot be looked into. */
  private read(tree: CgroupTree, reading: Reading): Promise<number | Unknown> {
    return tree.inTurn(async () => {
      try {
        await answers(tree.hierarchy.mount.mountPoint);
        // What was written a moment ago is not told yet, and would be taken from what is remembered.
        this.watching?.drain();
        return await inTurns(tree.read(reading));
      } catch (error) {
        if (typeof error === 'number') return unreadable(error);
        if (error instanceof Failure) return unknownFrom(error);
        throw error;
      }
    });
  }

  /** Undefined when it is mounted nowhere that the helper sees, or the mount hides its own part. */
  private treeOf(hierarchy: Hierarchy): CgroupTree | undefined {
    const { mount } = hierarchy;
    const known = this.trees.get(hierarchy.hierarchy);
    if (mount === undefined) return undefined;
    if (known?.hierarchy.mount.mountPoint === mount.mountPoint && isAlike(known.hierarchy, hierarchy)) return known;
    if (known?.root !== undefined) this.watching?.remove(known.root);
    const tree = new CgroupTree({ ...hierarchy, mount });
    this.trees.set(hierarchy.hierarchy, tree);
    return tree;
  }

  /** What is remembered may be wrong: read everything again. */
  private forget(): void {
    for (const { root } of this.trees.values())
      if (root !== undefined) for (const node of descending(root)) node.noteChildren();
  }

  /** Where it is now, and where it was counted: no event tells what was moved, and in v1 each thread may be in another cgroup. */
  private noteProcess({ pid, membership }: ProcessRecord): void {
    for (const tree of this.trees.values()) tree.noteProcess(pid);
    for (const { hierarchy, path } of membership.cgroups) this.trees.get(hierarchy)?.noteMembers(path);
  }

  /** Processes may have come and gone untold. */
  private recount(): void {
    for (const tree of this.trees.values()) tree.noteMoves();
  }

  private noteMoves(root: CgroupNode): void {
    for (const tree of this.trees.values()) if (tree.root === root) tree.noteMoves();
  }

  /** Cgroups that came and went where no watch tells, since this user has too many. */
  private async reconcile(): Promise<void> {
    const before = this.inodes();
    for (const { root } of this.trees.values())
      if (root !== undefined) for (const node of descending(root)) node.knowsChildren = false;
    await this.readTrees(readHierarchies(), false);
    if (this.reconciliation !== undefined && before !== undefined && this.inodes() !== before) this.notify();
  }

  /** Undefined before the first list. */
  private inodes(): string | undefined {
    if (this.trees.size === 0) return undefined;
    const counts: number[] = [];
    for (const { root } of this.trees.values()) {
      let sum = 0;
      if (root !== undefined) for (const { ino } of descending(root)) sum += ino;
      counts.push(sum);
    }
    return counts.join();
  }
}

const NOT_SEEN: Unknown = { unknown: 'unsupported' };

function isAlike(one: Hierarchy, other: Hierarchy): boolean {
  return one.controllers.join() === other.controllers.join() && one.id === other.id;
}

function openWatch(callbacks: ConstructorParameters<typeof CgroupWatch>[0]): CgroupWatch | undefined {
  try {
    return new CgroupWatch(callbacks);
  } catch {
    // This user has no inotify instance left: lists are read anew, and the reconciliation finds what changed.
    return undefined;
  }
}

async function inTurns<T>(reading: Generator<void, T>): Promise<T> {
  let turnEnds = performance.now() + TURN_MILLIS;
  for (let count = 1; ; count += 1) {
    const step = reading.next();
    if (step.done === true) return step.value;
    if (count % TURN_CGROUPS !== 0 || performance.now() < turnEnds) continue;
    await new Promise((resolve) => setImmediate(resolve));
    turnEnds = performance.now() + TURN_MILLIS;
  }
}

function rowsOf(tree: CgroupTree, context: RowContext): Cgroup[] {
  const rows: Cgroup[] = [];
  if (tree.root !== undefined) for (const node of descending(tree.root)) rows.push(rowOf(node, context));
  return rows;
}

function contextOf(owners: CgroupOwners, figures: boolean): Omit<RowContext, 'hierarchy'> {
  return { figures, owners, atRisk: atRisk(owners), userName: userNames() };
}

function atRisk(owners: CgroupOwners): RowContext['atRisk'] {
  const leaders = new Map<string, Owner>();
  for (const owner of owners.values()) leaders.set(owner.key, owner);
  return containersAtRisk(leaders.values());
}
