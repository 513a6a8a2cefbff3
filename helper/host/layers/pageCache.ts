/** What one page found out already for the next: kept a while, by the cursor that the next request is to send. Nothing needs it to be there. */

const KEPT_MILLIS = 60_000;
const MAX_KEPT = 6;

export class PageCache<T> {
  private readonly kept = new Map<string, { value: T; timer: NodeJS.Timeout }>();

  /** Gives it away: the next page puts back what it leaves. */
  take(key: string): T | undefined {
    const found = this.kept.get(key);
    if (found !== undefined) this.drop(key);
    return found?.value;
  }

  put(key: string, value: T): void {
    this.drop(key);
    const timer = setTimeout(() => this.drop(key), KEPT_MILLIS);
    // The helper ends without waiting for it.
    timer.unref();
    this.kept.set(key, { value, timer });
    const [oldest] = this.kept.keys();
    if (this.kept.size > MAX_KEPT && oldest !== undefined) this.drop(oldest);
  }

  private drop(key: string): void {
    clearTimeout(this.kept.get(key)?.timer);
    this.kept.delete(key);
  }
}
