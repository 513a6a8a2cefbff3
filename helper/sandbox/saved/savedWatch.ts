/** Tells when what is noted of sandboxes changes, since another helper may make, end or remove one: inotify(7). */

import path from 'node:path';
import { Inotify, type InotifyEvent } from '../../kernel/inotify.ts';
import { IN_CREATE, IN_DELETE, IN_IGNORED, IN_MOVED_TO, IN_ONLYDIR, IN_Q_OVERFLOW } from '../../kernel/numbers.ts';
import { logError } from '../../log.ts';
import { folder } from './saved.ts';

export class SavedWatch {
  private readonly changed: () => void;
  private inotify: Inotify | undefined;
  /** Of the folder; negative while there is none. */
  private own = -1;
  /** Of the folder that it is made in, when there is no other. */
  private above = -1;

  constructor(changed: () => void) {
    this.changed = changed;
  }

  /** Nothing runs from now on, or it does. */
  follow(wanted: boolean): void {
    if (wanted === (this.inotify !== undefined)) return;
    if (wanted) this.start();
    else this.stop();
  }

  private start(): void {
    try {
      this.inotify = new Inotify((events) => this.receive(events));
      this.watchFolder();
    } catch (error) {
      // The list is read afresh by every refresh nevertheless.
      logError('the sandboxes of other helpers are not watched', error);
    }
  }

  private stop(): void {
    this.inotify?.dispose();
    this.inotify = undefined;
  }

  /** The folder goes with the last sandbox. */
  private watchFolder(): void {
    if (this.inotify === undefined) return;
    this.own = this.inotify.add(folder(), IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
    if (this.own >= 0) return;
    this.above = this.inotify.add(path.dirname(folder()), IN_CREATE | IN_ONLYDIR);
    // It may have been made before the watch was.
    this.own = this.inotify.add(folder(), IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
    if (this.own >= 0) this.leaveAbove();
  }

  private leaveAbove(): void {
    if (this.above >= 0) this.inotify?.remove(this.above);
    this.above = -1;
  }

  private receive(events: readonly InotifyEvent[]): void {
    const concerns = events.filter((event) => this.concerns(event));
    if (concerns.length === 0) return;
    if (concerns.some(({ watch, mask }) => watch !== this.own || (mask & IN_IGNORED) !== 0)) {
      this.leaveAbove();
      this.watchFolder();
    }
    this.changed();
  }

  private concerns({ watch, mask, name }: InotifyEvent): boolean {
    if ((mask & IN_Q_OVERFLOW) !== 0) return true;
    if (watch === this.own) return true;
    return watch === this.above && name.toString() === path.basename(folder());
  }
}
