/**
 * Decides when rows are drawn again. Drawing a row asks for everything unfolded below it, so a row that changes all the
 * time (the members of the host's namespaces) must not be drawn each time, or a large tree never comes to rest.
 */

/** A change is drawn at once, the next one of the same row only this much later. The list at the top is what people wait for. */
const TOP_MILLIS = 300;
const ROW_MILLIS = 1500;

export class RefreshQueue<Row extends object> {
  private readonly top: Row;
  private readonly draw: (rows: Row[]) => void;
  private readonly now: () => number;
  private readonly drawnAt = new WeakMap<Row, number>();
  private readonly due = new Set<Row>();
  private timer: NodeJS.Timeout | undefined;
  private timerAt = 0;

  /** @param draw gets rows that are due together; `top` stands for the whole tree; `now` is a clock that nobody sets, in ms. */
  constructor(top: Row, draw: (rows: Row[]) => void, now: () => number = () => performance.now()) {
    this.top = top;
    this.draw = draw;
    this.now = now;
  }

  add(rows: Iterable<Row>): void {
    for (const row of rows) this.due.add(row);
    this.flush();
  }

  /** Everything is about to be drawn: what is due is no more. */
  drawnAll(): void {
    this.due.clear();
    this.drawnAt.set(this.top, this.now());
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.due.clear();
  }

  private dueAt(row: Row): number {
    return (this.drawnAt.get(row) ?? Number.NEGATIVE_INFINITY) + (row === this.top ? TOP_MILLIS : ROW_MILLIS);
  }

  private flush(): void {
    const now = this.now();
    const ready = [...this.due].filter((row) => this.dueAt(row) <= now);
    for (const row of ready) {
      this.due.delete(row);
      this.drawnAt.set(row, now);
    }
    if (ready.length > 0) this.draw(ready);
    if (this.due.size > 0) this.schedule(Math.min(...[...this.due].map((row) => this.dueAt(row))));
  }

  private schedule(at: number): void {
    if (this.timer !== undefined && this.timerAt <= at) return;
    clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        this.flush();
      },
      Math.max(0, at - this.now()),
    );
  }
}
