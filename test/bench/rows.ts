/**
 * What a row of the bench is, and how one is measured: ours and a peer in the same run, in turns where that can be. Every bound is one on the ratio, so that it
 * says the same on a slow or a busy machine; where nobody else does the same, the peer is something small that the machine is measured by.
 */

export interface Row {
  /** Words to select it by on the command line, the peer among them. */
  name: string;
  /** What the ratio of ours to the peer's may be. */
  target: number;
  unit: 'ms' | 'MB';
  measure(): Promise<Figures>;
}

export interface Figures {
  ours: number;
  peer: number;
}

export interface Result {
  name: string;
  target: number;
  ours: number;
  peer: number;
  ratio: number;
  unit: Row['unit'];
  holds: boolean;
}

export async function resultOf(row: Row): Promise<Result> {
  const { ours, peer } = await row.measure();
  const ratio = ours / peer;
  return { name: row.name, target: row.target, ours, peer, ratio, unit: row.unit, holds: ratio <= row.target };
}

/** Medians of runs in turns, so that what else the machine does hits both alike; the first pair only warms up. */
export async function inTurns(runs: number, ours: () => Promise<void>, peer: () => Promise<void>): Promise<Figures> {
  const times: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  for (let run = 0; run <= runs; run += 1) {
    const one = await millisOf(ours);
    const other = await millisOf(peer);
    if (run === 0) continue;
    times.ours.push(one);
    times.peer.push(other);
  }
  return { ours: median(times.ours), peer: median(times.peer) };
}

export async function millisOf(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
