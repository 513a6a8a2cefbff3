/** The block devices whose throughput a specification limits. */
import fs from 'node:fs';
import { Failure, inField } from '../../failure.ts';
import type { SandboxResources } from '../../protocol/sandboxes.ts';
import { said } from '../../saying.ts';

/** `major:minor` by each path that names one. Throws a `Failure` for what is none. */
export function blockDevices(resources: SandboxResources | undefined): Map<string, string> {
  const numbers = new Map<string, string>();
  for (const [index, { device }] of (resources?.blockIO ?? []).entries())
    if (device.startsWith('/'))
      numbers.set(
        device,
        inField(['blockIO', index, 'device'], () => numberOf(device)),
      );
  return numbers;
}

function numberOf(device: string): string {
  const stat = fs.statSync(device, { throwIfNoEntry: false });
  if (stat?.isBlockDevice()) return `${(stat.rdev >> 8) & 0xfff}:${(stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00)}`;
  throw new Failure('invalid', said('isNoBlockDevice', device), { path: device });
}
