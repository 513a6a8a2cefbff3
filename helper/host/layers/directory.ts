/**
 * The names in a directory, or in several that are merged, in order and in bounded memory: the kernel gives them in an order of its own,
 * so each pass over the directory keeps only the least names that were not given yet.
 */

import fs from 'node:fs';
import { reasonOf } from '../../failure.ts';
import { type NameRange, nextNames, openBelow } from '../../kernel/directory.ts';
import { close, O_DIRECTORY } from '../../kernel/files.ts';
import { errnoName } from '../../kernel/libc.ts';
import { DT_REG, EOVERFLOW, EPERM, O_NOATIME } from '../../kernel/numbers.ts';
import type { Unknown } from '../../protocol/errors.ts';
import { OPAQUE_FILE, RESERVED_PREFIX, WHITEOUT_PREFIX } from './marks.ts';
import type { Pace } from './pace.ts';

/** So many entries are read of a directory: of one that has more, which a file system may also invent without an end, the rest is unknown. */
const MOST_ENTRIES = 4 * 1024 * 1024;
/** Names of the first pass over a directory, so that the first rows come at once; and of every further one. */
const FIRST_NAMES = 8192;
const FURTHER_NAMES = 65_536;

const O_NONBLOCK = fs.constants.O_NONBLOCK;

export interface Names {
  /** One character a byte, each once, in the order of their bytes. */
  names: string[];
  /** There are more, after the last of these. */
  more: boolean;
  /** `d_type` of those that are no regular files; absent when they are of several directories. */
  types?: ReadonlyMap<string, number>;
  /** Some directory could not be read, or not to its end. */
  incomplete?: Unknown;
}

/**
 * The least names greater than `after` in these directories (`O_PATH` will do), at most `limit` and a bit. `withWhiteoutFiles`: a file
 * `.wh.name` stands for the name.
 */
export async function leastNames(
  directories: readonly number[],
  after: string,
  withWhiteoutFiles: boolean,
  pace: Pace,
  limit: number = after === '' ? FIRST_NAMES : FURTHER_NAMES,
): Promise<Names> {
  const least = new LeastNames(after, limit);
  let incomplete: Unknown | undefined;
  const take = withWhiteoutFiles ? (name: string) => least.addPlain(plainName(name)) : least.add;
  for (const directory of directories) {
    const result = await readNames(directory, withWhiteoutFiles ? {} : least.range, take, pace);
    if (result < 0) incomplete ??= unknownOf(result);
  }
  const mayRepeat = directories.length > 1 || withWhiteoutFiles;
  return {
    ...least.finish(mayRepeat),
    ...(mayRepeat ? {} : { types: least.types }),
    ...(incomplete === undefined ? {} : { incomplete }),
  };
}

/** The name that a file of fuse-overlayfs or aufs is about; undefined for those that are about their directory. */
function plainName(name: string): string | undefined {
  if (!name.startsWith(WHITEOUT_PREFIX)) return name;
  return name === OPAQUE_FILE || name.startsWith(RESERVED_PREFIX) ? undefined : name.slice(WHITEOUT_PREFIX.length);
}

/** 0, or `-errno`. */
async function readNames(
  directory: number,
  range: NameRange,
  take: (name: string, type: number) => void,
  pace: Pace,
): Promise<number> {
  if (directory < 0) return directory;
  // Opened anew: it begins at the beginning, and another request may be reading the same directory.
  const descriptor = openForReading(directory);
  if (descriptor < 0) return descriptor;
  try {
    for (let read = 0; read < MOST_ENTRIES; ) {
      const result = nextNames(descriptor, range, take);
      if (result <= 0) return result;
      read += result;
      if (pace.isDue) await pace.rest();
    }
    return -EOVERFLOW;
  } finally {
    close(descriptor);
  }
}

/** Looking should leave no trace, so not even the time of access is changed where that may be asked for. */
function openForReading(directory: number): number {
  const descriptor = openBelow(directory, '.', O_DIRECTORY | O_NONBLOCK | O_NOATIME);
  return descriptor === -EPERM ? openBelow(directory, '.', O_DIRECTORY | O_NONBLOCK) : descriptor;
}

export function unknownOf(result: number): Unknown {
  const errno = errnoName(-result);
  return { unknown: reasonOf(errno), errno };
}

class LeastNames {
  private readonly limit: number;
  private names: string[] = [];
  private readonly after: string;
  /** Greater names are not wanted any more. */
  private bound: string | undefined;
  readonly range: NameRange;
  readonly types = new Map<string, number>();

  constructor(after: string, limit: number) {
    this.after = after;
    this.limit = limit;
    this.range = after === '' ? {} : { after: Buffer.from(after, 'latin1') };
  }

  readonly add = (name: string, type: number): void => {
    if (this.bound !== undefined && name > this.bound) return;
    this.names.push(name);
    if (type !== DT_REG) this.types.set(name, type);
    if (this.names.length >= 2 * this.limit) this.cut();
  };

  addPlain(name: string | undefined): void {
    if (name !== undefined && name > this.after) this.add(name, DT_REG);
  }

  private cut(): void {
    this.names = withoutRepeats(this.names.sort());
    if (this.names.length <= this.limit) return;
    this.names.length = this.limit;
    this.bound = this.names.at(-1)!;
    for (const name of this.types.keys()) if (name > this.bound) this.types.delete(name);
    this.range.upTo = Buffer.from(this.bound, 'latin1');
  }

  finish(mayRepeat: boolean): Names {
    const sorted = this.names.sort();
    const names = mayRepeat ? withoutRepeats(sorted) : sorted;
    // What is beyond the bound was not kept, and something was: nothing may be given beyond a gap.
    const more = this.bound !== undefined || names.length > this.limit;
    if (names.length > this.limit) names.length = this.limit;
    return { names, more };
  }
}

function withoutRepeats(sorted: string[]): string[] {
  return sorted.filter((name, at) => name !== sorted[at - 1]);
}
