import assert from 'node:assert/strict';
import test from 'node:test';
import { Rounds } from '../../extension/host/rounds.ts';

/** Rounds whose reads each end when told to. */
function heldRounds() {
  const state = { mayRead: true, reads: 0, end: (): void => undefined };
  const rounds = new Rounds(
    () => state.mayRead,
    () => {
      state.reads += 1;
      return new Promise<void>((resolve) => {
        state.end = resolve;
      });
    },
  );
  return { rounds, state };
}

test('what is asked for while something is read makes one more round, which all who asked wait for', async () => {
  const { rounds, state } = heldRounds();
  let answered = 0;
  const all = Array.from({ length: 3 }, async () => {
    await rounds.ask();
    answered += 1;
  });
  assert.equal(state.reads, 1);
  state.end();
  await new Promise(setImmediate);
  assert.deepEqual([state.reads, answered], [2, 0]);
  state.end();
  await Promise.all(all);
  assert.equal(state.reads, 2);
  const later = rounds.ask();
  state.end();
  await later;
  assert.equal(state.reads, 3);
});

test('nothing is read while it may not be', async () => {
  const { rounds, state } = heldRounds();
  state.mayRead = false;
  await rounds.ask();
  assert.equal(state.reads, 0);
});
