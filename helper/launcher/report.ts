/** What a launcher tells the helper: `struct report` of launcher.c. */

export const FAILED = 1;
export const RESULTED = 2;
export const SYNCED = 3;
export const MALFORMED = 4;
/** At a step that is announced, or at the end. */
export const ARRIVED = 5;

export const REPORT_BYTES = 16;

export interface Report {
  kind: number;
  step: number;
  /** The errno of what failed; the result; the pid of what waits; the line of the launcher that refused the program. */
  value: number;
}

/** Of at least `REPORT_BYTES` bytes. */
export function decodeReport(bytes: Buffer): Report {
  return { kind: bytes.readUInt32LE(0), step: bytes.readUInt32LE(4), value: Number(bytes.readBigInt64LE(8)) };
}
