/**
 * What a workspace brings starts nothing: the whole extension with a stand-in for VS Code, in a workspace that is not trusted. What is asked is not listed here:
 * every file system, editor, page and document that the extension offers.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { ExtensionContext } from 'vscode';
import { unlessRunsTypescript } from '../fixtures/environment.ts';
import { bench, Panel, Uri, workspace } from '../fixtures/vscodeStandIn.ts';

const { activate } = await import('../../extension/main.ts');
const { Command } = await import('../../extension/base/commandIds.ts');
const ROOT = path.resolve(import.meta.dirname, '../..');

type Provider = Record<string, (...given: unknown[]) => unknown>;

/** Each method of an object, and of its class, that VS Code could call with these. */
async function callAll(provider: unknown, names: RegExp, ...given: unknown[]): Promise<number> {
  const methods = new Set([...Object.keys(provider as object), ...Object.getOwnPropertyNames(Object.getPrototypeOf(provider))]);
  const called = [...methods].filter((name) => names.test(name));
  for (const name of called) {
    // That it is refused is what is expected; how, other tests know.
    await Promise.resolve()
      .then(() => (provider as Provider)[name]!(...given))
      .catch(() => undefined);
  }
  return called.length;
}

describe('a workspace that is not trusted', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-acts-'));
  const asked = path.join(folder, 'asked');
  const script = path.join(folder, 'helper.ts');
  const context = {
    subscriptions: [] as { dispose(): unknown }[],
    extensionUri: Uri.file(ROOT),
    asAbsolutePath: (name: string) => (name === 'dist/helper.js' ? script : path.join(ROOT, name)),
    workspaceState: memory(),
    globalState: memory(),
  };
  before(() => {
    // The helper writes down what it is asked.
    const module = JSON.stringify(path.join(ROOT, 'test/fixtures/hostileHelper.ts'));
    const note = `import { appendFileSync } from 'node:fs';
appendFileSync(${JSON.stringify(asked)}, 'started\\n');
process.stdin.on('data', (data) => appendFileSync(${JSON.stringify(asked)}, data));`;
    writeFileSync(script, `import { serve } from ${module};\n${note}\nserve({ text: 'a' });\n`);
    workspace.isTrusted = false;
    bench.viewsVisible = false;
    activate(context as unknown as ExtensionContext);
  });
  after(() => {
    for (const panel of bench.panels) panel.dispose();
    for (const one of context.subscriptions) one.dispose();
    rmSync(folder, { recursive: true, force: true });
  });
  /** Said in the status bar as soon as one is to be started. */
  const starts = () => bench.shown.some(({ text }) => text.includes('Isoscope: starting'));
  const heard = () => (existsSync(asked) ? readFileSync(asked, 'utf8') : '');

  test('starts no helper by any file, editor, page or document that it brings', async () => {
    let calls = 0;
    for (const [scheme, provider] of bench.fileSystems) {
      for (const query of ['', '{}', '{"hierarchy":"unified","path":"/","ino":"1"}'])
        calls += await callAll(provider, /^(stat|readDirectory|readFile|watch)$/, Uri.from({ scheme, path: '/x/y', query }));
    }
    for (const [viewType, provider] of bench.customEditors) {
      const document = { uri: Uri.file('/work/a.sandbox.json'), getText: () => '{}', isDirty: false };
      calls += await callAll(provider, /^resolveCustom/, document, new Panel(viewType, ''));
    }
    for (const [viewType, serializer] of bench.serializers)
      calls += await callAll(serializer, /^deserialize/, new Panel(viewType, ''), { cgroups: [] });
    for (const [scheme, provider] of bench.documents)
      calls += await callAll(provider, /^provideTextDocumentContent$/, Uri.from({ scheme, path: '/x', query: '{}' }));
    for (const provider of bench.decorations) calls += await callAll(provider, /^provide/, Uri.file('/work/a'));
    for (const view of bench.views.values()) calls += await callAll(view, /^getChildren$/);
    assert.ok(calls > 20, `${calls} calls`);
    assert.ok(!starts());
    assert.equal(heard(), '');
  });

  test('has one started by a command of a person', { skip: unlessRunsTypescript }, async () => {
    void bench.commands.get(Command.refresh)?.();
    assert.ok(starts());
    await until('the helper', () => heard().startsWith('started'));
  });

  test('runs no specification, and a trusted one only what was agreed to', { skip: unlessRunsTypescript }, async () => {
    const file = Uri.file('/work/a.sandbox.json');
    await bench.commands.get(Command.startSandbox)?.({ file });
    assert.ok(!/sandboxes\/(explain|create|run)/.test(heard()));
    workspace.isTrusted = true;
    bench.agrees = false;
    await bench.commands.get(Command.startSandbox)?.({ file });
    assert.match(heard(), /sandboxes\/explain/);
    assert.ok(bench.shown.some(({ where, text }) => /^detail/.test(where) && /protects less/.test(text)));
    assert.ok(!/sandboxes\/(create|run)/.test(heard()));
    bench.agrees = true;
    await bench.commands.get(Command.startSandbox)?.({ file });
    assert.match(heard(), /sandboxes\/create/);
    // It was read once, and is the same.
    bench.agrees = false;
    const before = heard().length;
    await bench.commands.get(Command.startSandbox)?.({ file });
    assert.match(heard().slice(before), /sandboxes\/create/);
  });
});

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function memory() {
  const kept = new Map<string, unknown>();
  return {
    get: (key: string, otherwise?: unknown) => kept.get(key) ?? otherwise,
    update: async (key: string, value: unknown) => void kept.set(key, value),
    keys: () => [...kept.keys()],
  };
}
