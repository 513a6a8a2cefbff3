/** Timers for as long as somebody asks. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { mock, test } from 'node:test';
import { after } from '../../helper/longTimer.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const DAY = 24 * 3600 * 1000;

for (const days of [0, 0.5, 24, 25, 30, 365])
  test(`a timer of ${days} days fires once, then and not before`, (t) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    let now = 1000;
    t.mock.method(performance, 'now', () => now);
    const pass = (millis: number) => {
      // Step by step, as the timers in between look at the clock.
      for (let left = millis; left > 0; left -= DAY / 2) {
        now += Math.min(left, DAY / 2);
        mock.timers.tick(Math.min(left, DAY / 2));
      }
    };
    let fired = 0;
    after(days * DAY, () => {
      fired += 1;
    });
    if (days > 0) pass(days * DAY - 1);
    assert.equal(fired, 0);
    pass(1);
    assert.equal(fired, 1);
    pass(400 * DAY);
    assert.equal(fired, 1);
    using _disposed = after(30 * DAY, () => assert.fail('it was disposed of'));
    pass(29 * DAY);
    _disposed[Symbol.dispose]();
    pass(2 * DAY);
  });

/** Delays that are no constant, each with what bounds it. */
const BOUNDED: Record<string, string> = {
  'helper/longTimer.ts': 'it is the one that re-arms',
  'helper/reading/deadline.ts': 'of the caller: constants of seconds',
  'helper/host/kernelWatch.ts': 'GATHER_MILLIS, or none',
  'helper/host/layers/watch.ts': 'the pause between two measurements',
  'helper/host/cgroups/subscriptions.ts': 'the interval of samples, which the schema bounds',
  'helper/host/watcher.ts': 'the interval between two looks',
  'helper/programs/ptyInput.ts': 'LONGEST_PAUSE_MILLIS',
  'extension/model/rounds.ts': 'the pause before it asks again',
  'extension/trees/refreshQueue.ts': 'the interval between two drawings',
  'extension/panels/pagePanel.ts': 'the interval of a page',
  'extension/connection/patience.ts': 'START_MILLIS',
  'extension/connection/helperProcess.ts': 'GRACE_MILLIS',
};

test('whoever may be asked for long waits by the timer that can', () => {
  const computed = new Set<string>();
  for (const file of sourceFiles('helper', 'extension', 'webview')) {
    for (const delay of delaysIn(readFileSync(path.join(ROOT, file), 'utf8'))) {
      if (!/^([A-Z][A-Z0-9_]*|\d+)( \* [\d_]+)?$/.test(delay)) computed.add(file);
    }
  }
  assert.deepEqual(
    [...computed].filter((file) => !(file in BOUNDED)),
    [],
  );
  assert.deepEqual(
    Object.keys(BOUNDED).filter((file) => !computed.has(file)),
    [],
    'and no reason stands for nothing',
  );
});

/** The last argument of each call that makes a timer; `0` where there is only one. */
function* delaysIn(source: string): Generator<string> {
  for (const { index, 0: call } of source.matchAll(/(?<!\.)\b(?:setTimeout|setInterval)\(/g)) {
    let depth = 1;
    let comma = -1;
    let at = index + call.length;
    for (; depth > 0 && at < source.length; at += 1) {
      const character = source[at]!;
      if ('([{'.includes(character)) depth += 1;
      else if (')]}'.includes(character)) depth -= 1;
      else if (character === ',' && depth === 1 && !/^\s*\)/.test(source.slice(at + 1, at + 100))) comma = at;
    }
    const delay = source
      .slice(comma + 1, at - 1)
      .trim()
      .replace(/,$/, '');
    yield comma === -1 ? '0' : delay;
  }
}
