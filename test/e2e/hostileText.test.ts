/** A real container that names everything as an attacker would: a person sees text, and nothing that can be clicked, drawn or executed. */
import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type Docker, type DockerContainer, docker, startDocker } from '../fixtures/docker.ts';
import { groupCgroups } from './harness/cgroups.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

const NAME = `hostile-${process.pid}`;
const LINK = '[click](command:workbench.action.terminal.new)';
const FILE = `$(trash) ${LINK} <img src=x onerror=alert(1)>`;
/** As a process may call itself; the kernel cuts it. */
const COMM = '$(trash)[a](b)';
const CGROUP = `${NAME} $(trash) ${LINK}`;
const ALL_THEMES = ['dark', 'light', 'highContrast'] as const;

/** What stands in text in the place of what is named so: the characters between which nothing can be markup. */
const plain = (text: string) => text.replaceAll('\u2060', '');

describe('hostile names', { timeout: 300_000 }, () => {
  let engine: Docker;
  let container: DockerContainer;
  let workbench: Workbench;
  let cgroup: string | undefined;

  before(async () => {
    engine = await startDocker();
    const script = `ln -s '/${LINK}' /evil; echo x > '/${FILE.replaceAll('/', '')}'; printf %s '${COMM}' > /proc/self/comm; while :; do sleep 1000; done`;
    container = engine.run(NAME, ['sh', '-c', script]);
    cgroup = `/sys/fs/cgroup/pids/${CGROUP.replaceAll('/', '')}`;
    try {
      mkdirSync(cgroup);
    } catch {
      // A host of version 2 alone has no such hierarchy.
      cgroup = undefined;
    }
    workbench = await openWorkbench({ height: 1100 });
    await workbench.openSidebar('Isoscope');
    await workbench.view('Containers').row(NAME, [], 60_000);
    workbench.restingFilter = NAME;
  });

  after(async () => {
    await workbench?.close();
    container?.[Symbol.dispose]();
    if (cgroup !== undefined) rmdirSync(cgroup);
    await engine?.[Symbol.asyncDispose]();
  });

  /** Neither a link to a command nor an icon of a name is anywhere in the workbench. */
  async function nothingIsAlive(within: string): Promise<void> {
    const alive = workbench.page.locator(
      ['a[href]:not([href=""])', '[data-href]', 'img', '.monaco-icon-label .codicon-trash', '.quick-input-list .codicon-trash']
        .map((what) => `${within} ${what}`)
        .join(', '),
    );
    assert.equal(await alive.count(), 0, within);
  }

  test('a process that calls itself so is a row, a choice and a page of text', async () => {
    const view = workbench.view('Containers');
    await view.expand(NAME);
    const called = /^\$.?\(trash\)/;
    await view.row(called, [], 20_000);
    await nothingIsAlive('.part.sidebar .pane-body');
    await workbench.screenshots('hostile-rows', ALL_THEMES);
    await workbench.runCommand('Isoscope: Inspect Process');
    await eventually('the processes', async () => (await workbench.quickPickItems()).length > 0);
    await workbench.typeInto('trash');
    await eventually('the process', async () => (await workbench.quickPickItems()).some((row) => plain(row).includes(COMM)));
    assert.equal((await workbench.quickInput()).title, 'Inspect Process');
    await nothingIsAlive('.quick-input-widget');
    await workbench.screenshot('hostile-choices');
    await workbench.escape();
    await view.contextMenu(called, 'Inspect Process');
    await eventually('the page', async () => plain(await workbench.pageText()).includes(COMM));
    assert.equal(await workbench.webview().locator('a[href], img').count(), 0);
    await nothingIsAlive('.tab');
    await workbench.screenshots('hostile-page', ALL_THEMES);
  });

  test('a link whose target is a link to a command is told as text when it cannot be opened', async () => {
    const view = workbench.view('Layers');
    await view.open();
    await view.expand(NAME);
    await view.expand('Read-write layer');
    await view.row(/^\$.?\(trash\)/);
    await view.click(/^evil/);
    const told = await workbench.notificationShows(/The link \/evil leads to/);
    assert.ok(plain(told).includes(`/${LINK}`), told);
    await nothingIsAlive('.notification-toast .notification-list-item-message');
    await nothingIsAlive('.part.sidebar .pane-body');
    assert.equal((await workbench.terminalNames()).length, 0);
    await workbench.screenshots('hostile-notification', ALL_THEMES);
  });

  test('a cgroup that is named so is a row and a question of text', async (t) => {
    if (cgroup === undefined) return t.skip('this host has no hierarchy of version 1 with pids');
    const view = workbench.view('Cgroups');
    await view.open();
    await groupCgroups(workbench, 'By hierarchy');
    await view.expand(/^pids/);
    const row = new RegExp(`^${NAME} \\$`);
    await view.row(row, [], 20_000);
    await nothingIsAlive('.part.sidebar .pane-body');
    await view.contextSubmenu(row, 'Set Limit', 'Set Limit of Tasks');
    await eventually('the box', async () => (await workbench.quickInput()).title.endsWith(': Set Limit of Tasks'));
    await nothingIsAlive('.quick-input-widget');
    await workbench.screenshot('hostile-question');
    await workbench.escape();
    assert.equal(docker('inspect', '--format', '{{.State.Running}}', NAME), 'true');
  });
});
