/** What a row of the bench is, and how one is measured: ours and the peer in turns, in the same run. */

export interface Row {
  /** Words to select it by on the command line. */
  name: string;
  /** The bound that `value` is held against: a ratio to the peer where there is one, else in `unit`. */
  target: number;
  unit: 'ms' | 'MB' | '%';
  measure(): Promise<Figures>;
}

export interface Figures {
  ours: number;
  /** Absent when the bound is absolute. */
  peer?: number;
}

export interface Result {
  name: string;
  target: number;
  ours: number;
  peer: number | null;
  ratio: number | null;
  unit: Row['unit'];
  holds: boolean;
}

/** Measures a row. A ratio is held against the target where there is a peer, the figure itself where there is none. */
export async function resultOf(row: Row): Promise<Result> {
  const { ours, peer } = await row.measure();
  const ratio = peer === undefined ? null : ours / peer;
  return {
    name: row.name,
    target: row.target,
    ours,
    peer: peer ?? null,
    ratio,
    unit: row.unit,
    holds: (ratio ?? ours) <= row.target,
  };
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
