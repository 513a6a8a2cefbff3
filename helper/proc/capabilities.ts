/** The bits of `CapEff` and its like: capabilities(7). */
import { CAPABILITIES } from '../protocol/capabilities.ts';

/** A capability newer than this list is shown as capsh(1) does: by its number, `CAP_41`. */
export function capabilityNames(mask: bigint): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit += 1) {
    if ((mask >> BigInt(bit)) & 1n) names.push(CAPABILITIES[bit] ?? `CAP_${bit}`);
  }
  return names;
}

/** The bit of a capability by its name, whatever its case and with or without `CAP_`; undefined for one that is not known. */
export function capabilityBit(name: string): number | undefined {
  const upper = name.toUpperCase();
  const bit = CAPABILITIES.indexOf(upper.startsWith('CAP_') ? upper : `CAP_${upper}`);
  return bit === -1 ? undefined : bit;
}
