/**
 * The formats of cgroup files: Documentation/admin-guide/cgroup-v2.rst ("Format"), and what v1 writes in its own ways. What cannot be
 * understood is left out, never taken for a zero.
 */

/**
 * From here on a v1 limit means none: PAGE_COUNTER_MAX in bytes is 2^63 less one page, or, for huge pages, less one of those, which have up to 16 GiB.
 * No machine has as much.
 */
export const NO_LIMIT = 2 ** 62;

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const LETTER_M = 0x6d;

/**
 * One number at the start of the bytes: `undefined` when there is none there, `null` for what stands for no limit (`max`, `-1`, v1's
 * 9223372036854771712). It makes no string, for it is called for every row.
 */
export function limitOfBytes(bytes: Uint8Array): number | null | undefined {
  const first = bytes[0];
  if (first === LETTER_M || first === MINUS) return null;
  const value = numberOfBytes(bytes);
  return value === undefined || value < NO_LIMIT ? value : null;
}

/** So many digits are exact in a double, and so are the steps to them. */
const EXACT_DIGITS = 15;

/** The natural number at `from`; `undefined` when there is none. Past 2^53 it is the nearest double. */
export function numberOfBytes(bytes: Uint8Array, from = 0): number | undefined {
  let value = 0;
  let at = from;
  for (; at < bytes.length; at += 1) {
    const digit = bytes[at]!;
    if (digit < ZERO || digit > NINE) break;
    value = value * 10 + digit - ZERO;
  }
  if (at - from > EXACT_DIGITS) return Number(Buffer.from(bytes.subarray(from, at)).toString('latin1'));
  return at === from ? undefined : value;
}

/** The number after `key ` at the start of a line of a flat keyed file (`cpu.stat`, `memory.stat`). */
export function numberOfKey(bytes: Buffer, key: string): number | undefined {
  const wanted = `${key} `;
  for (let at = bytes.indexOf(wanted); at !== -1; at = bytes.indexOf(wanted, at + 1)) {
    if (at === 0 || bytes[at - 1] === 0x0a) return numberOfBytes(bytes, at + wanted.length);
  }
  return undefined;
}

/** As `limitOfBytes`, of text. */
export function parseLimit(text: string): number | null | undefined {
  return limitOfBytes(Buffer.from(text.trim(), 'latin1'));
}

/** A whole number, with its sign. */
export function parseInteger(text: string): number | undefined {
  return /^\s*-?[0-9]+\s*$/.test(text) ? Number(text) : undefined;
}

/** `key value` a line. */
export function parseFlatKeyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [key, value] = line.split(' ');
    if (key !== undefined && value !== undefined && /^-?[0-9]+$/.test(value)) values.set(key, Number(value));
  }
  return values;
}

/** v2 `cpu.max`: `max 100000` or `2000 100000`. A period alone, as some write it, is none. */
export function parseCpuMax(text: string): { quotaMicros: number | null; periodMicros: number } | undefined {
  const [quota = '', period = ''] = text.trim().split(/\s+/);
  const quotaMicros = parseLimit(quota);
  const periodMicros = parseInteger(period);
  if (quotaMicros === undefined || periodMicros === undefined || periodMicros <= 0) return undefined;
  return { quotaMicros, periodMicros };
}

/** Nested keyed, `8:0 rbytes=1 wbytes=2`: `io.stat`, `io.max`. `null` for `max`. */
export function parseNestedKeyed(text: string): Map<string, Map<string, number | null>> {
  const lines = new Map<string, Map<string, number | null>>();
  for (const line of text.split('\n')) {
    const [device, ...pairs] = line.trim().split(/\s+/);
    if (device === undefined || device === '') continue;
    const values = new Map<string, number | null>();
    for (const pair of pairs) {
      const [key = '', word = ''] = pair.split('=');
      const value = parseLimit(word);
      if (value !== undefined) values.set(key, value);
    }
    lines.set(device, values);
  }
  return lines;
}

/** v1 blkio figures, `8:0 Read 4096` a line: by device, then by operation (`Read`, `Write`, …). The sum, `Total 4096`, is left out. */
export function parseBlkio(text: string): Map<string, Map<string, number>> {
  const devices = new Map<string, Map<string, number>>();
  for (const line of text.split('\n')) {
    const [device = '', operation = '', value = ''] = line.split(' ');
    if (!/^[0-9]+:[0-9]+$/.test(device) || !/^[0-9]+$/.test(value)) continue;
    const operations = devices.get(device) ?? new Map<string, number>();
    devices.set(device, operations.set(operation, Number(value)));
  }
  return devices;
}

/** v1 blkio limits and per-device weights, `8:0 1048576` a line; and `default 100`, which some files begin with. */
export function parseDeviceValues(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [device = '', value = ''] = line.trim().split(/\s+/);
    if (/^([0-9]+:[0-9]+|default)$/.test(device) && /^[0-9]+$/.test(value)) values.set(device, Number(value));
  }
  return values;
}

/** How many CPUs or nodes a list has, `0-3,8`; 0 of an empty one, undefined when it is none. */
export function countOfCpuList(text: string): number | undefined {
  if (text.trim() === '') return 0;
  let count = 0;
  for (const part of text.trim().split(',')) {
    const [, first, last = first] = /^([0-9]{1,6})(?:-([0-9]{1,6}))?$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first)) return undefined;
    count += Number(last) - Number(first) + 1;
  }
  return count;
}

/** `member`, `root` or `isolated` of `cpuset.cpus.partition`, with why it is not in effect: `isolated invalid (Cpu list in cpuset.cpus not exclusive)`. */
export function parsePartition(text: string): { kind: string; invalid?: string } | undefined {
  const [, kind, invalid, why] = /^([a-z]+)( invalid(?: \((.*)\))?)?$/.exec(text.trim()) ?? [];
  if (kind === undefined) return undefined;
  return invalid === undefined ? { kind } : { kind, invalid: why ?? '' };
}

/** A clamp of `cpu.uclamp.min` and `.max` in percent: `12.50`, or `max` for 100. */
export function parsePercent(text: string): number | undefined {
  const word = text.trim();
  if (word === 'max') return 100;
  return /^[0-9]+(\.[0-9]+)?$/.test(word) ? Number(word) : undefined;
}
