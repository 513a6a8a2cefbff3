/** Sandboxes where less is allowed: of an ordinary user without root, and in a workspace that is not trusted. */
import assert from 'node:assert/strict';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { makeSudoUser } from '../fixtures/sudoUser.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';

const SPEC: SandboxSpec = { root: { type: 'programs', programs: ['bash', 'ls'] }, process: { args: ['bash'] } };

/** A folder with one specification. */
function makeFolder(t: { after(end: () => void): void }, uid?: number): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-users-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'mine.sandbox.json');
  writeFileSync(file, `${JSON.stringify(SPEC, undefined, 2)}\n`);
  if (uid !== undefined) for (const made of [folder, file]) chownSync(made, uid, uid);
  return folder;
}

test('without root the user namespace is ticked, and a sandbox starts', { timeout: 300_000 }, async (t) => {
  using user = makeSudoUser(`isoscope-sand-${process.pid}`);
  const folder = makeFolder(t, user.uid);
  await using workbench = await openWorkbench({ user, folder, machineSettings: { 'isoscope.elevation': 'never' } });
  await workbench.openSidebar('Isoscope');
  await eventually('the user’s helper', async () =>
    (await workbench.statusBar()).some((item) => item.includes('Isoscope: user')),
  );

  await workbench.runCommand('Isoscope: Run in New Namespace…');
  await eventually('the kinds', async () => /of its own/.test((await workbench.quickInput()).placeholder));
  assert.ok((await workbench.ticked()).includes('user'));
  await workbench.screenshot('sandbox-user-kinds');
  await workbench.page.keyboard.press('Enter');
  await workbench.pick('Host, read-only');
  await eventually('the command', async () => /Program and arguments/.test((await workbench.quickInput()).placeholder));
  await workbench.answer('bash --norc');
  await workbench.terminalShows(/[#$]$/m);
  await workbench.terminalType('echo $UID-$(pwd)\n');
  await workbench.terminalShows(new RegExp(`^0-${folder}$`, 'm'));
  await workbench.view('Containers').row(/^host-bash .*rootless$/);
  await workbench.screenshot('sandbox-user');
  await workbench.terminalType('exit\n');

  await workbench.runCommand('Isoscope: New Sandbox…');
  const form = workbench.webview();
  await form.locator('.syscalls li').first().waitFor({ timeout: 30_000 });
  assert.match((await form.locator('pre').first().textContent()) ?? '', /"user": "new"/);
});

test('in a workspace that is not trusted its sandbox files are no more than files', { timeout: 300_000 }, async (t) => {
  const folder = makeFolder(t);
  await using workbench = await openWorkbench({ folder, restricted: true });
  await workbench.openSidebar('Isoscope');
  await workbench.view('Sandboxes').open();
  const sandboxes = workbench.view('Sandboxes');
  const welcome = async () => /Nothing runs in a sandbox/.test(await sandboxes.message());
  await eventually('no row', welcome, 60_000, () => sandboxes.shown());
  await workbench.runCommand('Isoscope: Run Sandbox');
  await workbench.notificationShows(/only in a trusted workspace/);
  await workbench.openSidebar('Explorer');
  await workbench.page.locator('.explorer-folders-view .monaco-list-row').filter({ hasText: 'mine.sandbox.json' }).dblclick();
  await eventually('the file', async () => /"programs"/.test(await workbench.editorText()));
  assert.equal(await workbench.page.locator('.codelens-decoration').count(), 0);
  await workbench.screenshot('sandbox-untrusted');
  await workbench.runCommand('View: Reopen Editor With...');
  await workbench.pick('Sandbox Form');
  const form = workbench.webview();
  await form.locator('.refused').filter({ hasText: 'only in a trusted workspace' }).waitFor({ timeout: 30_000 });
  assert.equal(await form.locator('vscode-text-field').count(), 0);
  await workbench.screenshot('sandbox-untrusted-form');
  await workbench.runCommand('View: Close Editor');

  await workbench.runCommand('Workspaces: Manage Workspace Trust');
  await workbench.page.locator('.workspace-trust-editor .monaco-button').filter({ hasText: 'Trust' }).first().click();
  await eventually(
    'the trust to be given',
    async () => !(await workbench.statusBar()).some((item) => item.includes('Restricted')),
  );
  await workbench.reload();
  await workbench.openSidebar('Isoscope');
  await workbench.view('Sandboxes').row('mine');
  await workbench.view('Sandboxes').click('mine');
  await workbench.page.locator('.codelens-decoration a').filter({ hasText: 'Run' }).first().waitFor({ timeout: 30_000 });
});
