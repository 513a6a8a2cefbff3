/** What a reader thread is asked when directories of layers are to be watched. */
import { IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF, IN_MOVED_FROM, IN_MOVED_TO } from '../../kernel/numbers.ts';
import { job } from '../../reading/job.ts';
import type { Stack } from './merged.ts';

/** Of inotify(7): names in the directory that come and go, and the directory itself. */
export const NAMES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
export const SELF = IN_DELETE_SELF | IN_MOVE_SELF;

interface Wanted {
  layer: number | 'merged';
  names: string[];
  recursive: boolean;
}

export interface Armed {
  /** Of inotify. With a name: a directory on the way, of which only that name matters. */
  watches: Map<number, string | undefined>;
  complete: boolean;
}

/** `inotify` is another descriptor of the instance that hears of the changes. */
export const ArmDirectories = job<{ stack: Stack; inotify: number; wanted: Wanted[] }, Armed[]>('layers.watch');
