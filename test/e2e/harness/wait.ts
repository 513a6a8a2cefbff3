/** Waiting for conditions, never for time: every wait has a bound and says what it waited for. */

const POLL_MILLIS = 50;
export const DEFAULT_WAIT_MILLIS = 30_000;

/**
 * Calls `probe` until it gives something else than `undefined`, `false` or `null`, and returns that.
 * @param what completes "waited for …"
 * @param describe tells the state when time is up, for the message
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false | null>,
  withinMillis = DEFAULT_WAIT_MILLIS,
  describe?: () => Promise<string>,
): Promise<T> {
  const deadline = Date.now() + withinMillis;
  let lastError: unknown;
  for (;;) {
    try {
      const found = await probe();
      if (found !== undefined && found !== false && found !== null) return found;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
  }
  const state = describe === undefined ? '' : `\n${await describe().catch(String)}`;
  throw new Error(`waited ${withinMillis} ms for ${what}${state}`, { cause: lastError });
}
