/** Sandboxes in the other views, and their whole life in their own: seen, compared, joined, kept, changed and removed. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SandboxesList, SandboxesRemove, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { startHelper } from '../fixtures/helper.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

const PROMPT = { env: { PS1: '$ ' } };
const SHELL: SandboxSpec = {
  root: { type: 'programs', programs: ['bash', 'ls', 'sleep'] },
  process: { args: ['bash'], ...PROMPT },
};
/** Its name is known to every helper of this host. */
const KEEPER = `keeper-${process.pid}`;
const SPECS: Record<string, SandboxSpec> = {
  ns1: SHELL,
  ns2: SHELL,
  stays: SHELL,
  chrooted: { ...SHELL, changeRoot: 'chroot' },
  [KEEPER]: { root: { type: 'programs', programs: ['bash', 'ls'] }, persistent: true, process: PROMPT },
};

const VIEWS = ['Containers', 'Namespaces', 'Cgroups', 'Layers', 'Sandboxes'];

/** It outlives the window, also when its test came to no end. */
async function removeKeeper(): Promise<void> {
  await using helper = await startHelper();
  const { sandboxes } = await helper.request(SandboxesList, {});
  const left = sandboxes.filter(({ name }) => name === KEEPER);
  for (const { id } of left) await helper.request(SandboxesRemove, { sandbox: id });
}

describe('sandboxes in the views', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-views-'));
  let workbench: Workbench;

  before(async () => {
    for (const [name, spec] of Object.entries(SPECS)) {
      writeFileSync(path.join(folder, `${name}.sandbox.json`), `${JSON.stringify(spec, undefined, 2)}\n`);
    }
    workbench = await openWorkbench({ story: true, folder, height: 1200 });
    await workbench.openSidebar('Isoscope');
    await workbench.view('Sandboxes').open();
    await workbench.view('Sandboxes').row('ns1', [], 90_000);
  });

  after(async () => {
    await workbench?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const sandboxes = () => workbench.view('Sandboxes');
  /** Gives a view all the room, so that its rows are on screen. */
  async function only(view: string): Promise<void> {
    for (const other of VIEWS) if (other !== view) await workbench.view(other).close();
    await workbench.view(view).open();
  }
  const file = (name: string) => new RegExp(`^${name} ${name}\\.sandbox\\.json$`);
  const running = (name: string) => new RegExp(`^${name} running`);

  /** Runs the specification. A row that VS Code reads anew while its menu is open is not handed on: then the command asks which. */
  async function start(name: string): Promise<void> {
    await sandboxes().contextMenu(file(name), 'Run Sandbox');
    await eventually(`${name} to run`, async () => {
      const rows = await sandboxes().rows();
      if (rows.some(({ label, description }) => running(name).test(`${label} ${description}`))) return true;
      const asked = workbench.page
        .locator('.quick-input-widget:visible .monaco-list-row')
        .filter({ hasText: `${name}.sandbox.json` });
      if ((await asked.count()) > 0) await asked.first().click({ timeout: 2000 });
      // One that protects less than the default asks, for the helper is root.
      const run = workbench.page.locator('.monaco-dialog-box .monaco-button').filter({ hasText: 'Run' });
      if ((await run.count()) > 0) await run.first().click({ timeout: 2000 });
      return false;
    });
  }

  /** Runs the specification, and waits for its terminal's prompt. */
  async function run(name: string): Promise<void> {
    await only('Sandboxes');
    const before = (await workbench.terminalNames()).length;
    await start(name);
    await eventually('its terminal', async () => (await workbench.terminalNames()).length > before);
    await workbench.terminalShows(/\$$/m);
  }

  async function selected(view: string, label: RegExp): Promise<void> {
    await eventually(`${label} selected in ${view}`, async () =>
      (await workbench.view(view).rows()).some((row) => row.selected && label.test(`${row.label} ${row.description}`)),
    );
  }

  test('the first shell is in ns1, the second and third are in ns2, and the tree of pid namespaces shows it', async () => {
    await run('ns1');
    await workbench.terminalType('sleep 1001\n');
    await run('ns2');
    await sandboxes().action(running('ns2'), 'Open Terminal in Sandbox');
    await eventually('the third terminal', async () => (await workbench.terminalNames()).length === 3);
    await workbench.terminalShows(/\$$/m);
    await workbench.terminalType('sleep 1003\n');
    await only('Namespaces');
    const namespaces = workbench.view('Namespaces');
    await namespaces.expand(/^Process ids/);
    await namespaces.row(/^pid:\[\d+\] ns1 .*4 processes|^pid:\[\d+\] ns1 .*3 processes/);
    await namespaces.row(/^pid:\[\d+\] ns2 .*4 processes/);
    await namespaces.expand(/^pid:\[\d+\] ns2/);
    await namespaces.expand(/^Members 4/);
    await namespaces.row(/^sleep ns2 · 1003 ·/);
    await workbench.screenshot('sandbox-ns1-ns2');
    await only('Containers');
    await workbench.view('Containers').row(/^ns1 [34] processes$/);
    await workbench.view('Containers').row(/^ns2 4 processes$/);
  });

  test('two terminals stand side by side', async () => {
    await workbench.runCommand('Terminal: Join Terminals...');
    await workbench.pick('ns1');
    await eventually(
      'both',
      async () =>
        (await workbench.page.locator('.terminal-split-pane, .split-view-view .terminal-wrapper:visible').count()) >= 2,
    );
    await workbench.screenshot('sandbox-side-by-side');
  });

  test('leads from the Containers view to the Sandboxes view, and on to the Namespaces view', async () => {
    await workbench.view('Containers').contextMenu('ns1', 'Reveal in Sandboxes');
    await selected('Sandboxes', running('ns1'));
    await only('Sandboxes');
    await sandboxes().contextMenu(running('ns2'), 'Reveal in Containers');
    await selected('Containers', /^ns2 \d+ process/);
    await only('Sandboxes');
    await sandboxes().contextMenu(running('ns2'), 'Reveal in Namespaces');
    await workbench.pick('Process ids');
    await selected('Namespaces', /ns2/);
    await workbench.screenshot('sandbox-revealed');
  });

  test('the mounts that one sees are compared with those of the host, and stand beside them as text', async () => {
    await only('Sandboxes');
    await sandboxes().contextMenu(running('ns1'), 'Compare Mounts with the Host');
    await workbench.closePanel();
    await eventually(
      'what differs',
      async () => /places differ/.test(await workbench.pageText()),
      30_000,
      () => workbench.pageText(),
    );
    await workbench.screenshot('sandbox-mounts-compared');
    await workbench.webview().getByRole('button', { name: 'As text' }).click();
    await eventually(
      'both tables',
      async () =>
        /\/usr\/bin\/bash/.test(await workbench.editorText()) && /\/sys\/fs\/cgroup/.test(await workbench.editorText()),
    );
    await workbench.screenshot('sandbox-mounts');
    await workbench.runCommand('View: Close All Editors');
  });

  test('two that run are compared in all respects, what differs before what is the same', async () => {
    await only('Sandboxes');
    await sandboxes().contextMenu(running('ns1'), 'Compare With…');
    await workbench.pick('ns2');
    const page = () => workbench.pageText();
    await eventually('what differs', async () => /What differs: Namespaces \d/.test(await page()), 30_000, page);
    assert.match(await page(), /ns1 ↔ ns2[\s\S]*Host name\s+separate[\s\S]*Capabilities/);
    await workbench.screenshot('sandbox-compared');
    await workbench.runCommand('View: Close All Editors');
  });

  test('chroot and pivot_root side by side: which confines it, and what of the old root is in reach', async () => {
    await run('chrooted');
    await workbench.notificationShows(/chroot changes only where paths begin/);
    await workbench.closePanel();
    await only('Containers');
    const pages = workbench.page.frameLocator('iframe.webview.ready:visible >> nth=0').frameLocator('#active-frame');
    const page = () => workbench.pageText();
    await workbench.view('Containers').contextMenu('chrooted', 'Inspect Process');
    await eventually('what chroot leaves', async () => /can climb out to it/.test(await page()), 30_000, page);
    assert.match(await page(), /is mounted at \/, outside of its root/);
    assert.match(await page(), /as nsenter does, or climbs out reads its files/);
    await workbench.screenshot('sandbox-chroot-page');
    await workbench.view('Containers').contextMenu('ns1', 'Inspect Process');
    await eventually('what pivot_root leaves', async () => /as pivot_root leaves it/.test(await page()), 30_000, page);
    assert.match(await page(), /is not mounted in its mount namespace/);
    await workbench.runCommand('View: Move Editor into Right Group');
    await pages.locator('h1').waitFor({ timeout: 30_000 });
    await workbench.screenshot('sandbox-chroot-pivot-root');
    await workbench.runCommand('View: Close All Editors');
  });

  test('its notes stand at its row, and are not told again when it starts again', async () => {
    await workbench.clearNotifications();
    await only('Sandboxes');
    await sandboxes().expand(running('chrooted'));
    await sandboxes().row(/^Notes 1/);
    assert.match(await sandboxes().tooltip(running('chrooted'), 'chroot'), /chroot changes only where paths begin/);
    await sandboxes().contextMenu(running('chrooted'), 'Restart Sandbox');
    await workbench.terminalShows(/\$$/m);
    await sandboxes().row(running('chrooted'));
    assert.deepEqual(await workbench.notifications(), []);
    await workbench.screenshot('sandbox-notes');
    await sandboxes().action(running('chrooted'), 'Stop Sandbox');
    await sandboxes().gone(running('chrooted'));
  });

  test('"Run in the Same Namespaces, but…" joins those that stay ticked and makes the others anew', async () => {
    await only('Containers');
    await workbench.view('Containers').contextMenu('ns2', 'Run in the Same Namespaces, but…');
    await eventually('the kinds', async () => /to share/.test((await workbench.quickInput()).placeholder));
    await workbench.screenshot('sandbox-same-namespaces');
    await workbench.pickMany(['mnt', 'pid', 'ipc', 'uts', 'cgroup']);
    await eventually('the command', async () => /Program and arguments/.test((await workbench.quickInput()).placeholder));
    await workbench.answer('bash --norc');
    await workbench.terminalShows(/^bash-.*[#$]$/m);
    await workbench.terminalType('echo name=$HOSTNAME; exec sleep 1004\n');
    await workbench.terminalShows(/^name=ns2$/m);
    const [joined, own] = [processWith('sleep\x001004'), processWith('sleep\x001003')];
    const same = (kind: string) => namespaceOf(joined, kind) === namespaceOf(own, kind);
    assert.deepEqual(['mnt', 'pid', 'uts', 'net'].map(same), [true, true, true, false]);
  });

  test('a persistent one is found again after the helper, stopped, started again and removed', async (t) => {
    t.after(removeKeeper);
    await only('Sandboxes');
    await start(KEEPER);
    await sandboxes().row(new RegExp(`^${KEEPER} running, persistent`));
    await workbench.runCommand('Isoscope: Restart Helper');
    await sandboxes().row(new RegExp(`^${KEEPER} running, persistent`));
    await workbench.view('Containers').row(new RegExp(`^${KEEPER} \\d+ process`));
    await only('Sandboxes');
    await sandboxes().action(running(KEEPER), 'Open Terminal in Sandbox');
    await workbench.terminalShows(/\$$/m);
    await workbench.screenshot('sandbox-found-again');
    await sandboxes().contextMenu(running(KEEPER), 'Stop Sandbox');
    // The helper that made it may be there still, for the sake of terminals that are attached, and says it in its way.
    const ended = new RegExp(`^${KEEPER} (It was stopped|Its program was ended by SIGTERM)`);
    await sandboxes().row(ended);
    await sandboxes().action(ended, 'Restart Sandbox');
    await sandboxes().row(new RegExp(`^${KEEPER} running, persistent`));
    await workbench.view('Containers').row(new RegExp(`^${KEEPER} \\d+ process`));
    await only('Sandboxes');
    await sandboxes().contextMenu(running(KEEPER), 'Remove Sandbox');
    assert.match(await workbench.dialogText(), new RegExp(`Remove the sandbox ${KEEPER}\\?`));
    await workbench.dialogButton('Remove');
    await sandboxes().gone(running(KEEPER));
  });

  test('is edited as a document and duplicated as a file', async () => {
    await only('Sandboxes');
    await sandboxes().contextMenu(running('ns1'), 'Edit Sandbox');
    await eventually('its specification', async () => /"programs"/.test(await workbench.editorText()));
    await workbench.runCommand('View: Revert and Close Editor');
    await sandboxes().contextMenu(file('ns1'), 'Duplicate Sandbox…');
    const copy = path.join(folder, 'ns1-copy.sandbox.json');
    await workbench.quickInput();
    await workbench.screenshot('sandbox-duplicate');
    await workbench.saveAs(copy);
    assert.ok(existsSync(copy));
    assert.deepEqual(JSON.parse(readFileSync(copy, 'utf8')), { ...SHELL, name: 'ns1-copy' });
    await sandboxes().row('ns1-copy');
  });

  test('what runs is listed after a restart of the helper, a reload and in a second window, with what can be done with it', async () => {
    await run('stays');
    await workbench.runCommand('Isoscope: Restart Helper');
    // Its terminal keeps the helper that made it; another one lists it.
    await sandboxes().row(running('stays'));
    await workbench.reload();
    await workbench.openSidebar('Isoscope');
    await only('Sandboxes');
    await sandboxes().row(running('stays'));
    await workbench.screenshot('sandbox-listed-after-reload');
    const terminals = (await workbench.terminalNames()).length;
    await sandboxes().action(running('stays'), 'Open Terminal in Sandbox');
    await eventually('another terminal', async () => (await workbench.terminalNames()).length > terminals);
    await workbench.terminalShows(/\$$/m);
    await using second = await openWorkbench();
    await second.openSidebar('Isoscope');
    await second.view('Sandboxes').open();
    await second.view('Sandboxes').row(running('stays'), [], 90_000);
    await second.screenshot('sandbox-listed-in-second-window');
    await second.view('Sandboxes').contextMenu(running('stays'), 'Stop Sandbox');
    await second.view('Sandboxes').gone(running('stays'));
    await sandboxes().gone(running('stays'));
  });
});

/** The pid of the process with exactly this command line. */
function processWith(commandLine: string): number {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readFileSync(`/proc/${name}/cmdline`, 'utf8') === `${commandLine}\0`) return Number(name);
    } catch {
      // It has ended.
    }
  }
  throw new Error(`no process ${commandLine.replaceAll('\0', ' ')}`);
}

function namespaceOf(pid: number, kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}
