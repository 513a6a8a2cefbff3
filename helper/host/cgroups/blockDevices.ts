/** Block devices by the names that people know. */
import fs from 'node:fs';
import path from 'node:path';

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
