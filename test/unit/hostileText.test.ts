/**
 * The whole extension, run with a stand-in for VS Code and for the helper, whose every answer and refusal is hostile: nothing of it may reach a
 * person but as text. What is looked at is not listed here: every view, every kind of row, every command, page and document that there is.
 */
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { ExtensionContext } from 'vscode';
import { ANSWERS, HOSTILE } from '../fixtures/hostileAnswers.ts';
import type { HostileHelper } from '../fixtures/hostileHelper.ts';
import { bench, Panel, type Shown, showTooltip, type TreeItem, Uri } from '../fixtures/vscodeStandIn.ts';

const { activate } = await import('../../extension/main.ts');
const { Command, PageType, Scheme, View } = await import('../../extension/ids.ts');
const { commandTitle } = await import('../../extension/words/runningCommand.ts');

const ROOT = path.resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-hostile-'));
after(() => rmSync(folder, { recursive: true, force: true }));
bench.packageJSON = translated();

/** package.json as VS Code gives it, with its texts put in. */
function translated(): unknown {
  const texts = JSON.parse(readFileSync(path.join(ROOT, 'package.nls.json'), 'utf8')) as Record<string, string>;
  const text = readFileSync(path.join(ROOT, 'package.json'), 'utf8');
  return JSON.parse(text.replaceAll(/"%([^%"]+)%"/g, (_, key: string) => JSON.stringify(texts[key])));
}

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

/** So many rows of a class are unfolded; the others would say the same. */
const UNFOLDED = 12;

interface Row {
  constructor: { name: string };
}

/** Every row of every view, as VS Code draws it: with its tooltip and decoration. */
async function drawRows(): Promise<Row[]> {
  const all: Row[] = [];
  const unfolded = new Map<string, number>();
  for (const [view, provider] of bench.views) {
    const visit = async (node: Row | undefined): Promise<void> => {
      for (const child of (await provider.getChildren(node)) as Row[]) {
        all.push(child);
        drawn(await provider.getTreeItem(child), (item) => provider.resolveTreeItem(item, child, undefined));
        const key = `${view} ${child.constructor.name}`;
        const count = unfolded.get(key) ?? 0;
        unfolded.set(key, count + 1);
        if (count < UNFOLDED) await visit(child);
      }
    };
    await visit(undefined);
  }
  return all;
}

function drawn(item: TreeItem, resolve: (item: TreeItem) => TreeItem): void {
  bench.shown.push({ where: 'row', text: String(item.label) }, { where: 'row', text: String(item.description ?? '') });
  bench.shown.push({ where: 'row', text: item.accessibilityInformation?.label ?? '' });
  showTooltip(resolve(item).tooltip);
  for (const provider of item.resourceUri === undefined ? [] : bench.decorations) {
    const decoration = provider.provideFileDecoration(item.resourceUri as Uri);
    bench.shown.push({ where: 'decoration', text: `${decoration?.badge ?? ''}${decoration?.tooltip ?? ''}` });
  }
}

/** What a command could act on in a row. */
function whatItNames(row: Row): string {
  const names = ['process', 'container', 'namespace', 'cgroups', 'overlay', 'place', 'entry', 'sandbox', 'file'];
  return names.filter((name) => (row as unknown as Record<string, unknown>)[name] !== undefined).join();
}

/** Classes of rows that the sources have. */
function rowClasses(): string[] {
  const sources = globSync('extension/trees/*.ts', { cwd: ROOT }).map((file) => readFileSync(path.join(ROOT, file), 'utf8'));
  const found = sources.flatMap((text) => [...text.matchAll(/^(?:export )?class (\w+) extends \w*(?:Node|Group)\b/gm)]);
  return [...new Set(found.map(([, name = '']) => name))].filter((name) => name !== 'RootNode').sort();
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The extension with this helper, until it is disposed of. */
function run(helper: HostileHelper): Disposable {
  const script = path.join(folder, `helper${Date.now()}.ts`);
  const module = JSON.stringify(path.join(ROOT, 'test/fixtures/hostileHelper.ts'));
  writeFileSync(script, `import { serve } from ${module};\nserve(${JSON.stringify(helper)});\n`);
  for (const known of [bench.views, bench.commands, bench.documents, bench.context]) known.clear();
  bench.shown.length = 0;
  bench.panels.length = 0;
  bench.decorations.length = 0;
  const memory = { get: (_key: string, otherwise?: unknown) => otherwise, update: async () => undefined, keys: () => [] };
  const context = {
    subscriptions: [] as { dispose(): unknown }[],
    extensionUri: Uri.file(ROOT),
    asAbsolutePath: (name: string) => (name === 'dist/helper.js' ? script : path.join(ROOT, name)),
    workspaceState: memory,
    globalState: memory,
  };
  activate(context as unknown as ExtensionContext);
  return {
    [Symbol.dispose]: () => {
      for (const panel of bench.panels) panel.dispose();
      for (const one of context.subscriptions) one.dispose();
    },
  };
}

/** Some commands go on for as long as the window is open. */
const PATIENCE_MILLIS = 3000;

interface Asked {
  command: string;
  title: string;
}

/** Runs a command, on a row or on nothing, to its end or for as long as it goes on; gives the titles of its questions. */
async function runCommand(id: string, given: unknown[]): Promise<Asked[]> {
  const from = bench.shown.length;
  const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MILLIS).unref());
  await Promise.race([bench.commands.get(id)?.(...given), patience]);
  const questions = bench.shown.slice(from).filter(({ where }) => where === 'question');
  return questions.map(({ text }) => ({ command: id, title: text }));
}

const LASTING: string[] = [
  Command.restartHelper,
  Command.restartHelperAsRoot,
  Command.restartHelperAsUser,
  Command.showHelperActions,
];
const commands = Object.values(Command).filter((id) => !LASTING.includes(id));

for (const [name, text, onRows] of [
  ['short', HOSTILE, true],
  ['of 10,000 characters', `${HOSTILE}${'x'.repeat(10_000)}`, false],
] as const) {
  describe(`hostile text, ${name}`, () => {
    test('is text in every view, row, question, message, page and document', { timeout: 120_000 }, async () => {
      using _extension = run({ text });
      assert.deepEqual([...bench.views.keys()].sort(), Object.values(View).sort());
      await until('the host', async () => {
        await Promise.all([...bench.views.values()].map((view) => view.getChildren()));
        return Object.values(View).every((id) => bench.context.get(id.replace('.', '.list.')) === 'rows');
      });
      const rows = await drawRows();
      assert.deepEqual(
        rowClasses().filter((one) => !rows.some((row) => row.constructor.name === one)),
        [],
        'every class of rows was drawn',
      );
      const firsts = [...new Map(rows.map((row) => [whatItNames(row), row])).values()];
      const asked: Asked[] = [];
      for (const id of commands) asked.push(...(await runCommand(id, [])));
      for (const id of commands) for (const row of onRows ? firsts : []) asked.push(...(await runCommand(id, [row])));
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
  test(`a refusal (${refuse}) in hostile words is text wherever it is told`, { timeout: 60_000 }, async () => {
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
  const schemes = Object.values(Scheme).filter((scheme) => scheme !== Scheme.row);
  assert.deepEqual(provided, schemes.sort());
  const [pid, startTime] = [1000, 10000];
  const cgroups = [{ hierarchy: 'unified', path: '/docker/web', ino: 1 }];
  const states: Record<string, unknown> = {
    [PageType.process]: { process: { pid, startTime } },
    [PageType.cgroup]: { cgroups },
    [PageType.monitor]: { cgroups },
    [PageType.stack]: { overlay: ANSWERS.LayersList.overlays[0], path: '/etc' },
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
    await serializer?.deserializeWebviewPanel(useless, { process: 'x', cgroups: [1], overlay: {}, known: [] });
    assert.ok(isClosed, 'what is no state of a page closes it');
  }
});

test('pages set what they show as text, and nothing that they are sent becomes markup, an address or a script', () => {
  const files = globSync('webview/**/*.ts', { cwd: ROOT });
  assert.ok(files.length > 10, 'the sources were read');
  const markup =
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|setHTML|\.(src|href)\s*=|setAttribute\('(src|href|on\w+|style)'|\beval\(/;
  assert.deepEqual(
    files.filter((file) => markup.test(readFileSync(path.join(ROOT, file), 'utf8'))),
    [],
  );
});
