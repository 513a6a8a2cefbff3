/** A timer for as long as somebody asks. Node's own takes 32 bits, and fires at once when it is given more (24.8 days). */

/** setTimeout(delay): 2^31-1 milliseconds. */
const LONGEST_MILLIS = 2 ** 31 - 1;

/** Calls `expire` once, after so long by the monotonic clock, unless this is disposed of before. */
export function after(millis: number, expire: () => void): Disposable {
  const due = performance.now() + millis;
  let timer: NodeJS.Timeout;
  const arm = () => {
    const left = due - performance.now();
    timer = left > LONGEST_MILLIS ? setTimeout(arm, LONGEST_MILLIS) : setTimeout(expire, Math.max(0, left));
  };
  arm();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
