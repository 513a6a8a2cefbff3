/** What a plan says of each mount: what it is, and where it goes. */

import type { InRoot } from '../hostFiles/inRoot.ts';
import type { Cover } from '../hostFiles/systemPaths.ts';
import type { HeldTree } from '../idMaps/heldTrees.ts';

/** Of a file system, as fsconfig(2) takes it. */
export type Option = [key: string, value: string | true];

/** Where something goes: its path inside as asked for, and what it resolves to. */
export interface Place extends InRoot {
  destination: string;
  /** No symbolic link may be on the way: what is mounted there is relied on. */
  strict: boolean;
}

export type PlannedMount = {
  place: Place;
  /** Of what comes with it. */
  covers?: readonly Cover[];
} & (
  | { what: 'new'; type: string; options: Option[]; attributes: number }
  /** From the host. */
  | { what: 'bind'; source: string; isDirectory: boolean; set: number; propagation: number; tree?: HeldTree }
  /** Nodes of devices in the directory; with `own` they are made there, and bound from the host only where that is refused. */
  | { what: 'devices'; devices: readonly Device[]; own: boolean }
  /** A file system that the helper has made, so that it holds the other end of what is in it. */
  | { what: 'held'; descriptor: number; type: string }
  | { what: 'symlink'; target: string }
  /** A regular file of its own with the content of one of the host. */
  | { what: 'copy'; source: string; bytes: number; mode: number }
  /** A file with this content, mounted read-only. */
  | { what: 'content'; content: string }
);

export type BindMount = Extract<PlannedMount, { what: 'bind' }>;

/** A character device. */
export interface Device {
  name: string;
  major: number;
  minor: number;
}
