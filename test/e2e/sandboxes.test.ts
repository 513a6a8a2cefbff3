/** Sandboxes as a person makes, sees and ends them: what the notes do by hand with unshare, mount, pivot_root and ldd. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

/** What is in the workspace from the beginning. */
const SPECS: Record<string, SandboxSpec> = {
  empty: { root: { type: 'tmpfs', size: '1G' }, process: { args: ['ls', '/'] } },
  kept: {
    root: { type: 'programs', programs: ['bash', 'ls'] },
    oldRoot: '/old-rootfs',
    proc: 'none',
    dev: 'none',
    process: { args: ['bash'], env: { PS1: '$ ' } },
  },
  small: {
    root: { type: 'programs', programs: ['bash', 'ls'] },
    proc: 'none',
    dev: 'none',
    process: { args: ['bash'], env: { PS1: '$ ' } },
  },
  chrooted: {
    root: { type: 'programs', programs: ['bash', 'ls'] },
    changeRoot: 'chroot',
    process: { args: ['bash'], env: { PS1: '$ ' } },
  },
};

describe('sandboxes', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-sandboxes-'));
  let workbench: Workbench;

  before(async () => {
    for (const [name, spec] of Object.entries(SPECS)) {
      writeFileSync(path.join(folder, `${name}.sandbox.json`), `${JSON.stringify(spec, undefined, 2)}\n`);
    }
    workbench = await openWorkbench({ folder });
    await workbench.openSidebar('Isoscope');
    await workbench.view('Sandboxes').open();
    await workbench.view('Sandboxes').row('empty', [], 90_000);
  });

  after(async () => {
    await workbench?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function shell(line: string, pattern: RegExp): Promise<RegExpExecArray> {
    await workbench.terminalType(`${line}\n`);
    return await workbench.terminalShows(pattern);
  }

  /** Ends the sandbox whose row this is, and waits until its row is gone; its specification keeps one. */
  async function stop(name: string): Promise<void> {
    const running = new RegExp(`^${name} .*programs|^${name} only`);
    await workbench.view('Sandboxes').contextMenu(running, 'Stop Sandbox');
    await workbench.view('Sandboxes').gone(running);
  }

  test('an empty tmpfs has no ls, and that is said, with what to do and the step that failed', async () => {
    await workbench.view('Sandboxes').contextMenu('empty', 'Run Sandbox');
    const text = await workbench.notificationShows(/ls: not found/);
    assert.match(text, /empty tmpfs/);
    assert.match(text, /programs/);
    await workbench.screenshot('sandbox-not-found');
    await workbench.notificationAction('Show the Step');
    await eventually('the failed step', async () => /execve/.test(await workbench.editorText()));
    await workbench.screenshot('sandbox-failed-step');
    await workbench.runCommand('View: Close All Editors');
  });

  test('a minimal root holds the programs that were named, their loader and libraries, and nothing else', async () => {
    await workbench.view('Sandboxes').contextMenu('small', 'Run Sandbox');
    await workbench.terminalShows(/\$$/m);
    await shell('ls /', /^bin {2}lib {2}lib64$/m);
    await shell('echo $$-$UID', /^\d+-0$/m);
    const view = workbench.view('Sandboxes');
    await view.row(/^small only/);
    await view.expand(/^small only/);
    await view.row(/^bash/);
    await workbench.screenshot('sandbox-small-dark');
    await workbench.setTheme('light');
    await workbench.screenshot('sandbox-small-light');
    await workbench.setTheme('dark');
  });

  test('a second terminal is in the same namespaces, and they are seen in the tree', async () => {
    const view = workbench.view('Sandboxes');
    await view.expand('Namespaces');
    await view.row(/^pid:\[\d+\]/);
    await view.action(/^small only/, 'Open Terminal in Sandbox');
    await eventually('a second terminal', async () => (await workbench.terminalNames()).length === 2);
    await shell('ls /', /^bin {2}lib {2}lib64$/m);
    await workbench.screenshot('sandbox-namespaces');
    await stop('small');
  });

  test('the old root can be kept where it is asked for', async () => {
    await workbench.view('Sandboxes').contextMenu('kept', 'Run Sandbox');
    await workbench.terminalShows(/\$$/m);
    await shell('ls /', /^bin {2}lib {2}lib64 {2}old-rootfs$/m);
    await workbench.screenshot('sandbox-old-root');
    await stop('kept');
  });

  test('what chroot does not protect from is said before it runs', async () => {
    await workbench.view('Sandboxes').action('chrooted', 'Explain Sandbox');
    await eventually('the explanation', async () => /Nothing of this has been done/.test(await workbench.editorText()));
    assert.match(await workbench.editorText(), /chroot/);
    await workbench.screenshot('sandbox-chroot-explained');
    await workbench.runCommand('View: Close All Editors');
  });

  test('a specification has lenses, and a mistake in it is said while it is typed', async () => {
    await workbench.view('Sandboxes').click('small');
    const lens = workbench.page.locator('.codelens-decoration a').filter({ hasText: 'Explain' }).first();
    await lens.waitFor({ timeout: 30_000 });
    await workbench.screenshot('sandbox-file');
    await lens.click();
    await eventually('the explanation', async () => /Nothing of this has been done/.test(await workbench.editorText()));
    await workbench.runCommand('View: Close All Editors');
  });

  test('"Run in New Namespace" asks for kinds, root and command, and opens a terminal in them', async () => {
    await workbench.runCommand('Isoscope: Run in New Namespace…');
    await eventually('the kinds', async () => /of its own/.test((await workbench.quickInput()).placeholder));
    await workbench.screenshot('sandbox-kinds');
    await workbench.pickMany(['mnt', 'pid', 'uts', 'ipc', 'net']);
    await workbench.pick('Host, read-only');
    await eventually('the command', async () => /Program and arguments/.test((await workbench.quickInput()).placeholder));
    await workbench.screenshot('sandbox-command');
    await workbench.answer('bash --norc');
    await workbench.terminalShows(/[#$]$/m);
    await shell('echo $$-$(ls /proc | grep -c "^[0-9]*$")', /^\d{1,2}-\d$/m);
    await shell('touch /etc/x', /Read-only file system/);
    await workbench.screenshot('sandbox-run');
    await workbench.terminalType('exit\n');
    await workbench.view('Sandboxes').gone(/^(host|bash)/);
  });

  test('the form shows live what it comes to', async () => {
    await workbench.runCommand('Isoscope: New Sandbox…');
    const frame = workbench.page.frameLocator('iframe.webview').frameLocator('iframe');
    await frame.locator('.syscalls li').first().waitFor({ timeout: 30_000 });
    await workbench.screenshot('sandbox-form-dark');
    await frame.locator('vscode-text-field[aria-label="Programs"] input').fill('no-such-program');
    await frame.locator('.refused').waitFor({ timeout: 30_000 });
    assert.match((await frame.locator('.refused').textContent()) ?? '', /no-such-program/);
    await workbench.setTheme('light');
    await workbench.screenshot('sandbox-form-light');
    await workbench.setTheme('dark');
  });
});
