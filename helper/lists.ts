/**
 * Lists of any length. One that is spread into a call, `push(...more)` or `Math.max(...all)`, goes onto the stack, which is full at some 120,000
 * elements; what a host, a request or an image has can be more. A lint rule (lint/spreadCalls.grit) keeps the helper from it.
 */

/** Puts `more` behind what is in the list. */
export function append<T>(list: T[], more: Iterable<T>): void {
  for (const one of more) list.push(one);
}

/** `Infinity` of none, as `Math.min()`. */
export function leastOf(numbers: Iterable<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const one of numbers) least = Math.min(least, one);
  return least;
}
