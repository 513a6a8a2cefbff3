/**
 * Tells when something changes in directories of layers: inotify(7). A change that a container makes is seen in its upper layer when a name
 * comes or goes, and only in what is mounted when the content of a file changes that was copied up before: both are watched.
 *
 * Every directory on the way is watched too: one that a layer does not have yet comes by a change of the one above it.
 */

import { inField } from '../../failure.ts';
import { duplicate } from '../../kernel/files.ts';
import { Inotify, type InotifyEvent } from '../../kernel/inotify.ts';
import { IN_IGNORED, IN_ISDIR, IN_Q_OVERFLOW } from '../../kernel/numbers.ts';
import { log } from '../../log.ts';
import type { LayerPath, LayersWatchParams, OverlayRef } from '../../protocol/layers.ts';
import { readers } from '../../reading/readers.ts';
import { ArmDirectories, type Armed, NAMES, SELF } from './armingJob.ts';
import type { OpenStack } from './fileRequests.ts';
import { namesOf } from './layerPath.ts';

/** At most five notifications a second. */
const NOTIFY_MILLIS = 200;
const MAX_SUBSCRIPTIONS = 16;
const MAX_EARLY = 4096;

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
  /** Those that a subscription has. */
  private readonly wanted = new Set<Watched>();
  private readonly changed = new Set<Watched>();
  private readonly stale = new Set<Watched>();
  /** Searches for directories that are under way, and what was told of watches that they may have made. */
  private arming = 0;
  private readonly early: InotifyEvent[] = [];
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
    for (const [index, { recursive = false, ...directory }] of directories.entries()) {
      inField(['directories', index], () => namesOf(directory.path));
      const key = JSON.stringify([directory, recursive]);
      const watched = before.get(key) ?? { directory, recursive, watches: new Map(), complete: false };
      if (!before.has(key)) added.push(watched);
      after.set(key, watched);
    }
    for (const [key, watched] of before) if (!after.has(key)) this.drop(watched);
    for (const watched of added) this.wanted.add(watched);
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
    this.wanted.clear();
    this.changed.clear();
    this.stale.clear();
    this.early.length = 0;
    this.inotify?.dispose();
    this.inotify = undefined;
  }

  private drop(watched: Watched): void {
    this.wanted.delete(watched);
    this.forget(watched);
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

  /** Finds the directories anew: what is on the way by now, and, if recursive, what is below. */
  private async arm(all: readonly Watched[]): Promise<void> {
    const byOverlay = new Map<string, Watched[]>();
    for (const watched of all) {
      const key = JSON.stringify(watched.directory.overlay);
      const group = byOverlay.get(key);
      if (group === undefined) byOverlay.set(key, [watched]);
      else group.push(watched);
    }
    for (const group of byOverlay.values()) await this.armInOverlay(group[0]!.directory.overlay, group);
  }

  private async armInOverlay(overlay: OverlayRef, group: readonly Watched[]): Promise<void> {
    const wanted = group.map(({ directory: { layer, path }, recursive }) => ({ layer, names: namesOf(path), recursive }));
    this.arming += 1;
    try {
      const all = await readers.ask(ArmDirectories, async () => {
        const opened = await this.openStack(overlay, { merged: true });
        try {
          const inotify = duplicate(this.instance().descriptor);
          return { params: { stack: opened.stack, inotify, wanted }, descriptors: [...opened.handOver(), inotify] };
        } catch (error) {
          // There may be no more instances of inotify, or descriptors.
          opened[Symbol.dispose]();
          throw error;
        }
      });
      for (const [at, watched] of group.entries()) this.take(watched, all[at]!);
    } catch (error) {
      // An overlay that is gone changes no more.
      log('info', `an overlay is not watched: ${String(error)}`);
      for (const watched of group) this.forget(watched);
    } finally {
      this.arming -= 1;
      const early = this.arming === 0 ? this.early.splice(0) : [];
      if (early.length > 0) this.receive(early);
    }
  }

  private take(watched: Watched, { watches, complete }: Armed): void {
    const before = watched.watches;
    if (!this.wanted.has(watched)) {
      for (const watch of watches.keys()) if (!this.users.has(watch)) this.inotify?.remove(watch);
      return;
    }
    watched.watches = watches;
    watched.complete = complete;
    for (const watch of watches.keys()) {
      const users = this.users.get(watch);
      if (users === undefined) this.users.set(watch, new Set([watched]));
      else users.add(watched);
    }
    for (const watch of before.keys()) if (!watches.has(watch)) this.release(watched, watch);
    // What came with a new directory came before it was watched.
    if (before.size > 0 && [...watches.keys()].some((watch) => !before.has(watch))) this.note(watched, false);
  }

  private instance(): Inotify {
    this.inotify ??= new Inotify((events) => this.receive(events));
    return this.inotify;
  }

  private receive(events: readonly InotifyEvent[]): void {
    for (const event of events) {
      if ((event.mask & IN_Q_OVERFLOW) !== 0) this.noteAll();
      else this.receiveOne(event);
    }
  }

  /** What was lost may have been of any of them. */
  private noteAll(): void {
    for (const users of this.users.values()) for (const watched of users) this.note(watched, true);
  }

  private receiveOne(event: InotifyEvent): void {
    const { watch, mask, name } = event;
    const users = this.users.get(watch);
    // Of a watch that is not known here yet: whose it is comes with the others that are looked for.
    if (users === undefined && this.arming > 0 && this.early.length < MAX_EARLY) this.early.push(event);
    for (const watched of users ?? []) this.receiveFor(watched, watch, mask, name);
    if ((mask & IN_IGNORED) === 0) return;
    this.users.delete(watch);
    for (const watched of users ?? []) watched.watches.delete(watch);
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
    // All that was watched may have been given up meanwhile, after which looking for directories began to listen anew.
    if (this.subscriptions.size === 0 && this.arming === 0) this.dispose();
  }
}
