/** Pressure stall information: `/proc/pressure/*` and `*.pressure` of a cgroup (Documentation/accounting/psi.rst). */
import type { Pressure } from '../protocol/cgroups.ts';

type Share = Pressure['some'];

/** Undefined when there is no `some` line, which every such file has. */
export function parsePressure(text: string): Pressure | undefined {
  const shares = new Map<string, Share>();
  for (const line of text.split('\n')) {
    const [kind = '', ...pairs] = line.split(' ');
    const values = new Map(pairs.map((pair) => pair.split('=') as [string, string]));
    const number = (key: string) => Number(values.get(key));
    const share = { avg10: number('avg10'), avg60: number('avg60'), avg300: number('avg300'), totalMicros: number('total') };
    if (Object.values(share).every((value) => Number.isFinite(value) && value >= 0)) shares.set(kind, share);
  }
  const some = shares.get('some');
  const full = shares.get('full');
  if (some === undefined) return undefined;
  return full === undefined ? { some } : { some, full };
}
