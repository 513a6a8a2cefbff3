/** Reading something again whenever there is reason to, one round at a time. What gives reason during a round makes one more, however often. */
export class Rounds {
  private readonly mayRead: () => boolean;
  private readonly read: () => Promise<void>;
  private due = false;
  private running: Promise<void> | undefined;

  /** Nothing is read while `mayRead` denies it; what was due stays due until it is asked for again. */
  constructor(mayRead: () => boolean, read: () => Promise<void>) {
    this.mayRead = mayRead;
    this.read = read;
  }

  /** Resolves when nothing is due any more, or may not be read. Rejects as `read` does. */
  ask(): Promise<void> {
    this.due = true;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async run(): Promise<void> {
    while (this.due && this.mayRead()) {
      this.due = false;
      await this.read();
    }
  }
}
