/** Sandboxes as a person makes, sees and ends them: what the notes do by hand with unshare, mount, pivot_root and ldd. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

/** Its second variable is one that a line of text cannot hold. */
const FILLED = {
  root: { type: 'programs', programs: ['bash', 'ls'] },
  mounts: [{ type: 'tmpfs', destination: '/scratch', options: ['size=1M', 'noatime'] }],
  process: { args: ['bash'], env: { PS1: '$ ', LINES: 'one\ntwo' } },
} satisfies SandboxSpec;
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
  typed: { process: { args: ['true'] } },
  filled: FILLED,
};

describe('sandboxes', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-sandboxes-'));
  let workbench: Workbench;

  before(async () => {
    for (const [name, spec] of Object.entries(SPECS)) {
      writeFileSync(path.join(folder, `${name}.sandbox.json`), `${JSON.stringify(spec, undefined, 2)}\n`);
    }
    workbench = await openWorkbench({ story: true, folder });
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
    const running = new RegExp(`^${name} running`);
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
    await eventually('the failed step', async () => /It failed here: ENOENT/.test(await workbench.editorText()));
    assert.match(
      await workbench.editorText(),
      /execve\("\/bin\/ls"[^\n]*\n# {3}\^ It failed here: ENOENT\.\n# {5}ls: not found\./,
    );
    const copy = workbench.page.locator('.codelens-decoration a').filter({ hasText: 'Copy Command Line' }).first();
    await copy.waitFor({ timeout: 30_000 });
    await workbench.screenshot('sandbox-failed-step');
    await copy.click();
    await eventually('the nearest command line', async () =>
      /^bwrap --unshare-\S+ .* ls \/$/.test(await workbench.clipboard()),
    );
    await workbench.runCommand('View: Close All Editors');
  });

  test('a minimal root holds the programs that were named, their loader and libraries, and nothing else', async () => {
    await workbench.view('Sandboxes').contextMenu('small', 'Run Sandbox');
    await workbench.terminalShows(/\$$/m);
    await shell('ls /', /^bin {2}lib {2}lib64$/m);
    await shell('echo $$-$UID', /^\d+-0$/m);
    const view = workbench.view('Sandboxes');
    await view.row(/^small running/);
    await view.expand(/^small running/);
    await view.row(/^bash/);
    await workbench.screenshots('sandbox-small');
  });

  test('a second terminal is in the same namespaces, and they are seen in the tree', async () => {
    const view = workbench.view('Sandboxes');
    await view.expand('Namespaces');
    await view.row(/^pid:\[\d+\]/);
    await view.action(/^small running/, 'Open Terminal in Sandbox');
    await eventually('a second terminal', async () => (await workbench.terminalNames()).length === 2);
    await shell('ls /', /^bin {2}lib {2}lib64$/m);
    await workbench.screenshot('sandbox-namespaces');
    await stop('small');
  });

  test('the old root can be kept where it is asked for', async () => {
    await workbench.view('Sandboxes').contextMenu('kept', 'Run Sandbox');
    assert.match(await workbench.dialogText(), /as root[\s\S]*The old root is kept at \/old-rootfs/);
    await workbench.dialogButton('Run');
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

  test('a specification has lenses', async () => {
    await workbench.view('Sandboxes').click('small');
    const lens = workbench.page.locator('.codelens-decoration a').filter({ hasText: 'Explain' }).first();
    await lens.waitFor({ timeout: 30_000 });
    await workbench.screenshot('sandbox-file');
    await lens.click();
    await eventually('the explanation', async () => /Nothing of this has been done/.test(await workbench.editorText()));
    await workbench.runCommand('View: Close All Editors');
  });

  test('while a specification is typed, its fields and values are offered, explained and checked', async () => {
    const { page } = workbench;
    const offered = (label: string) => page.locator('.suggest-widget.visible .monaco-list-row').filter({ hasText: label });
    // A row that is drawn anew between the press and the release opens nothing.
    await eventually('the file', async () => {
      await workbench.view('Sandboxes').click('typed');
      await page.locator('.tab.active[data-resource-name="typed.sandbox.json"]').waitFor({ timeout: 3000 });
      return true;
    });
    await page.locator('.editor-instance .view-lines').first().click();
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.keyboard.type('"chan');
    await offered('changeRoot').waitFor({ timeout: 30_000 });
    await workbench.screenshot('sandbox-file-completion');
    await page.keyboard.press('Enter');
    await eventually(
      'the field',
      async () => /"changeRoot": ?,?$/m.test(await workbench.editorText()),
      30_000,
      () => workbench.editorText(),
    );
    await page.keyboard.press('Control+Space');
    await offered('pivot_root').waitFor({ timeout: 30_000 });
    await page.keyboard.type('"chr');
    await offered('pivot_root').waitFor({ state: 'detached', timeout: 30_000 });
    await offered('chroot').waitFor({ timeout: 30_000 });
    await page.keyboard.press('Enter');
    await eventually(
      'the value',
      async () => /"changeRoot": "chroot",/.test(await workbench.editorText()),
      30_000,
      () => workbench.editorText(),
    );
    const field = page.locator('.view-line span span').filter({ hasText: /^"changeRoot"$/ });
    await workbench.hover(field.first(), 'leaves nothing of the old root');
    await workbench.screenshot('sandbox-file-hover');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.keyboard.insertText('"hostname": "-x", "proc": "mine", "nonsense": 1,');
    await workbench.runCommand('Problems: Focus on Problems View');
    for (const message of ['It must be of letters, digits', 'Valid values: "own", "none"', 'nonsense is not allowed']) {
      await page.locator('.markers-panel .monaco-list-row').filter({ hasText: message }).waitFor({ timeout: 30_000 });
    }
    await workbench.screenshot('sandbox-file-problems');
    await workbench.closePanel();
    await workbench.runCommand('View: Revert and Close Editor');
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
    await shell('pwd', new RegExp(`^${folder}$`, 'm'));
    await shell('touch /etc/x', /Read-only file system/);
    await workbench.screenshot('sandbox-run');
    await workbench.terminalType('exit\n');
    await workbench.view('Sandboxes').gone(/^(host|bash)/);
  });

  test('what was chosen last is proposed the next time, and after a reload of the window', async () => {
    await workbench.reload();
    await workbench.openSidebar('Isoscope');
    await workbench.runCommand('Isoscope: Run in New Namespace…');
    await eventually('the kinds', async () => /of its own/.test((await workbench.quickInput()).placeholder));
    assert.deepEqual(await workbench.ticked(), ['mnt', 'pid', 'net', 'ipc', 'uts']);
    await workbench.pickMany(['mnt', 'pid']);
    await eventually('the root', async () => /root directory/.test((await workbench.quickInput()).placeholder));
    assert.match((await workbench.quickPickItems())[0] ?? '', /^As last time.*read-only/);
    await workbench.pick('As last time');
    await eventually('the command', async () => (await workbench.quickInput()).value === 'bash --norc');
    await workbench.screenshot('sandbox-remembered');
    await workbench.escape();
  });

  describe('the form', () => {
    const form = () => workbench.webview();
    const field = (label: string) => form().locator(`vscode-text-field[aria-label="${label}"] input`);
    const unfold = (section: string) => form().locator(`details[data-section="${section}"]:not([open]) > summary`).click();

    before(async () => {
      await workbench.runCommand('View: Close All Editors');
      await workbench.closePanel();
    });

    test('shows live what it comes to', async () => {
      await workbench.runCommand('Isoscope: New Sandbox…');
      await form().locator('.syscalls li').first().waitFor({ timeout: 30_000 });
      await workbench.screenshot('sandbox-form-dark');
      await field('Programs').fill('no-such-program');
      await form().locator('.refused').waitFor({ timeout: 30_000 });
      assert.match((await form().locator('.refused').textContent()) ?? '', /no-such-program/);
      const atField = form().locator('[data-field="root.programs"] > .mistake');
      assert.match((await atField.textContent({ timeout: 30_000 })) ?? '', /no-such-program/);
      await workbench.screenshot('sandbox-form-refused');
    });

    test('says below a control what is wrong with it, asks for nothing until that is right, and loses nothing', async () => {
      await field('Programs').fill('bash ls');
      await form().locator('.syscalls li').first().waitFor({ timeout: 30_000 });
      const long = `a-name-that-is-much-too-long-${'x'.repeat(60)}`;
      await field('Name').fill(long);
      await unfold('limits');
      await field('CPUs').fill('two');
      await form().locator('.mistake').nth(1).waitFor({ timeout: 30_000 });
      const mistakes = await form().locator('.mistake').allTextContents();
      assert.match(mistakes.join('\n'), /at most 63[\s\S]*number above 0/);
      // A screen reader says it too, of the field that is wrong.
      assert.match((await field('Name').getAttribute('aria-description')) ?? '', /at most 63/);
      await form().locator('vscode-button').filter({ hasText: 'Run' }).click();
      // The first that is wrong has the focus, and can be corrected at once.
      await form().locator('vscode-text-field[data-key="name"]:focus-within').waitFor({ timeout: 30_000 });
      await workbench.screenshot('sandbox-form-mistakes');
      // Not by Ctrl+A, which the workbench sends on to the webview once more, and later: over what is typed by then.
      await field('Name').selectText();
      await workbench.page.keyboard.type('formed');
      await eventually('one mistake less', async () => (await form().locator('.mistake').count()) === 1);
      assert.deepEqual([await field('Name').inputValue(), await field('CPUs').inputValue()], ['formed', 'two']);
      await field('CPUs').fill('0.5');
      await form().locator('.syscalls li').first().waitFor({ timeout: 30_000 });
    });

    test('keeps what was typed while it is hidden, and the focus when other controls come', async () => {
      await unfold('namespaces');
      const own = form().locator('vscode-checkbox').filter({ hasText: 'Host name' });
      await own.focus();
      await workbench.page.keyboard.press('Space');
      await field('Host name').waitFor({ state: 'detached', timeout: 30_000 });
      await workbench.page.keyboard.press('Space');
      await field('Host name').waitFor({ timeout: 30_000 });
      await workbench.view('Sandboxes').click('small');
      await workbench.page.locator('.tab.active[data-resource-name="small.sandbox.json"]').waitFor({ timeout: 30_000 });
      await workbench.runCommand('View: Close Editor');
      await form().locator('.syscalls li').first().waitFor({ timeout: 30_000 });
      assert.deepEqual([await field('Name').inputValue(), await field('CPUs').inputValue()], ['formed', '0.5']);
    });

    test('runs what it shows', async () => {
      await form().locator('vscode-button').filter({ hasText: 'Run' }).click();
      await workbench.view('Sandboxes').row(/^formed running/);
      await workbench.terminalShows(/[#$] ?$/m);
      await shell('ls /', /^bin {2}dev {2}lib {2}lib64 {2}proc/m);
      await stop('formed');
      await workbench.closePanel();
    });

    test('is an editor of a file: changes what is filled in, and nothing else', async () => {
      const file = path.join(folder, 'filled.sandbox.json');
      await workbench.view('Sandboxes').contextMenu('filled', 'Edit Sandbox in Form');
      await form().locator('vscode-button').filter({ hasText: 'Edit as JSON' }).waitFor({ timeout: 30_000 });
      await form().locator('.syscalls li').first().waitFor({ timeout: 30_000 });
      // What a line cannot hold is shown as JSON.
      await form().locator('vscode-text-area[aria-label="Environment"]').waitFor({ timeout: 30_000 });
      await unfold('mounts');
      await form().locator('vscode-button').filter({ hasText: 'Add Mount' }).click();
      await form().locator('vscode-button[aria-label="Choose: Mount 2: Source"]').click();
      await workbench.takeFolder(folder);
      await eventually('the source', async () => (await field('Mount 2: Source').inputValue()) === folder);
      await field('Mount 2: Destination').fill('/data');
      const access = form().locator('vscode-dropdown[aria-label="Mount 2: Access"]');
      await access.click();
      await access.locator('vscode-option').filter({ hasText: 'Read-only' }).click();
      await form().locator('vscode-button[aria-label="Move up: Mount 2"]').focus();
      await workbench.page.keyboard.press('Enter');
      // The focus has gone with it.
      await form().locator('vscode-button[aria-label="Move down: Mount 1"]:focus').waitFor({ timeout: 30_000 });
      await eventually('its syscalls', async () => /\/data/.test((await form().locator('.syscalls').textContent()) ?? ''));
      const first = form().locator('vscode-dropdown[aria-label="Mount 1: Access"]');
      await first
        .locator('vscode-option[aria-selected="true"]')
        .filter({ hasText: 'Read-only' })
        .waitFor({ state: 'attached' });
      await workbench.screenshot('sandbox-form-mounts');
      await unfold('users');
      await field('User id').fill('0');
      await field('umask').fill('077');
      await unfold('network');
      await form().locator('vscode-button').filter({ hasText: 'Add Host' }).click();
      await field('Host 1: Address').fill('10.0.0.1');
      await field('Host 1: Names').fill('db db.example');
      await unfold('limits');
      await form().locator('vscode-button').filter({ hasText: 'Add Resource Limit' }).click();
      await field('Resource limit 1: Soft').fill('64');
      await field('Resource limit 1: Hard').fill('64');
      await unfold('security');
      await form().locator('vscode-button[aria-label="Choose: These"]').click();
      await workbench.pickMany(['CAP_KILL']);
      await eventually('the capability', async () => (await field('These').inputValue()) === 'CAP_KILL');
      await eventually('the JSON', async () => /CAP_KILL/.test((await form().locator('pre').first().textContent()) ?? ''));
      await workbench.runCommand('File: Save');
      const saved: SandboxSpec = {
        ...FILLED,
        mounts: [{ type: 'bind', destination: '/data', source: folder, options: ['ro'] }, ...FILLED.mounts],
        hosts: [{ address: '10.0.0.1', names: ['db', 'db.example'] }],
        process: {
          ...FILLED.process,
          user: { uid: 0, umask: 0o77 },
          rlimits: [{ type: 'RLIMIT_NOFILE', soft: 64, hard: 64 }],
          capabilities: ['CAP_KILL'],
        },
      };
      await eventually(
        'the saved file',
        async () => isDeepStrictEqual(JSON.parse(readFileSync(file, 'utf8')), saved),
        30_000,
        async () => readFileSync(file, 'utf8'),
      );
      await form().locator('vscode-button').filter({ hasText: 'Run' }).click();
      assert.match(await workbench.dialogText(), /capabilities count on the host/);
      await workbench.dialogButton('Run');
      await workbench.view('Sandboxes').row(/^filled running/);
      await workbench.terminalShows(/\$ ?$/m);
      await shell('ls /data', /filled\.sandbox\.json/);
      await shell('echo >/data/new', /Read-only file system/);
      await shell('echo mask-$(umask), files-$(ulimit -n)', /^mask-0077, files-64$/m);
      await shell('echo $(</etc/hosts)', /10\.0\.0\.1 db db\.example/);
      await shell('while read name value; do [ $name = CapEff: ] && echo $value; done </proc/self/status', /^0{14}20$/m);
      await stop('filled');
      await workbench.closePanel();
    });

    test('is right in light and in high contrast themes', async () => {
      await form().locator('vscode-dropdown[aria-label="Entered by"]').waitFor({ timeout: 30_000 });
      await workbench.setTheme('light');
      await workbench.screenshot('sandbox-form-light');
      await workbench.setTheme('highContrast');
      await field('Name').focus();
      await workbench.screenshot('sandbox-form-high-contrast');
      await workbench.setTheme('dark');
    });
  });
});
