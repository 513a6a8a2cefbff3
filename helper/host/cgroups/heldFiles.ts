/**
 * The counters of a cgroup that has processes are read for every list, so their files stay open while it is watched: opening and closing one
 * costs three times as much as reading it.
 */

import fs from 'node:fs';
import { close, readAgain } from '../../kernel/files.ts';
import { ENODEV, RLIMIT_NOFILE } from '../../kernel/numbers.ts';
import { parseLimits } from '../../proc/limits.ts';
import type { Place } from './place.ts';

/** Each keeps a page of the kernel's memory. */
const MAX_HELD = 2048;

/** How many files may be held yet, by all cgroups together: a part of what the helper may open. */
export class HeldBudget {
  left: number;

  constructor() {
    const limits = parseLimits(fs.readFileSync('/proc/self/limits', 'utf8'));
    const soft = limits.find(({ resource }) => resource === RLIMIT_NOFILE)?.soft ?? 0n;
    this.left = soft > BigInt(4 * MAX_HELD) ? MAX_HELD : Number(soft / 4n);
  }
}

/** Files of one cgroup. */
export class HeldFiles {
  private readonly budget: HeldBudget;
  private readonly descriptors = new Map<string, number>();

  constructor(budget: HeldBudget) {
    this.budget = budget;
  }

  /** The bytes, valid until the next reading, or `-errno`. `place` is its directory. */
  read(place: Place, file: string): Buffer | number {
    const held = this.descriptors.get(file) ?? this.open(place, file);
    if (held === undefined) return place.read(file);
    if (held < 0) return held;
    const bytes = readAgain(held);
    if (bytes !== -ENODEV) return bytes;
    // Its controller was switched off, and perhaps on again, which makes another file.
    this.release();
    return place.read(file);
  }

  /** Undefined when no more may be held; `-errno`. */
  private open(place: Place, file: string): number | undefined {
    if (this.budget.left <= 0) return undefined;
    const descriptor = place.open(file);
    if (descriptor < 0) return descriptor;
    this.budget.left -= 1;
    this.descriptors.set(file, descriptor);
    return descriptor;
  }

  release(): void {
    for (const descriptor of this.descriptors.values()) close(descriptor);
    this.budget.left += this.descriptors.size;
    this.descriptors.clear();
  }
}
