/** A time limit that stands still while a person is being waited for, and then begins anew. */
export class Patience {
  private readonly millis: number;
  private readonly expire: () => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(millis: number, expire: () => void) {
    this.millis = millis;
    this.expire = expire;
    this.begin();
  }

  async during<T>(wait: () => Promise<T>): Promise<T> {
    this.end();
    try {
      return await wait();
    } finally {
      this.begin();
    }
  }

  end(): void {
    clearTimeout(this.timer);
  }

  private begin(): void {
    this.timer = setTimeout(this.expire, this.millis);
  }
}
