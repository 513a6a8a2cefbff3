/**
 * Keeps the helper small: imported first, for its effect. A scan of a large host makes much garbage in a short time, and
 * V8 answers that by growing the space for new objects to 32 MB, which it never gives back. Kept at its first size it is
 * emptied more often, which costs nothing: next to nothing in it is alive.
 */
import v8 from 'node:v8';
import vm from 'node:vm';

v8.setFlagsFromString('--semi-space-growth-factor=1');
v8.setFlagsFromString('--no-parallel-scavenge');
v8.setFlagsFromString('--expose-gc');
let collect: unknown;

/**
 * Gives back what a long piece of work left behind, which V8 would keep until the heap has doubled. Takes some 10 ms, so only
 * after work that took much longer.
 */
export function collectGarbage(): void {
  collect ??= vm.runInNewContext('gc');
  if (typeof collect === 'function') collect();
}
