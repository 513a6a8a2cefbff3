/** Counts the cgroups now and then where not every directory can be watched: another count tells of changes that no watch has told. */
import fs from 'node:fs';
import { parseFlatKeyed } from '../../proc/cgroupValues.ts';
import { hierarchyNamed, UNIFIED } from './hierarchies.ts';

/** Two short files are read each time: 0.05 ms. */
const COUNT_MILLIS = 2000;

export class CgroupReconciliation {
  private readonly isNeeded: () => boolean;
  private readonly onDifference: () => Promise<void>;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private before = counts();

  constructor(isNeeded: () => boolean, onDifference: () => Promise<void>) {
    this.isNeeded = isNeeded;
    this.onDifference = onDifference;
    this.later();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private later(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.compare(), COUNT_MILLIS);
    // A timer never keeps a helper alive whose client has gone.
    this.timer.unref();
  }

  private async compare(): Promise<void> {
    const now = this.isNeeded() ? counts() : this.before;
    if (now !== this.before) {
      this.before = now;
      await this.onDifference().catch(() => undefined);
    }
    this.later();
  }
}

/** Of each v1 hierarchy by `/proc/cgroups`; of v2 by `cgroup.stat` of its root, which counts those that are still dying apart. */
function counts(): string {
  const mount = hierarchyNamed(UNIFIED)?.mount;
  const stat = mount === undefined ? '' : readIfThere(`${mount.mountPoint}/cgroup.stat`);
  return `${readIfThere('/proc/cgroups')}${parseFlatKeyed(stat).get('nr_descendants') ?? ''}`;
}

function readIfThere(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
