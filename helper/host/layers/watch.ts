/**
 * Tells when something changes in directories of layers: inotify(7). A change that a container makes is seen in its upper layer when a name
 * comes or goes, and only in what is mounted when the content of a file changes that was copied up before: both are watched.
 *
 * Every directory on the way is watched too: one that a layer does not have yet comes by a change of the one above it.
 */
import { nextNames, openBelow } from '../../kernel/directory.ts';
import { close, O_DIRECTORY, O_PATH } from '../../kernel/files.ts';
import {
  IN_ATTRIB,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  Inotify,
  type InotifyEvent,
} from '../../kernel/inotify.ts';
import { log } from '../../log.ts';
import type { LayerPath, LayersWatchParams, OverlayRef } from '../../protocol/layers.ts';
import type { OpenStack } from './fileRequests.ts';
import { namesOf } from './layerPath.ts';
import type { Part, Stack } from './merged.ts';

const CONTENT = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE;
const NAMES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
const SELF = IN_DELETE_SELF | IN_MOVE_SELF;
/** The mask of a watch counts for all who share it, so it is the same for all. */
const MASK = CONTENT | NAMES | SELF | IN_ONLYDIR;

/** At most five notifications a second. */
const NOTIFY_MILLIS = 200;
/** Directories that one recursive watch covers; the user's limit (fs.inotify.max_user_watches) is shared by all programs. */
const MAX_RECURSIVE = 2048;
/** Names that are looked at to find them. */
const MAX_NAMES = 50_000;
/** After so many, others have a turn. */
const TURN_NAMES = 500;
const MAX_SUBSCRIPTIONS = 16;

/** A directory that somebody asked to be told of. */
interface Watched {
  directory: LayerPath;
  recursive: boolean;
  /** Of inotify. With a name: a directory on the way, of which only that name matters. */
  watches: Map<number, string | undefined>;
  complete: boolean;
}

export type ChangedSink = (params: { subscription: string; directories: LayerPath[] }) => void;

export class LayerWatches {
  private readonly openStack: OpenStack;
  private readonly tell: ChangedSink;
  private readonly subscriptions = new Map<string, Map<string, Watched>>();
  private readonly users = new Map<number, Set<Watched>>();
  private readonly changed = new Set<Watched>();
  private readonly stale = new Set<Watched>();
  private inotify: Inotify | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lastTold = -NOTIFY_MILLIS;

  constructor(openStack: OpenStack, tell: ChangedSink) {
    this.openStack = openStack;
    this.tell = tell;
  }

  /** Replaces what the subscription watched. What it goes on watching is watched all the time. */
  async watch({ subscription, directories }: LayersWatchParams): Promise<{ complete: boolean }> {
    const before = this.subscriptions.get(subscription) ?? new Map<string, Watched>();
    if (before.size === 0 && directories.length > 0 && this.subscriptions.size >= MAX_SUBSCRIPTIONS) return { complete: false };
    const after = new Map<string, Watched>();
    const added: Watched[] = [];
    for (const { recursive = false, ...directory } of directories) {
      namesOf(directory.path);
      const key = JSON.stringify([directory, recursive]);
      const watched = before.get(key) ?? { directory, recursive, watches: new Map(), complete: false };
      if (!before.has(key)) added.push(watched);
      after.set(key, watched);
    }
    for (const [key, watched] of before) if (!after.has(key)) this.forget(watched);
    if (after.size === 0) this.subscriptions.delete(subscription);
    else this.subscriptions.set(subscription, after);
    await this.arm(added);
    if (this.subscriptions.size === 0) this.dispose();
    return { complete: [...after.values()].every(({ complete }) => complete) };
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.subscriptions.clear();
    this.users.clear();
    this.changed.clear();
    this.stale.clear();
    this.inotify?.dispose();
    this.inotify = undefined;
  }

  private forget(watched: Watched): void {
    for (const watch of watched.watches.keys()) this.release(watched, watch);
    watched.watches.clear();
    this.changed.delete(watched);
    this.stale.delete(watched);
  }

  private release(watched: Watched, watch: number): void {
    const users = this.users.get(watch);
    users?.delete(watched);
    if (users?.size !== 0) return;
    this.users.delete(watch);
    this.inotify?.remove(watch);
  }

  /** Whether a subscription has it still. */
  private isWanted(watched: Watched): boolean {
    return [...this.subscriptions.values()].some((all) => [...all.values()].includes(watched));
  }

  /** Finds the directories anew: what is on the way by now, and, if recursive, what is below. */
  private async arm(all: readonly Watched[]): Promise<void> {
    const byOverlay = new Map<string, Watched[]>();
    for (const watched of all) {
      const key = JSON.stringify(watched.directory.overlay);
      byOverlay.set(key, [...(byOverlay.get(key) ?? []), watched]);
    }
    for (const group of byOverlay.values()) await this.armInOverlay(group[0]!.directory.overlay, group);
  }

  private async armInOverlay(overlay: OverlayRef, group: readonly Watched[]): Promise<void> {
    try {
      using opened = await this.openStack(overlay, { merged: true });
      for (const watched of group) if (this.isWanted(watched)) await this.armOne(watched, opened.stack);
    } catch (error) {
      // An overlay that is gone changes no more.
      log('info', `an overlay is not watched: ${String(error)}`);
      for (const watched of group) this.forget(watched);
    }
  }

  private async armOne(watched: Watched, stack: Stack): Promise<void> {
    const arming = new Arming(this.instance());
    for (const root of rootsOf(stack, watched.directory.layer)) {
      if (root < 0) arming.complete = false;
      else await arming.follow(root, namesOf(watched.directory.path), watched.recursive);
    }
    const before = watched.watches;
    if (!this.isWanted(watched)) {
      for (const watch of arming.watches.keys()) if (!this.users.has(watch)) this.inotify?.remove(watch);
      return;
    }
    watched.watches = arming.watches;
    watched.complete = arming.complete;
    for (const watch of arming.watches.keys()) {
      const users = this.users.get(watch);
      if (users === undefined) this.users.set(watch, new Set([watched]));
      else users.add(watched);
    }
    for (const watch of before.keys()) if (!arming.watches.has(watch)) this.release(watched, watch);
    // What came with a new directory came before it was watched.
    if (before.size > 0 && [...arming.watches.keys()].some((watch) => !before.has(watch))) this.note(watched, false);
  }

  private instance(): Inotify {
    this.inotify ??= new Inotify((events) => this.receive(events));
    return this.inotify;
  }

  private receive(events: readonly InotifyEvent[]): void {
    for (const { watch, mask, name } of events) {
      if ((mask & IN_Q_OVERFLOW) !== 0) {
        for (const users of this.users.values()) for (const watched of users) this.note(watched, true);
        continue;
      }
      const users = this.users.get(watch);
      for (const watched of users ?? []) this.receiveFor(watched, watch, mask, name);
      if ((mask & IN_IGNORED) === 0) continue;
      this.users.delete(watch);
      for (const watched of users ?? []) watched.watches.delete(watch);
    }
  }

  private receiveFor(watched: Watched, watch: number, mask: number, name: Buffer): void {
    const awaited = watched.watches.get(watch);
    const ended = (mask & (IN_IGNORED | SELF)) !== 0;
    const isDirectory = (mask & NAMES) !== 0 && (mask & IN_ISDIR) !== 0;
    if (awaited === undefined) this.note(watched, ended || (watched.recursive && isDirectory));
    else if (ended || ((mask & NAMES) !== 0 && name.toString('latin1') === awaited)) this.note(watched, true);
  }

  private note(watched: Watched, stale: boolean): void {
    this.changed.add(watched);
    if (stale) this.stale.add(watched);
    if (this.timer !== undefined) return;
    const wait = Math.max(0, this.lastTold + NOTIFY_MILLIS - performance.now());
    this.timer = setTimeout(() => void this.flush(), wait);
    this.timer.unref();
  }

  private async flush(): Promise<void> {
    const stale = [...this.stale];
    this.stale.clear();
    await this.arm(stale);
    this.timer = undefined;
    this.lastTold = performance.now();
    const changed = new Set(this.changed);
    this.changed.clear();
    for (const [subscription, all] of this.subscriptions) {
      const directories = [...all.values()].filter((watched) => changed.has(watched)).map(({ directory }) => directory);
      if (directories.length > 0) this.tell({ subscription, directories });
    }
    // What became stale while the others were looked for.
    for (const watched of this.stale) this.note(watched, true);
  }
}

/** What tells of changes in a layer: its directory; for what the container changes, the upper layer's and what is mounted. */
function rootsOf({ roots, dataRoots, merged }: Stack, layer: number | 'merged'): number[] {
  const of = (index: number): number[] =>
    [...roots, ...dataRoots].filter((part: Part) => part.layer === index).map(({ descriptor }) => descriptor);
  const own = of(layer === 'merged' ? 0 : layer);
  return (layer === 'merged' || layer === 0) && merged !== undefined ? [merged, ...own] : own;
}

/** One search for the directories to watch. */
class Arming {
  readonly watches = new Map<number, string | undefined>();
  complete = true;
  private readonly inotify: Inotify;
  private names = 0;

  constructor(inotify: Inotify) {
    this.inotify = inotify;
  }

  /** Watches the directories on the way as far as there are any, and the one at its end. */
  async follow(root: number, names: readonly string[], recursive: boolean): Promise<void> {
    let directory = openBelow(root, '.', O_PATH | O_DIRECTORY);
    for (const name of names) {
      // Watched before the name is looked up: so it cannot come in between unseen.
      if (directory < 0 || !this.add(directory, name)) break;
      const next = openBelow(directory, name, O_PATH | O_DIRECTORY);
      close(directory);
      directory = next;
    }
    if (directory < 0) return;
    try {
      if (this.add(directory, undefined) && recursive) await this.descend(directory);
    } finally {
      close(directory);
    }
  }

  private add(directory: number, name: string | undefined): boolean {
    const watch = this.inotify.add(`/proc/self/fd/${directory}`, MASK);
    if (watch < 0) this.complete = false;
    // A directory that is the end of one way may be on another: then all in it matters.
    else if (!this.watches.has(watch) || name === undefined) this.watches.set(watch, name);
    return watch >= 0;
  }

  /** The directories below, level by level, so that a bound leaves out the deepest. */
  private async descend(root: number): Promise<void> {
    let level = ['.'];
    while (level.length > 0) {
      const below: string[] = [];
      for (const path of level) for (const name of await this.directoriesIn(root, path)) below.push(name);
      level = below;
    }
  }

  private async directoriesIn(root: number, path: string): Promise<string[]> {
    const found: string[] = [];
    const listing = openBelow(root, path, O_DIRECTORY);
    if (listing < 0) return found;
    try {
      const names: string[] = [];
      while (names.length < MAX_NAMES && nextNames(listing, {}, (name) => names.push(name)) > 0);
      for (const name of names) {
        if (this.names >= MAX_NAMES || this.watches.size >= MAX_RECURSIVE) {
          this.complete = false;
          break;
        }
        this.names += 1;
        if (this.names % TURN_NAMES === 0) await new Promise((resolve) => setImmediate(resolve));
        const directory = openBelow(listing, name, O_PATH | O_DIRECTORY);
        if (directory < 0) continue;
        if (this.add(directory, undefined)) found.push(`${path}/${name}`);
        close(directory);
      }
    } finally {
      close(listing);
    }
    return found;
  }
}
