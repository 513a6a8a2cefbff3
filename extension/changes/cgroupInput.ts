/** What a person types for a limit, read into a change: pure functions that say what is wrong with what they cannot read. */
import { l10n } from 'vscode';
import { numberText } from '../words/cgroupWords.ts';

/** What was read, or what is wrong with it in words. */
export type Reading<T> = { value: T } | { problem: string };

export interface Bandwidth {
  /** `null`: no limit. */
  quotaMicros: number | null;
  periodMicros: number;
}

/** Bounds of the kernel: `min_cfs_quota_period`, `max_cfs_quota_period` in kernel/sched/core.c. */
const SHORTEST_QUOTA_MICROS = 1000;
const SHORTEST_PERIOD_MICROS = 1000;
const LONGEST_PERIOD_MICROS = 1_000_000;
/** More than machines have: whoever types 5000 means microseconds, and is asked for the period. */
const MOST_CORES = 4096;

const NUMBER = String.raw`(\d+(?:\.\d+)?|\.\d+)`;
const NO_LIMIT = /^(max|none|unlimited|-1)$/i;

/** "1,000" is one thousand and "1 000" too; a comma between other groups is no number of ours. */
function withoutGrouping(text: string): string {
  return text.trim().replaceAll(/(?<=\d)[, \u00a0\u202f](?=\d{3}(?!\d))/g, '');
}

/**
 * `50 %`, `1.5 cores`, `1.5`, `2000/100000` or `max`. A number alone that is more than the host has CPUs may be meant as either, and is asked about.
 * @param periodMicros the period that a share is made a quota of: the one that holds now
 * @param cpus how many the host has
 */
export function readBandwidth(typed: string, periodMicros: number, cpus: number): Reading<Bandwidth> {
  const text = withoutGrouping(typed);
  if (NO_LIMIT.test(text)) return { value: { quotaMicros: null, periodMicros } };
  const raw = /^(\d+)\s*(?:µs|us)?\s*\/\s*(\d+)\s*(?:µs|us)?$/.exec(text);
  if (raw !== null) return checkedBandwidth(Number(raw[1]), Number(raw[2]));
  const percent = new RegExp(`^${NUMBER}\\s*%$`).exec(text);
  const cores = new RegExp(`^${NUMBER}\\s*(?:cores?|cpus?)?$`, 'i').exec(text);
  if (percent === null && cores === null)
    return { problem: l10n.t('Type a share of one CPU such as 50 %, CPUs such as 1.5 cores, quota/period in µs, or max.') };
  if (percent === null && /^[\d.]+$/.test(text) && Number(text) > cpus)
    return { problem: l10n.t('This host has {0} CPUs. Type {1} % for a share of one, or {1} cores.', cpus, text) };
  const share = percent === null ? Number(cores?.[1]) : Number(percent[1]) / 100;
  return checkedBandwidth(Math.round(share * periodMicros), periodMicros);
}

function checkedBandwidth(quotaMicros: number, periodMicros: number): Reading<Bandwidth> {
  if (periodMicros < SHORTEST_PERIOD_MICROS || periodMicros > LONGEST_PERIOD_MICROS)
    return { problem: l10n.t('The period is to be between 1,000 and 1,000,000 µs.') };
  if (quotaMicros < SHORTEST_QUOTA_MICROS) {
    const least = Math.ceil((SHORTEST_QUOTA_MICROS / periodMicros) * 10_000) / 100;
    return { problem: l10n.t('The kernel accepts 1,000 µs of each period at the least: {0} %.', least) };
  }
  if (quotaMicros / periodMicros > MOST_CORES)
    return { problem: l10n.t('That is more CPUs than machines have. For microseconds type quota/period, for no limit max.') };
  return { value: { quotaMicros, periodMicros } };
}

const BINARY = ['k', 'm', 'g', 't', 'p'];

/** `64 MiB`, `64M`, `1.5g`, `67108864` or `max`. A letter alone is binary, as the kernel reads it; `MB` is decimal. */
export function readBytes(typed: string): Reading<number | null> {
  const text = withoutGrouping(typed);
  if (NO_LIMIT.test(text)) return { value: null };
  const match = new RegExp(`^${NUMBER}\\s*(?:([kmgtp])(i?b)?|b|bytes?)?$`, 'i').exec(text);
  if (match === null) return { problem: l10n.t('Type a size such as 64 MiB or 1.5 GiB, or max for no limit.') };
  const base = match[3]?.toLowerCase() === 'b' ? 1000 : 1024;
  const power = match[2] === undefined ? 0 : BINARY.indexOf(match[2].toLowerCase()) + 1;
  const bytes = Math.round(Number(match[1]) * base ** power);
  if (!Number.isSafeInteger(bytes)) return { problem: l10n.t('That is more than can be counted. Type max for no limit.') };
  return { value: bytes };
}

/** A whole number from `least` to `most`, or `max` where `unlimited`. */
export function readCount(
  typed: string,
  { least, most, unlimited }: { least: number; most: number; unlimited: boolean },
): Reading<number | null> {
  const text = withoutGrouping(typed);
  if (unlimited && NO_LIMIT.test(text)) return { value: null };
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count >= least && count <= most) return { value: count };
  const words = l10n.t('Type a whole number from {0} to {1}', numberText(least), numberText(most));
  return { problem: unlimited ? l10n.t('{0}, or max for no limit.', words) : `${words}.` };
}

/** Longest name of a file, in bytes: `NAME_MAX`. */
const NAME_MAX_BYTES = 255;

/** The name of a new cgroup: one component that the kernel takes. */
export function readCgroupName(typed: string, taken: readonly string[]): Reading<string> {
  if (typed === '') return { problem: l10n.t('Type a name.') };
  if (typed.includes('/')) return { problem: l10n.t('A name has no slash: make the children one after the other.') };
  if (typed === '.' || typed === '..') return { problem: l10n.t('That name means a directory that is there already.') };
  // cgroup_mkdir refuses it, since /proc/PID/cgroup could not be read otherwise.
  if (/[\n\0]/.test(typed)) return { problem: l10n.t('A name has no line break.') };
  if (Buffer.byteLength(typed) > NAME_MAX_BYTES) return { problem: l10n.t('A name has 255 bytes at the most.') };
  if (taken.includes(typed)) return { problem: l10n.t('There is a child of this name already.') };
  return { value: typed };
}
