/** What holds disposables ends them, and keeps none that has ended by itself. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Disposable } from '../../extension/base/disposable.ts';

class Holder extends Disposable {
  hold<T extends { dispose(): void }>(one: T): T {
    return this.register(one);
  }

  get count(): number {
    return (this as unknown as { held: Set<unknown> }).held.size;
  }
}

test('a panel that was closed is kept by nobody', () => {
  const holder = new Holder();
  const panels = Array.from({ length: 5 }, () => holder.hold(new Holder()));
  for (const panel of panels) panel.dispose();
  assert.equal(holder.count, 0);
});

test('what is held ends with its holder, the latest first, and once', () => {
  const ended: number[] = [];
  const holder = new Holder();
  for (const number of [1, 2, 3]) holder.hold({ dispose: () => ended.push(number) });
  holder.hold(new Holder());
  holder.dispose();
  holder.dispose();
  assert.deepEqual(ended, [3, 2, 1]);
  holder.hold({ dispose: () => ended.push(4) });
  assert.equal(ended.at(-1), 4, 'what comes after the end ends at once');
});
