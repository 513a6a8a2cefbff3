/** Sizes in bytes, as specifications write them. */

/** For tmpfs(5) 0 would be no limit at all. */
export const SIZE_PATTERN = /^(?=[0-9]*[1-9])[0-9]{1,12}[KMGTkmgt]?$/;
const UNITS: Record<string, number> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** Bytes of a size that the schema accepted. */
export function bytesOf(given: number | string): number {
  if (typeof given === 'number') return given;
  const [, digits = '', unit = ''] = /^([0-9]+)([KMGT]?)$/i.exec(given) ?? [];
  return Number(digits) * (UNITS[unit.toUpperCase()] ?? 1);
}
