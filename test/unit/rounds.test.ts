import assert from 'node:assert/strict';
import test, { mock } from 'node:test';
import { Rounds } from '../../extension/model/rounds.ts';

/** Rounds whose reads each end when told to. */
function heldRounds() {
  const state = {
    mayRead: true,
    isWanted: true,
    reads: 0,
    failures: [] as unknown[],
    end: (): void => undefined,
    fail: (_: Error): void => undefined,
  };
  const rounds = new Rounds({
    mayRead: () => state.mayRead,
    isWanted: () => state.isWanted,
    read: () => {
      state.reads += 1;
      return new Promise<void>((resolve, reject) => {
        state.end = resolve;
        state.fail = reject;
      });
    },
    failed: (error) => state.failures.push(error),
  });
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

test('what is asked for while a round comes to its end is read, in whichever turn that is', async () => {
  for (let turns = 0; turns < 10; turns += 1) {
    const { rounds, state } = heldRounds();
    void rounds.ask();
    state.end();
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    void rounds.ask();
    await new Promise(setImmediate);
    assert.equal(state.reads, 2, `asked ${turns} turns after the end`);
    state.end();
  }
});

test('a round that failed is made up for, again and again but ever more seldom, as long as somebody looks', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { rounds, state } = heldRounds();
    const asked = rounds.ask();
    state.fail(new Error('it does not answer'));
    await asked;
    assert.deepEqual([state.reads, state.failures.length], [1, 1]);
    mock.timers.tick(1000);
    assert.equal(state.reads, 2);
    state.fail(new Error('it still does not'));
    await new Promise(setImmediate);
    mock.timers.tick(1000);
    assert.equal(state.reads, 2);
    mock.timers.tick(1000);
    assert.equal(state.reads, 3);
    state.end();
    await new Promise(setImmediate);
    mock.timers.tick(100_000);
    assert.equal(state.reads, 3);
    const again = rounds.ask();
    state.fail(new Error('once more'));
    await again;
    state.isWanted = false;
    mock.timers.tick(100_000);
    assert.equal(state.reads, 4);
  } finally {
    mock.timers.reset();
  }
});
