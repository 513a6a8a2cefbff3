/** What a workspace brings: it starts nothing by itself, and root runs what it says only when that was read. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { helpersOf } from './harness/helperPids.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';

const noHelper = (pids: number[]) => assert.deepEqual(pids, []);

function makeFolder(t: { after(end: () => void): void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-trust-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('in Restricted Mode nothing of a workspace starts the helper, and a person does', { timeout: 300_000 }, async (t) => {
  const folder = makeFolder(t);
  const inner = path.join(folder, 'inner');
  mkdirSync(inner);
  writeFileSync(path.join(inner, 'mine.sandbox.json'), '{"root": {"type": "host", "access": "readWrite"}}\n');
  const file = path.join(folder, 'all.code-workspace');
  const workspace = {
    folders: [
      { path: 'inner' },
      { uri: 'isoscope-cgroup:/unified', name: 'groups' },
      { uri: 'isoscope-layer:/', name: 'layers' },
    ],
    settings: { 'workbench.editorAssociations': { '*.sandbox.json': 'isoscope.sandboxForm' } },
  };
  writeFileSync(file, JSON.stringify(workspace));
  await using workbench = await openWorkbench({ folder: file, restricted: true });
  await workbench.openSidebar('Explorer');
  const rows = workbench.page.locator('.explorer-folders-view .monaco-list-row');
  for (const name of ['groups', 'layers']) await rows.filter({ hasText: name }).first().click({ timeout: 60_000 });
  const shown = rows.filter({ hasText: 'mine.sandbox.json' });
  await eventually('the file', async () => {
    if ((await shown.count()) === 0) await rows.filter({ hasText: 'inner' }).first().click();
    return (await shown.count()) > 0;
  });
  await shown.first().dblclick();
  const form = workbench.webview();
  await form.locator('.refused').filter({ hasText: 'only in a trusted workspace' }).waitFor({ timeout: 60_000 });
  await workbench.screenshot('sandbox-restricted-associated');
  assert.ok((await workbench.statusBar()).some((item) => item.includes('Restricted')));
  noHelper(helpersOf(workbench));

  // Whoever opens its view asks for it.
  await workbench.openSidebar('Isoscope');
  await eventually('the helper', async () => helpersOf(workbench).length > 0, 90_000);
});

test('what is weaker than the default is run as root only once it was read', { timeout: 300_000 }, async (t) => {
  const folder = makeFolder(t);
  const process: SandboxSpec['process'] = { args: ['bash'], env: { PS1: '$ ' } };
  const write = (name: string, spec: SandboxSpec) =>
    writeFileSync(path.join(folder, `${name}.sandbox.json`), `${JSON.stringify({ ...spec, process }, undefined, 2)}\n`);
  write('open', { root: { type: 'directory', path: '/' } });
  write('shut', { root: { type: 'programs', programs: ['bash'] } });
  await using workbench = await openWorkbench({ folder });
  await workbench.openSidebar('Isoscope');
  await workbench.view('Sandboxes').open();
  const view = workbench.view('Sandboxes');
  const run = (name: string) => view.contextMenu(new RegExp(`^${name} ${name}\\.sandbox\\.json$`), 'Run Sandbox');
  const stop = async (name: string) => {
    await view.contextMenu(new RegExp(`^${name} running`), 'Stop Sandbox');
    await view.gone(new RegExp(`^${name} running`));
  };
  await view.row('open', [], 90_000);

  await run('open');
  assert.match(await workbench.dialogText(), /Run open\.sandbox\.json as root\?[\s\S]*files of the host can be changed/);
  await workbench.screenshot('sandbox-asks');
  await workbench.dialogButton('Cancel');
  // What needs no question runs without one, and the other is not running beside it.
  await run('shut');
  await view.row(/^shut running/);
  assert.ok(!(await view.rows()).some(({ label, description }) => /^open running/.test(`${label} ${description}`)));
  await stop('shut');

  await run('open');
  await workbench.dialogText();
  await workbench.dialogButton('Run');
  await view.row(/^open running/);
  await stop('open');
  // It was read, and is the same.
  await run('open');
  await view.row(/^open running/);
  await stop('open');

  // Changed by something else than this window's editor.
  write('open', { root: { type: 'directory', path: '/' }, persistent: true });
  await run('open');
  assert.match(await workbench.dialogText(), /has changed since you last ran it[\s\S]*goes on when VS Code/);
  await workbench.screenshot('sandbox-asks-changed');
  await workbench.dialogButton('Cancel');
});
