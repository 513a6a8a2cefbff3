/** Block devices: the names that people know them by, and whether cgroups of v1 count what they do. */
import fs from 'node:fs';
import path from 'node:path';
import { parseBlkio } from '../../proc/cgroupValues.ts';
import { hierarchyWith } from './hierarchies.ts';

/** A number is seldom given to another device; samples ask every second. */
const NAME_HOLD_MILLIS = 10_000;
const MAX_NAMES = 1000;

const known = new Map<string, { name: string | undefined; until: number }>();

/** `sda` for `8:0`; undefined when there is no such device any more. */
export function blockDeviceName(device: string): string | undefined {
  const before = known.get(device);
  const now = performance.now();
  if (before !== undefined && now < before.until) return before.name;
  if (known.size >= MAX_NAMES) known.clear();
  const name = readName(device);
  known.set(device, { name, until: now + NAME_HOLD_MILLIS });
  return name;
}

/** `/sys/dev/block/8:0` leads to the device's folder. */
function readName(device: string): string | undefined {
  if (!/^[0-9]+:[0-9]+$/.test(device)) return undefined;
  try {
    return path.basename(fs.readlinkSync(`/sys/dev/block/${device}`));
  } catch {
    return undefined;
  }
}

const COUNTING_HOLD_MILLIS = 2000;

let uncounted: { disks: string[]; until: number } = { disks: [], until: Number.NEGATIVE_INFINITY };

/**
 * Disks, as `8:0`, that were used since boot and of which v1's `blkio.throttle.io_*` count nothing: since Linux 6.10 blk-throttle begins with a
 * disk's first rule in any cgroup (blk_throtl_init() in block/blk-throttle.c). What counts is listed in the file of the root, which has every disk.
 * What a cgroup did there is unknown, not nothing.
 */
export function uncountedDisks(): readonly string[] {
  const now = performance.now();
  if (now >= uncounted.until) uncounted = { disks: readUncounted(), until: now + COUNTING_HOLD_MILLIS };
  return uncounted.disks;
}

function readUncounted(): string[] {
  const root = hierarchyWith('blkio')?.mount?.mountPoint;
  if (root === undefined) return [];
  const files = ['blkio.throttle.io_service_bytes', 'blkio.throttle.io_service_bytes_recursive'];
  const counted = new Set(files.flatMap((file) => [...parseBlkio(readIfThere(path.join(root, file))).keys()]));
  return usedDisks().filter((device) => !counted.has(device));
}

/**
 * proc(5), `/proc/diskstats`: the fourth field is the reads, the eighth the writes, that were completed. Partitions, and devices that lie on others
 * (device mapper, loop), are left out: what is done on them is done, and counted, on the disk below.
 */
function usedDisks(): string[] {
  return readIfThere('/proc/diskstats')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , reads = '0', , , , writes = '0']) => reads !== '0' || writes !== '0')
    .map(([major, minor]) => `${major}:${minor}`)
    .filter((device) => !liesOnOther(`/sys/dev/block/${device}`));
}

function liesOnOther(folder: string): boolean {
  if (['partition', 'loop/backing_file'].some((file) => fs.existsSync(path.join(folder, file)))) return true;
  try {
    return fs.readdirSync(path.join(folder, 'slaves')).length > 0;
  } catch {
    return false;
  }
}

function readIfThere(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
