/**
 * Reading something again whenever there is reason to, one round at a time. What gives reason during a round makes one more, however often. A
 * round that failed gives reason itself: it is made up for a little later, as long as somebody looks.
 */

const FIRST_RETRY_MILLIS = 1000;
const MAX_RETRY_MILLIS = 30_000;

export interface RoundsOptions {
  /** Nothing is read while this denies it; what was due stays due until it is asked for again. */
  mayRead: () => boolean;
  /** Whether a round that failed is to be made up for without being asked for. */
  isWanted: () => boolean;
  /** One round. Rejects when something of it could not be read. */
  read: () => Promise<void>;
  /** Told why a round failed. */
  failed: (error: unknown) => void;
}

export class Rounds {
  private readonly options: RoundsOptions;
  private due = false;
  private isRunning = false;
  private latest: Promise<void> = Promise.resolve();
  private retry: NodeJS.Timeout | undefined;
  private failures = 0;

  constructor(options: RoundsOptions) {
    this.options = options;
  }

  /** Resolves when nothing is due any more, may not be read, or failed. Never rejects. */
  ask(): Promise<void> {
    this.due = true;
    if (!this.isRunning) this.latest = this.run();
    return this.latest;
  }

  /** What failed is not made up for any more. */
  dispose(): void {
    clearTimeout(this.retry);
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    clearTimeout(this.retry);
    try {
      while (this.due && this.options.mayRead()) {
        this.due = false;
        await this.options.read();
        this.failures = 0;
      }
    } catch (error) {
      this.failures += 1;
      this.options.failed(error);
      this.scheduleRetry();
    } finally {
      // In the same turn in which it was seen that nothing is due: who asks after it begins anew.
      this.isRunning = false;
    }
  }

  private scheduleRetry(): void {
    const wait = Math.min(FIRST_RETRY_MILLIS * 2 ** (this.failures - 1), MAX_RETRY_MILLIS);
    this.retry = setTimeout(() => {
      if (this.options.isWanted() && this.options.mayRead()) void this.ask();
    }, wait);
  }
}
