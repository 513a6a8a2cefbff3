/** Limits of cgroups: in which files they stand, which of the ancestors' binds, and how much is left before it does. */
import { limitOfBytes, numberOfBytes } from '../../proc/cgroupValues.ts';
import type { CgroupRef, Limit } from '../../protocol/cgroups.ts';
import type { Unknown } from '../../protocol/errors.ts';

/** The bytes of a file of one cgroup, valid until the next reading; undefined when there is none or it cannot be read. */
export type ReadFile = (file: string) => Buffer | undefined;

/** Where a limit and what counts against it stand. */
export interface LimitFiles {
  /** The file that holds the limit. */
  file: string;
  /** v1 cpu: the file with the period that the quota is of. */
  period?: string;
  /** What is used of it, with all that is below; undefined where the limit is one of a rate, which is not used up. */
  usage?: string;
}

export const V1_LIMITS = {
  cpu: { file: 'cpu.cfs_quota_us', period: 'cpu.cfs_period_us' },
  memory: { file: 'memory.limit_in_bytes', usage: 'memory.usage_in_bytes' },
  swap: { file: 'memory.memsw.limit_in_bytes', usage: 'memory.memsw.usage_in_bytes' },
  pids: { file: 'pids.max', usage: 'pids.current' },
} as const satisfies Record<string, LimitFiles>;

export const V2_LIMITS = {
  cpu: { file: 'cpu.max' },
  memory: { file: 'memory.max', usage: 'memory.current' },
  swap: { file: 'memory.swap.max', usage: 'memory.swap.current' },
  pids: { file: 'pids.max', usage: 'pids.current' },
} as const satisfies Record<string, LimitFiles>;

export function limitsOfVersion(version: 1 | 2): Record<'cpu' | 'memory' | 'swap' | 'pids', LimitFiles> {
  return version === 1 ? V1_LIMITS : V2_LIMITS;
}

interface OwnLimit {
  /** In cores, bytes or tasks; `null` for none. */
  value: number | null;
  raw: string;
}

/** Undefined when the file is not there, as in the root, or cannot be understood. */
export function ownLimit({ file, period }: LimitFiles, read: ReadFile): OwnLimit | undefined {
  const bytes = read(file);
  if (bytes === undefined) return undefined;
  const raw = bytes.toString('latin1').trim();
  const value = limitOfBytes(bytes);
  if (value === undefined) return undefined;
  if (value === null || !file.startsWith('cpu.')) return { value, raw };
  const periodMicros = period === undefined ? numberOfBytes(bytes, bytes.indexOf(' ') + 1) : periodIn(read(period));
  return periodMicros === undefined || periodMicros === 0 ? undefined : { value: value / periodMicros, raw };
}

function periodIn(bytes: Buffer | undefined): number | undefined {
  return bytes === undefined ? undefined : numberOfBytes(bytes);
}

/** A cgroup of the chain from the one that is asked about up to the root. */
export interface LimitedCgroup {
  ref: CgroupRef;
  read: ReadFile;
  /** Why a file that is there cannot be read. */
  whyUnknown?(file: string): Unknown | undefined;
}

/** Why it cannot be known which limit binds: one that may is there and cannot be read. */
export function whyNoLimit({ file, period }: LimitFiles, chain: readonly LimitedCgroup[]): Unknown | undefined {
  const whys = chain.map(({ whyUnknown }) => whyUnknown?.(file) ?? (period === undefined ? undefined : whyUnknown?.(period)));
  return whys.find((why) => why !== undefined);
}

/**
 * The tightest among a cgroup (the first of the chain) and its ancestors. Every one of them with a limit leaves what its own usage leaves,
 * which counts siblings; the headroom is the least of these. Undefined when the cgroup itself has no such file and none above has.
 */
export function effectiveLimit(files: LimitFiles, chain: readonly LimitedCgroup[]): Limit | undefined {
  const [self] = chain;
  const own = self === undefined ? undefined : ownLimit(files, self.read);
  let effective: Limit['effective'] = null;
  let headroom: number | null = null;
  for (const { ref, read } of chain) {
    const limit = ownLimit(files, read);
    if (typeof limit?.value !== 'number') continue;
    if (effective === null || limit.value < effective.value) {
      effective = { value: limit.value, by: ref, raw: limit.raw, file: files.file };
    }
    const used = files.usage === undefined ? 0 : periodIn(read(files.usage));
    if (used !== undefined) headroom = Math.min(headroom ?? Number.POSITIVE_INFINITY, Math.max(0, limit.value - used));
  }
  if (own === undefined && effective === null) return undefined;
  return { own: own?.value ?? null, raw: own?.raw ?? '', file: files.file, effective, headroom };
}
