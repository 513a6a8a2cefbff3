/** Notices that a container was paused or resumed: whoever does it writes to a file of its cgroup, which inotify(7) tells. */
import fs from 'node:fs';

/** The kernel's default for one user's instances is 128 and more for watches; Node shares one instance among all. */
const MAX_WATCHED = 500;

export class FreezerWatch {
  private readonly onChange: () => void;
  private watchers = new Map<string, fs.FSWatcher>();

  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  /** Watches these files and no others. */
  watch(paths: Iterable<string>): void {
    const wanted = new Set(paths);
    for (const [path, watcher] of this.watchers) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.watchers.delete(path);
    }
    for (const path of wanted) if (!this.watchers.has(path) && this.watchers.size < MAX_WATCHED) this.add(path);
  }

  dispose(): void {
    this.watch([]);
  }

  private add(path: string): void {
    try {
      const watcher = fs.watch(path, { persistent: false }, this.onChange);
      // The cgroup went away, or may not be watched: the slow scan still sees its state.
      watcher.on('error', () => {
        watcher.close();
        if (this.watchers.get(path) === watcher) this.watchers.delete(path);
      });
      this.watchers.set(path, watcher);
    } catch {
      // As above.
    }
  }
}
