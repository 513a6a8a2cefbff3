/** Which two things a page compares: the whole extension, with stand-ins for VS Code and the helper. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unlessRunsTypescript } from '../fixtures/environment.ts';
import { bench } from '../fixtures/vscodeStandIn.ts';
import { drawRows, run, runCommand, until } from '../fixtures/wholeExtension.ts';

const { Command } = await import('../../extension/base/commandIds.ts');

const options = { timeout: 60_000, skip: unlessRunsTypescript };

async function rowsOf(...names: string[]) {
  await until('the host', async () => {
    await Promise.all([...bench.views.values()].map((view) => view.getChildren()));
    return bench.context.get('isoscope.list.containers') === 'rows';
  });
  const rows = await drawRows();
  return names.map((name) => {
    const found = rows.find((row) => row.constructor.name === name);
    assert.ok(found, `a row of ${name}`);
    return found;
  });
}

/** Titles of tabs that a command opened. */
async function opened(...given: unknown[]): Promise<string[]> {
  const from = bench.shown.length;
  await runCommand(Command.compareWith, given);
  const tabs = () => bench.shown.slice(from).filter(({ where }) => where === 'tab');
  await until('a page', () => tabs().length > 0);
  return [...new Set(tabs().map(({ text }) => text))];
}

test('two selected rows are compared with each other, without a question', options, async () => {
  using _extension = run({ text: 'plain' });
  const [container, process] = await rowsOf('ContainerNode', 'ProcessNode');
  const from = bench.shown.length;
  const titles = await opened(container, [container, process]);
  assert.equal(titles.length, 1);
  assert.match(titles[0] ?? '', /^\S+ ↔ .*\(\d+\)$/, 'a container and a process');
  assert.deepEqual(
    bench.shown.slice(from).filter(({ where }) => where === 'question'),
    [],
  );
});

test('one row is compared with what the person chooses, of which the host is the first', options, async () => {
  using _extension = run({ text: 'plain' });
  const [container] = await rowsOf('ContainerNode');
  assert.match((await opened(container, [container])).join(), / ↔ the host$/);
});

test('from the palette the first of the two is asked for, too', options, async () => {
  using _extension = run({ text: 'plain' });
  await rowsOf('ContainerNode');
  const from = bench.shown.length;
  assert.match((await opened()).join(), / ↔ the host$/);
  assert.equal(bench.shown.slice(from).filter(({ where }) => where === 'question').length, 2);
});
