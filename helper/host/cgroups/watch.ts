/**
 * Notices what happens to cgroups by inotify(7), one watch a directory: cgroups that are created and removed; files that are written (limits,
 * moved processes, a frozen v1 cgroup); and, in v2, what the kernel itself tells of `cgroup.events` and `memory.events`.
 */

import { Inotify, type InotifyEvent } from '../../kernel/inotify.ts';
import {
  ENOENT,
  ENOSPC,
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_IGNORED,
  IN_ISDIR,
  IN_MODIFY,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
} from '../../kernel/numbers.ts';
import { HeldBudget, HeldFiles } from './heldFiles.ts';
import type { CgroupNode } from './node.ts';
import type { Place } from './place.ts';
import { type DirectoryWatch, descending } from './tree.ts';

const MASK = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_ONLYDIR;
/** A watch takes about a kilobyte of the kernel's memory. Those left out are read anew for every list. */
const MAX_WATCHES = 50_000;
/** Written to move processes and threads. */
const MEMBER_FILES = ['cgroup.procs', 'tasks', 'cgroup.threads'].map((name) => Buffer.from(name));
/** Written to thaw or freeze all that is below, which has no event of its own in v1. */
const FREEZER_STATE = Buffer.from('freezer.state');

export interface CgroupWatchCallbacks {
  /** Something that a list shows changed. */
  changed(): void;
  /** Processes or threads were moved into a cgroup of this root, from which others is not told. */
  moved(root: CgroupNode): void;
  /** Events were lost: nothing that is remembered can be relied on. */
  lost(): void;
}

export class CgroupWatch implements DirectoryWatch {
  private readonly inotify: Inotify;
  private readonly callbacks: CgroupWatchCallbacks;
  private readonly nodes = new Map<number, CgroupNode>();
  private readonly budget = new HeldBudget();
  private complete = true;

  /** @throws SyscallError EMFILE when this user has too many instances */
  constructor(callbacks: CgroupWatchCallbacks) {
    this.callbacks = callbacks;
    this.inotify = new Inotify((events) => this.receive(events));
  }

  /** False once a directory could not be watched, mostly since this user has too many watches. */
  get isComplete(): boolean {
    return this.complete;
  }

  add(node: CgroupNode, place: Place): void {
    const watch = this.nodes.size >= MAX_WATCHES ? -ENOSPC : this.inotify.add(place.path, MASK);
    // One that is gone already needs no watch; for any other reason it goes without one.
    if (watch < 0 && watch !== -ENOENT) this.complete = false;
    if (watch < 0) return;
    node.beginWatch(watch, new HeldFiles(this.budget));
    this.nodes.set(watch, node);
  }

  remove(node: CgroupNode): void {
    for (const gone of descending(node)) {
      if (this.nodes.delete(gone.watch)) this.inotify.remove(gone.watch);
      gone.endWatch();
    }
  }

  /** Notes what happened up to now. */
  drain(): void {
    this.inotify.drain();
  }

  dispose(): void {
    this.inotify.dispose();
    for (const node of this.nodes.values()) node.endWatch();
    this.nodes.clear();
  }

  private receive(events: readonly InotifyEvent[]): void {
    let isTold = false;
    for (const { watch, mask, name } of events) {
      if ((mask & IN_Q_OVERFLOW) !== 0) {
        this.callbacks.lost();
        isTold = true;
        continue;
      }
      const node = this.nodes.get(watch);
      if (node === undefined) continue;
      isTold = true;
      if ((mask & IN_IGNORED) !== 0) {
        this.nodes.delete(watch);
        node.endWatch();
      }
      note(node, mask, name);
      if (MEMBER_FILES.some((file) => name.equals(file))) this.callbacks.moved(rootOf(node));
    }
    if (isTold) this.callbacks.changed();
  }
}

function note(node: CgroupNode, mask: number, name: Buffer): void {
  if ((mask & IN_ISDIR) !== 0 && (mask & (IN_CREATE | IN_DELETE)) !== 0) node.noteChildren();
  else node.noteEvent();
  if (name.equals(FREEZER_STATE)) for (const below of descending(node)) below.noteEvent();
}

function rootOf(node: CgroupNode): CgroupNode {
  let root = node;
  while (root.parent !== undefined) root = root.parent;
  return root;
}
