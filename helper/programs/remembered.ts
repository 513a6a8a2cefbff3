/** What was read of a process and stays so while it lives. Only some of it is kept, that which was asked for last. */
import type { ProcessRef } from '../protocol/processes.ts';

const MAX_KEPT = 64;

export class Remembered<T> {
  private readonly kept = new Map<string, T>();

  /** `state` is what else it hangs on. Only for a process that is held, since a pid may be another's by the next call. */
  get({ pid, startTime }: ProcessRef, state = 0): T | undefined {
    const key = `${pid} ${startTime} ${state}`;
    const found = this.kept.get(key);
    if (found === undefined) return undefined;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found;
  }

  set({ pid, startTime }: ProcessRef, value: T, state = 0): void {
    this.kept.set(`${pid} ${startTime} ${state}`, value);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MAX_KEPT) this.kept.delete(oldest!);
  }
}
