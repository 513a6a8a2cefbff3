/** Schemas of the parts that many requests share. Every bound here is far above any real value, and below any harm. */
import * as v from 'valibot';
import { NAMESPACE_KINDS } from './protocol.ts';

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** PID_MAX_LIMIT is 2^22 on 64-bit Linux (include/linux/threads.h). */
export const pid = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4_194_304));
export const processRef = v.strictObject({ pid, startTime: natural });
export const namespaceKind = v.picklist(NAMESPACE_KINDS);
export const namespaceRef = v.strictObject({ kind: namespaceKind, dev: natural, ino: natural });
export const revision = natural;
export const nothing = v.strictObject({});

/** A string that may become a C string: no NUL, at most `maxBytes` of UTF-8. */
export function cString(maxBytes: number) {
  return v.pipe(
    v.string(),
    v.check((text) => !text.includes('\0'), 'it must not contain a NUL character'),
    v.check((text) => Buffer.byteLength(text) <= maxBytes, `it must be at most ${maxBytes} bytes`),
  );
}

/** PATH_MAX counts the final NUL. */
export const path = cString(4095);
