/**
 * The cgroups of one hierarchy, as last read. While something visible shows them a watch on each directory tells what changed, and only that
 * is read again; otherwise everything is.
 */

import { directoryStatus, O_DIRECTORY, openAt, readNames } from '../../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../../kernel/numbers.ts';
import { textOfName } from '../../proc/fileName.ts';
import { type Needed, noteThreadedDomain, type RowReader, rowReaders, typeIn } from './figures.ts';
import type { Hierarchy, HierarchyMount } from './hierarchies.ts';
import { CgroupNode, NodeFacts } from './node.ts';
import { Place } from './place.ts';

/** Deeper ones are not listed: a container can nest as deep as it likes, and each level costs a descriptor. */
const MAX_DEPTH = 256;
/** More names than these are not kept: everything is counted anew. */
const MAX_DISTURBED = 10_000;
/** No watch tells of what the kernel changes by itself, as when it takes a CPU out of use. */
const SETTINGS_HOLD_MILLIS = 30_000;
/** The kernel reclaims from cgroups without a process too, slowly: their memory is read again after so long. */
const IDLE_MEMORY_HOLD_MILLIS = 5000;

/** Two readings further apart tell of no moment that a person would call now. */
const CLOSE_MILLIS = 10_000;

/** Watches directories; see watch.ts. */
export interface DirectoryWatch {
  /** Sets `node.watch` where it can. Its directory is `place`. */
  add(node: CgroupNode, place: Place): void;
  remove(node: CgroupNode): void;
}

export interface Reading {
  figures: boolean;
  /** Counts the children of each, for changes that no watch has told of. */
  recount?: boolean;
  /** Whether `noteMembers` and `noteMoves` are told of every process that comes to a cgroup or leaves it. */
  hearsMembers?: boolean;
  /** How many cgroups at most. */
  limit: number;
  watch: DirectoryWatch | undefined;
}

export class CgroupTree {
  readonly hierarchy: Hierarchy & { mount: HierarchyMount };
  root: CgroupNode | undefined;
  /** There were more cgroups than are listed. */
  truncated = false;
  /** Some cgroup was about to be frozen when it was read. */
  isFreezing = false;
  private readonly readers: RowReader[];
  /** When figures were last read. */
  private figuresReadAt = Number.NEGATIVE_INFINITY;
  private readonly before = new NodeFacts();
  private readonly hasMemory: boolean;
  /** Paths of cgroups that a process began or ended in since they were counted. */
  private readonly disturbed = new Set<string>();
  /** The cgroups, mostly one, in which a process was counted: of one that ended it may not be known where it was moved to. */
  private readonly countedIn = new Map<number, Set<CgroupNode>>();
  /** How often processes were moved, which names only the cgroup that they came to. */
  private moves = 0;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(hierarchy: Hierarchy & { mount: HierarchyMount }) {
    this.hierarchy = hierarchy;
    this.readers = rowReaders(hierarchy);
    this.hasMemory = hierarchy.controllers.includes('memory');
  }

  /** Readings follow each other: two at once would take what the other found for old. */
  inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.turn.then(action);
    this.turn = result.catch(() => undefined);
    return result;
  }

  /** A process began or ended in the cgroup of this path. */
  noteMembers(path: string): void {
    // The paths of process records are UTF-8: another name cannot be found by it.
    if (path.includes('\ufffd') || this.disturbed.size >= MAX_DISTURBED) this.noteMoves();
    else this.disturbed.add(path);
  }

  /** A process changed, or ended: what it was counted in is counted again. */
  noteProcess(pid: number): void {
    for (const node of this.countedIn.get(pid) ?? []) this.noteMembers(node.path);
    this.countedIn.delete(pid);
  }

  /** Processes were moved from one of its cgroups to another. */
  noteMoves(): void {
    this.disturbed.clear();
    this.moves += 1;
  }

  /**
   * Reads the tree anew, yielding after every cgroup so that others have a turn. How many cgroups there are.
   * Throws the `-errno` of the root directory, as a number, when that cannot be opened.
   */
  *read({ figures, recount = false, hearsMembers = false, limit, watch }: Reading): Generator<void, number> {
    const { mountPoint, root } = this.hierarchy.mount;
    const fd = openAt(AT_FDCWD, mountPoint, O_PATH | O_DIRECTORY);
    if (fd < 0) throw fd;
    const status = directoryStatus(fd, '');
    using place = new Place(undefined, '', fd);
    if (typeof status === 'number') throw status;
    if (recount && this.root !== undefined) this.root.knowsChildren = false;
    if (this.root?.ino !== status.ino || this.root.path !== root) this.root = new CgroupNode(undefined, '', status.ino, root);
    this.root.uid = status.uid;
    const now = performance.now();
    const isClose = now - this.figuresReadAt <= CLOSE_MILLIS;
    if (figures) this.figuresReadAt = now;
    const walk: Walk = { figures, recount, hearsMembers, left: limit, watch, now, isClose };
    this.truncated = false;
    this.isFreezing = false;
    if (watch !== undefined && this.root.watch === 0) watch.add(this.root, place);
    this.readFacts(this.root, place, walk);
    yield* this.readChildren(this.root, place, walk);
    return limit - walk.left;
  }

  private *readChildren(node: CgroupNode, place: Place, walk: Walk): Generator<void, void> {
    if (walk.watch === undefined || node.watch === 0 || !node.knowsChildren) listChildren(node, place, walk.watch);
    let isComplete = true;
    for (const child of node.children) {
      if (walk.left <= 0 || child.depth > MAX_DEPTH) this.truncated = true;
      else if (!walk.recount && this.isSettled(child, walk) && !child.hasChildren) {
        walk.left -= 1;
        child.setThrottled(false);
        continue;
      }
      using childPlace = new Place(place, child.name);
      if (this.truncated || !this.isStillThere(child, childPlace, walk)) {
        child.isLeftOut = true;
        isComplete = false;
        continue;
      }
      walk.left -= 1;
      this.readFacts(child, childPlace, walk);
      yield;
      if (child.hasChildren) yield* this.readChildren(child, childPlace, walk);
      noteThreadedDomain(child);
      // Of v2 the kernel has said so.
      if (this.hierarchy.version === 1) child.setPopulated(populatedByMembers(child));
    }
    if (!isComplete) {
      node.children = node.children.filter(({ isLeftOut }) => !isLeftOut);
      node.knowsChildren = false;
    }
    if (node.type !== 'domain') readTypes(node, place);
    if (node.parent === undefined) node.setPopulated(populatedByMembers(node));
  }

  private isStillThere(node: CgroupNode, place: Place, walk: Walk): boolean {
    const isNew = node.watch === 0;
    if (!isNew && !walk.recount && holds(node, walk)) return true;
    // First the watch: what happens between the two is told twice, and not never.
    if (isNew) walk.watch?.add(node, place);
    const status = place.status();
    if (typeof status === 'number' || status.ino !== node.ino) {
      walk.watch?.remove(node);
      return false;
    }
    node.setOwner(status.uid);
    node.hasChildren = status.links > 2;
    if (status.links - 2 !== node.children.length) node.knowsChildren = false;
    if (!node.hasChildren && node.children.length > 0) node.children = [];
    return true;
  }

  /** Whether nothing of it need be read. */
  private isSettled(node: CgroupNode, walk: Walk): boolean {
    if (!holds(node, walk) || !isIdle(node)) return false;
    return !this.hasMemory || walk.now - node.figuresReadAt < IDLE_MEMORY_HOLD_MILLIS;
  }

  /** What is threaded has members that no event tells of. */
  private knowsMembers(node: CgroupNode, { hearsMembers }: Walk): boolean {
    const isDisturbed = this.disturbed.delete(node.path);
    return hearsMembers && !isDisturbed && node.type === 'domain' && node.countedAt === this.moves;
  }

  private readFacts(node: CgroupNode, place: Place, walk: Walk): void {
    if (this.isSettled(node, walk)) {
      node.setThrottled(false);
      return;
    }
    const settings = !holds(node, walk);
    const members = settings || !this.knowsMembers(node, walk);
    const needed: Needed = { figures: walk.figures, settings, counters: settings || !isIdle(node), members };
    if (needed.counters && members) node.countedAt = this.moves;
    const { throttledPeriods } = node.figures;
    this.before.take(node);
    const counted = node.members;
    for (const read of this.readers) read(node, place, needed);
    if (node.members !== counted) this.noteCounted(node, counted);
    if (this.before.differsFrom(node)) node.row = undefined;
    if (walk.figures) node.setThrottled(walk.isClose && isMore(throttledPeriods, node.figures.throttledPeriods));
    this.isFreezing ||= node.isFreezing;
    if (!walk.figures || node.watch === 0 || node.isFreezing) return;
    node.quiet = true;
    node.figuresReadAt = walk.now;
    if (settings) node.settingsReadAt = walk.now;
  }

  private noteCounted(node: CgroupNode, before: readonly number[]): void {
    for (const pid of before) {
      const nodes = this.countedIn.get(pid);
      if (nodes?.delete(node) === true && nodes.size === 0) this.countedIn.delete(pid);
    }
    for (const pid of node.members) {
      const nodes = this.countedIn.get(pid);
      if (nodes === undefined) this.countedIn.set(pid, new Set([node]));
      else nodes.add(node);
    }
  }
}

/** Of a counter that was not known before nothing can be said. */
function isMore(before: number | undefined, now: number | undefined): boolean {
  return before !== undefined && now !== undefined && now > before;
}

/** Without a process in it or below when that was last looked at, and undisturbed since. */
function isIdle({ quiet, populated }: CgroupNode): boolean {
  return quiet && populated === false;
}

interface Walk {
  figures: boolean;
  recount: boolean;
  hearsMembers: boolean;
  left: number;
  watch: DirectoryWatch | undefined;
  now: number;
  /** The figures of before are recent: what they went on by since says something of now. */
  isClose: boolean;
}

/** Whether what was read of it by itself still is so. */
function holds(node: CgroupNode, { watch, now }: Walk): boolean {
  return watch !== undefined && node.watch !== 0 && now - node.settingsReadAt < SETTINGS_HOLD_MILLIS;
}

/** Next to threaded cgroups there are some that hold nothing until they become threaded too. */
function readTypes(node: CgroupNode, place: Place): void {
  for (const child of node.children) {
    if (child.type !== 'domain') continue;
    using childPlace = new Place(place, child.name);
    child.type = typeIn(childPlace);
    child.row = undefined;
  }
}

/** Those that were known stay, by inode number and name. */
function listChildren(node: CgroupNode, place: Place, watch: DirectoryWatch | undefined): void {
  const entries = readNames(place.fd, '.');
  node.isOpaque = typeof entries === 'number';
  if (typeof entries === 'number') return;
  const before = new Map(node.children.map((child) => [child.ino, child]));
  node.children = [];
  for (const { name, ino, isDirectory } of entries) {
    if (!isDirectory) continue;
    const text = textOfName(name);
    const known = before.get(ino);
    if (known?.name === text) before.delete(ino);
    node.children.push(known?.name === text ? known : new CgroupNode(node, text, ino));
  }
  node.knowsChildren = true;
  for (const left of before.values()) watch?.remove(left);
}

function populatedByMembers({ memberCount, children, isOpaque }: CgroupNode): boolean | null {
  if ((memberCount ?? 0) > 0) return true;
  let isKnown = memberCount !== null && !isOpaque;
  for (const { populated } of children) {
    if (populated) return true;
    isKnown &&= populated !== null;
  }
  return isKnown ? false : null;
}

/** The node and all below it, parents before children. */
export function* descending(node: CgroupNode): Generator<CgroupNode, void> {
  const waiting = [node];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    yield next;
    for (let at = next.children.length - 1; at >= 0; at -= 1) waiting.push(next.children[at]!);
  }
}
