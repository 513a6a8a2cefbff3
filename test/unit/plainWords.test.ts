/** The lint rule that keeps text from reaching people past extension/plain/: it must know every way that VS Code has. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { noticedLines } from '../fixtures/lint.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Of VS Code's window these show no text that is given to them, or, like dialogs of files, as plain text alone. */
const HARMLESS = [
  'createTextEditorDecorationType',
  'registerCustomEditorProvider',
  'registerFileDecorationProvider',
  'registerUriHandler',
  'registerWebviewPanelSerializer',
  'showNotebookDocument',
  'showOpenDialog',
  'showSaveDialog',
  'showTextDocument',
];

/** Every function of `vscode.window`, as its declarations say. */
function windowFunctions(): string[] {
  const declared = readFileSync(path.join(ROOT, 'node_modules/@types/vscode/index.d.ts'), 'utf8');
  const [, body = ''] = /\n\texport namespace window \{\n(.*?)\n\t\}\n/s.exec(declared) ?? [];
  return [...new Set([...body.matchAll(/export function (\w+)/g)].map(([, name = '']) => name))].sort();
}

test('every function of VS Code that shows text is called in extension/plain/ alone, or known to be harmless', () => {
  const names = windowFunctions();
  assert.ok(names.length > 20, 'the declarations were read');
  const shown = names.filter((name) => !HARMLESS.includes(name));
  const source = shown.map((name) => `void vscode.window.${name}(text);`).join('\n');
  const noticed = noticedLines('extension/planted.ts', `${source}\n`);
  assert.deepEqual(
    shown.filter((_name, at) => !noticed.includes(at + 1)),
    [],
  );
  assert.deepEqual(noticedLines('extension/plain/planted.ts', `${source}\n`), []);
});

test('no other way of writing it goes unnoticed', () => {
  const planted = [
    'void window.showWarningMessage(text);',
    "void vscode.window['showQuickPick']([]);",
    'const { showInputBox } = vscode.window;',
    'const show = vscode.window.createQuickPick;',
    'const tooltip = new vscode.MarkdownString(text);',
    'const other = new MarkdownString(text, true);',
    "void vscode.commands.executeCommand('vscode.diff', left, right, text);",
    'void panel.webview.postMessage(text);',
    'vscode.workspace.registerTextDocumentContentProvider(scheme, provider);',
  ];
  assert.deepEqual(
    noticedLines('extension/commands/planted.ts', `${planted.join('\n')}\n`),
    planted.map((_line, at) => at + 1),
  );
});
