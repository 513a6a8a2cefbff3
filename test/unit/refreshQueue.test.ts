import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { RefreshQueue } from '../../extension/trees/refreshQueue.ts';

interface Row {
  name: string;
}

function queue(): { queue: RefreshQueue<Row>; top: Row; drawn: string[][] } {
  const top = { name: 'top' };
  const drawn: string[][] = [];
  // Mocked timers are moved on by the clock that they mock.
  const now = () => Date.now();
  return { top, drawn, queue: new RefreshQueue<Row>(top, (rows) => drawn.push(rows.map(({ name }) => name)), now) };
}

test('a change of a row that was at rest is drawn at once', () => {
  const { queue: rows, top, drawn } = queue();
  rows.add([{ name: 'a' }, top]);
  assert.deepEqual(drawn, [['a', 'top']]);
});

test('a row that changes all the time is drawn now and then, and its last change is never lost', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  try {
    const { queue: rows, drawn } = queue();
    const busy = { name: 'busy' };
    for (let change = 0; change < 50; change += 1) {
      rows.add([busy]);
      mock.timers.tick(100);
    }
    mock.timers.tick(5000);
    assert.ok(drawn.length >= 4 && drawn.length <= 6, String(drawn.length));
  } finally {
    mock.timers.reset();
  }
});

test('the list at the top follows within a third of a second however often it changes', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  try {
    const { queue: rows, top, drawn } = queue();
    rows.add([top]);
    rows.add([top]);
    mock.timers.tick(300);
    assert.equal(drawn.length, 2);
  } finally {
    mock.timers.reset();
  }
});

test('after everything was drawn nothing is drawn for what was due before', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  try {
    const { queue: rows, drawn } = queue();
    const row = { name: 'a' };
    rows.add([row]);
    rows.add([row]);
    rows.drawnAll();
    mock.timers.tick(5000);
    assert.equal(drawn.length, 1);
  } finally {
    mock.timers.reset();
  }
});
