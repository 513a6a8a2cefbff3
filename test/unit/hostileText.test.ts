/**
 * The whole extension, run with a stand-in for VS Code and for the helper, whose every answer and refusal is hostile: nothing of it may reach a
 * person but as text. What is looked at is not listed here: every view, every kind of row, every command, page and document that there is.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { TreeNode } from '../../extension/trees/treeNode.ts';
import { unlessRunsTypescript } from '../fixtures/environment.ts';
import { ANSWERS, HOSTILE } from '../fixtures/hostileAnswers.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';
import { bench, Panel, type Shown } from '../fixtures/vscodeStandIn.ts';
import { type Asked, commands, drawRows, run, runCommand, until, whatItNames } from '../fixtures/wholeExtension.ts';

const { PageType, Scheme, View } = await import('../../extension/base/ids.ts');
const { CgroupsTree } = await import('../../extension/trees/cgroupsTree.ts');
const { commandTitle } = await import('../../extension/plain/runningCommand.ts');

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Longest that is shown anywhere, by where. */
const LONGEST: Record<string, number> = {
  tab: 165,
  terminal: 85,
  question: 125,
  tooltip: 40_000,
  log: 4010,
  'detail of a modal question': 4010,
  // The kernel has it as short as it is.
  'name of a file': Number.POSITIVE_INFINITY,
};

/** What is wrong with a text that reached a person; undefined when it is nothing but text. */
function wrongWith({ where, text }: Shown): string | undefined {
  const isDocument = where.startsWith('document') || where.startsWith('page');
  const lines = isDocument || where.startsWith('detail') || where.startsWith('error of a file');
  const inside = where.startsWith('status') ? text.replace(/^\$\([a-z~-]+\) /, '') : text;
  const joined = inside.replaceAll(/(?<=[$\]]|&#36;|&#93;)\u2060(?=\(|&#40;)/g, '');
  const bare = lines ? joined.replaceAll(/[\n\t]/g, '') : joined;
  if (where === 'trusted tooltip') return 'a tooltip is trusted';
  if (where === 'tooltip') return /\]\(|<[^>]*>|command:|\$\(/.test(inside) ? 'markup' : control(bare.replaceAll('\n', ''));
  if (!isDocument && /\]\(|\$\(/.test(inside)) return 'a link or an icon';
  if (!isDocument && text.length > (LONGEST[where] ?? 2200)) return `${text.length} characters`;
  return control(bare);
}

function control(text: string): string | undefined {
  const found = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.exec(text)?.[0];
  return found === undefined ? undefined : `U+${found.codePointAt(0)?.toString(16)}`;
}

function checkShown(): void {
  const wrong = bench.shown.flatMap((one) => {
    const why = wrongWith(one);
    return why === undefined ? [] : [`${one.where}: ${why}: ${JSON.stringify(one.text.slice(0, 300))}`];
  });
  assert.deepEqual([...new Set(wrong)].slice(0, 20), []);
}

/** Classes of rows that the sources have. */
function rowClasses(): string[] {
  const sources = sourceFiles('extension/trees').map((file) => readFileSync(path.join(ROOT, file), 'utf8'));
  const found = sources.flatMap((text) => [...text.matchAll(/^(?:export )?class (\w+) extends \w*(?:Node|Group)\b/gm)]);
  return [...new Set(found.map(([, name = '']) => name))].filter((name) => name !== 'RootNode').sort();
}

for (const [name, text, onRows] of [
  ['short', HOSTILE, true],
  ['of 10,000 characters', `${HOSTILE}${'x'.repeat(10_000)}`, false],
] as const) {
  describe(`hostile text, ${name}`, () => {
    test('is text in every view, row, question, message, page and document', {
      timeout: 120_000,
      skip: unlessRunsTypescript,
    }, async () => {
      using _extension = run({ text });
      assert.deepEqual([...bench.views.keys()].sort(), Object.values(View).sort());
      await until('the host', async () => {
        await Promise.all([...bench.views.values()].map((view) => view.getChildren()));
        return Object.values(View).every((id) => bench.context.get(id.replace('.', '.list.')) === 'rows');
      });
      const rows = await drawRows();
      const trees = rows.map((row) => (row as unknown as TreeNode).tree);
      await trees.find((tree) => tree instanceof CgroupsTree)?.group('hierarchy');
      rows.push(...(await drawRows()));
      assert.deepEqual(
        rowClasses().filter((one) => !rows.some((row) => row.constructor.name === one)),
        [],
        'every class of rows was drawn',
      );
      const firsts = [...new Map(rows.map((row) => [whatItNames(row), row])).values()];
      const asked: Asked[] = [];
      for (const id of commands) asked.push(...(await runCommand(id, [])));
      for (const id of commands) for (const row of onRows ? firsts : []) asked.push(...(await runCommand(id, [row])));
      for (const panel of bench.panels) panel.received.fire({ type: 'action', action: 'compareMountsAsText' });
      await until('the tables as text', () => bench.shown.some(({ where }) => where === `document ${Scheme.mounts}`));
      const kinds = new Set(bench.shown.map(({ where }) => where));
      for (const scheme of bench.documents.keys())
        assert.ok(kinds.has(`document ${scheme}`), `a document of ${scheme} was shown`);
      for (const type of Object.values(PageType)) assert.ok(kinds.has(`page ${type}`), `a page ${type} was shown`);
      assert.ok(asked.length > 50, 'there were questions');
      const astray = asked.filter(({ command, title }) => !title.includes(commandTitle(command as never)));
      assert.deepEqual(astray.slice(0, 5), [], 'each question is headed by the command that asks it');
      checkShown();
    });
  });
}

for (const refuse of ['permission', 'notFound', 'kernel', 'busy', 'gone'] as const) {
  test(`a refusal (${refuse}) in hostile words is text wherever it is told`, {
    timeout: 60_000,
    skip: unlessRunsTypescript,
  }, async () => {
    using _extension = run({ text: HOSTILE, refuse });
    await until('the helper', () => bench.context.get('isoscope.state') === 'ready');
    await drawRows();
    for (const id of commands) await runCommand(id, []);
    await drawRows();
    for (const id of Object.values(View))
      assert.notEqual(bench.context.get(id.replace('.', '.list.')), 'none', 'what cannot be read is not said to be none');
    checkShown();
  });
}

test('every page that was open before a reload of the window comes back, and every document has its provider', {
  timeout: 60_000,
}, async () => {
  using _extension = run({ text: 'plain' });
  assert.deepEqual([...bench.serializers.keys()].sort(), Object.values(PageType).sort());
  const provided = [...bench.documents.keys(), ...bench.fileSystems.keys()].sort();
  const schemes = Object.values(Scheme);
  assert.deepEqual(provided, schemes.sort());
  const [pid, startTime] = [1000, 10000];
  const cgroups = [{ hierarchy: 'unified', path: '/docker/web', ino: 1 }];
  const states: Record<string, unknown> = {
    [PageType.host]: { host: true },
    [PageType.overview]: { container: 'docker web' },
    [PageType.process]: { process: { pid, startTime } },
    [PageType.compare]: { mine: { process: { pid, startTime }, name: 'web' } },
    [PageType.cgroup]: { cgroups },
    [PageType.monitor]: { cgroups },
    [PageType.stack]: { overlay: ANSWERS['layers/list'].overlays[0], path: '/etc' },
    [PageType.sandbox]: { known: { name: 'bank' } },
  };
  for (const type of Object.values(PageType)) {
    const serializer = bench.serializers.get(type);
    const panel = new Panel(type, '');
    await serializer?.deserializeWebviewPanel(panel, states[type]);
    await until(`the page ${type}`, () =>
      bench.shown.some(({ where, text }) => where === `page ${type}` && text !== 'loading'),
    );
    const useless = new Panel(type, '');
    let isClosed = false;
    useless.onDidDispose(() => {
      isClosed = true;
    });
    await serializer?.deserializeWebviewPanel(useless, {
      container: 1,
      process: 'x',
      mine: {},
      cgroups: [1],
      overlay: {},
      known: [],
    });
    assert.ok(isClosed, 'what is no state of a page closes it');
  }
});

test('pages set what they show as text, and nothing that they are sent becomes markup, an address or a script', () => {
  const files = sourceFiles('webview');
  assert.ok(files.length > 10, 'the sources were read');
  const markup =
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|setHTML|\.(src|href)\s*=|setAttribute\('(src|href|on\w+|style)'|\beval\(/;
  assert.deepEqual(
    files.filter((file) => markup.test(readFileSync(path.join(ROOT, file), 'utf8'))),
    [],
  );
});
