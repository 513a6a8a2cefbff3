/** Schemas of the parts that many requests share. Every bound here is far above any real value, and below any harm. */
import * as v from 'valibot';
import { NAMESPACE_KINDS } from '../namespaceKinds.ts';

export const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const positive = (maximum: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(maximum));

/** PID_MAX_LIMIT is 2^22 on 64-bit Linux (include/linux/threads.h). */
export const pid = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4_194_304));
export const processRef = v.strictObject({ pid, startTime: natural });
export const namespaceKind = v.picklist(NAMESPACE_KINDS);
export const namespaceRef = v.strictObject({ kind: namespaceKind, dev: natural, ino: natural });
/** A path may hold surrogates that stand for bytes (helper/proc/fileName.ts), and be as long as PATH_MAX allows of a name below it. */
export const cgroupRef = v.strictObject({
  hierarchy: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
  path: v.pipe(v.string(), v.startsWith('/'), v.maxLength(16_384), v.check(hasNoNul, 'it must not contain a NUL character')),
  ino: natural,
});
export const revision = natural;
export const nothing: v.GenericSchema<unknown, Record<string, never>> = v.strictObject({});

/** A string that may become a C string: no NUL, at most `maxBytes` of UTF-8. */
export function cString(maxBytes: number) {
  return v.pipe(
    v.string(),
    v.check(hasNoNul, 'it must not contain a NUL character'),
    v.check((text) => Buffer.byteLength(text) <= maxBytes, `it must be at most ${maxBytes} bytes`),
  );
}

/**
 * Bytes as base64. Checked without a group that repeats: of a text of some megabytes the engine of regular expressions overflows its stack there, as
 * valibot's own does.
 */
export function base64Of(maxBytes: number) {
  return v.pipe(
    v.string(),
    v.maxLength(Math.ceil(maxBytes / 3) * 4, `it must be base64 of at most ${maxBytes} bytes`),
    v.check((text) => text.length % 4 === 0 && !/[^A-Za-z0-9+/]/.test(text.replace(/={1,2}$/, '')), 'it must be base64'),
  );
}

/** Standard input of a program that is run to its end. */
export const stdin = base64Of(8 * 1024 * 1024);

/** Of a terminal. */
export const cells = v.exactOptional(positive(10_000));
/** Of each of its outputs, when it is run to its end. */
export const outputLimitBytes = v.exactOptional(positive(16 * 1024 * 1024));

function hasNoNul(text: string): boolean {
  return !text.includes('\0');
}

/** PATH_MAX counts the final NUL. */
export const path = cString(4095);
