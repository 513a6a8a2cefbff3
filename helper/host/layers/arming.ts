/** Finding the directories that are to be watched, and watching them: on a reader thread, for all of it asks the file systems of layers. */

import { nextNames, openBelow } from '../../kernel/directory.ts';
import { close, O_DIRECTORY } from '../../kernel/files.ts';
import { addWatch } from '../../kernel/inotify.ts';
import { IN_ATTRIB, IN_CLOSE_WRITE, IN_MODIFY, IN_ONLYDIR, O_PATH } from '../../kernel/numbers.ts';
import type { JobTable } from '../../reading/answering.ts';
import { ArmDirectories, type Armed, NAMES, SELF } from './armingJob.ts';
import type { Part, Stack } from './merged.ts';
import { Pace } from './pace.ts';

const CONTENT = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE;
/** The mask of a watch counts for all who share it, so it is the same for all. */
const MASK = CONTENT | NAMES | SELF | IN_ONLYDIR;

/** Directories that one recursive watch covers; the user's limit (fs.inotify.max_user_watches) is shared by all programs. */
const MAX_RECURSIVE = 2048;
/** Names that are looked at to find them. */
const MAX_NAMES = 50_000;
export function answerLayerWatch(jobs: JobTable): void {
  jobs.on(ArmDirectories, async ({ stack, inotify, wanted }, context) => {
    const all: Armed[] = [];
    for (const { layer, names, recursive } of wanted) {
      const arming = new Arming(inotify, new Pace(context));
      for (const root of rootsOf(stack, layer)) {
        if (root < 0) arming.complete = false;
        else await arming.follow(root, names, recursive);
      }
      all.push({ watches: arming.watches, complete: arming.complete });
    }
    return all;
  });
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
  private readonly inotify: number;
  private readonly pace: Pace;
  private names = 0;

  constructor(inotify: number, pace: Pace) {
    this.inotify = inotify;
    this.pace = pace;
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
    const watch = addWatch(this.inotify, `/proc/self/fd/${directory}`, MASK);
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
        if (this.pace.isDue) await this.pace.rest();
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
