/** Terminals, programs and syscalls in a real Docker container, as a person reaches them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Docker, type DockerContainer, docker, startDocker } from '../fixtures/docker.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

/** Own names, so that two runs of this file on one machine leave each other's containers alone. */
const NAME = `terminals-${process.pid}`;
const SHELLLESS = `shellless-${process.pid}`;

function inspect(format: string): string {
  return docker('inspect', '-f', format, NAME);
}

/** An image with one program and nothing else: `/sleep`. */
function makeShelllessImage(): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-image-'));
  try {
    cpSync('/bin/busybox', path.join(folder, 'sleep'));
    execFileSync('tar', ['-C', folder, '-cf', path.join(folder, 'image.tar'), 'sleep']);
    docker('import', path.join(folder, 'image.tar'), SHELLLESS);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('in a Docker container', { timeout: 300_000 }, () => {
  let engine: Docker;
  let workbench: Workbench;
  const containers: DockerContainer[] = [];

  before(async () => {
    engine = await startDocker();
    makeShelllessImage();
    containers.push(engine.run(NAME, ['sleep', '100000'], ['-e', 'COLOUR=blue', '-w', '/usr']));
    containers.push(engine.run(SHELLLESS, ['/sleep', '100000'], [], SHELLLESS));
    workbench = await openWorkbench();
    await workbench.openSidebar('Isoscope');
    await workbench.view('Containers').row(NAME, [], 90_000);
  });

  after(async () => {
    await workbench?.close();
    for (const container of containers) container[Symbol.dispose]();
    if (engine !== undefined) docker('rmi', '--force', SHELLLESS);
    await engine?.[Symbol.asyncDispose]();
  });

  /** Types a command line whose output must match. */
  async function shell(line: string, pattern: RegExp): Promise<RegExpExecArray> {
    await workbench.terminalType(`${line}\n`);
    return await workbench.terminalShows(pattern);
  }

  /** Ends the shell of the visible terminal, whose tab then goes. */
  async function leave(): Promise<void> {
    const before = await workbench.page.locator('.xterm-screen').count();
    await workbench.terminalType('exit 0\n');
    await eventually('the end of the terminal', async () => (await workbench.page.locator('.xterm-screen').count()) < before);
  }

  /** Chooses from the container's menu until the question is about that container: rows move while others come and go. */
  async function ask(entry: string): Promise<void> {
    await eventually(
      `"${entry}" to ask about ${NAME}`,
      async () => {
        await workbench.view('Containers').contextMenu(NAME, entry);
        if ((await workbench.quickInput()).title === `${NAME}: ${entry.replace('…', '')}`) return true;
        await workbench.escape();
        return false;
      },
      60_000,
    );
  }

  /** A terminal in the container, at its prompt. */
  async function openTerminal(): Promise<void> {
    await workbench.view('Containers').contextMenu(NAME, 'Open Terminal in Container');
    await workbench.terminalShows(/\/usr #$/m);
  }

  async function enter(kinds: string[], identity = 'Root'): Promise<void> {
    await ask('Enter Namespaces…');
    await workbench.pickMany(kinds);
    await workbench.pick(identity);
  }

  test('"Enter Namespaces…" proposes net alone and marks what is shared with the host', async () => {
    await ask('Enter Namespaces…');
    await eventually('the kinds', async () => (await workbench.quickPickItems()).length >= 5);
    await workbench.screenshot('terminal-kinds');
    const rows = await workbench.page
      .locator('.quick-input-widget:visible .quick-input-list .monaco-list-row')
      .evaluateAll((elements) =>
        elements.map((element) => ({
          text: element.textContent ?? '',
          ticked: element.querySelector('[role=checkbox], input[type=checkbox]')?.getAttribute('aria-checked') === 'true',
        })),
      );
    assert.deepEqual(
      rows.filter((row) => row.ticked).map((row) => row.text.slice(0, 3)),
      ['net'],
    );
    assert.match(rows.find((row) => row.text.startsWith('user'))?.text ?? '', /shared with the host/);
    await workbench.escape();
  });

  test('a terminal in only the net namespace has the container’s address and the host’s tools', async () => {
    const address = inspect('{{.NetworkSettings.IPAddress}}');
    assert.match(address, /^172\./);
    await enter(['net']);
    await workbench.terminalShows(/[#$]$/m);
    await shell('ip -4 -o addr show eth0', new RegExp(`inet ${address.replaceAll('.', '\\.')}/16`));
    await shell('ls /etc/debian_version', /^\/etc\/debian_version/m);
    assert.ok((await workbench.terminalNames()).some((name) => name.includes(`${NAME} net`)));
    await workbench.screenshot('terminal-net');
    await leave();
  });

  test('a terminal in the container is what the container’s own processes see', async () => {
    await openTerminal();
    await shell('hostname', new RegExp(`^${inspect('{{.Config.Hostname}}')}`, 'm'));
    await shell('echo $COLOUR-$(id -u)', /^blue-0/m);
    await shell('cat /proc/1/comm', /^sleep/m);
    await workbench.screenshot('terminal-container');
  });

  test('it follows the size of its window', async () => {
    await openTerminal();
    const size = async (): Promise<number> => Number((await shell('clear; stty size', /^[0-9]+ ([0-9]+)$/m))[1]);
    const wide = await size();
    await workbench.page.setViewportSize({ width: 1000, height: 800 });
    const narrow = await eventually('another size', async () => {
      const columns = await size();
      return columns !== wide && columns;
    });
    assert.ok(narrow < wide, `${narrow} columns, and ${wide} before`);
  });

  test('it survives a reload of the window with the same shell', async () => {
    await openTerminal();
    await shell('KEPT=42; clear; echo set', /^set/m);
    await workbench.reload();
    await workbench.terminalShows(/#$/m, 30_000);
    await shell('echo kept-$KEPT', /^kept-42/m);
    await workbench.screenshot('terminal-reloaded');
  });

  test('its exit status is told', async () => {
    await openTerminal();
    await workbench.terminalType('exit 3\n');
    await workbench.notificationShows(/exit code: 3/);
    await workbench.screenshot('terminal-exit-status');
  });

  test('where there is no shell, the message says so and offers the host’s tools', async () => {
    await workbench.view('Containers').contextMenu(SHELLLESS, 'Open Terminal in Container');
    await workbench.notificationShows(/shell/);
    await workbench.screenshot('terminal-no-shell');
    await workbench.notificationAction('Use the Host’s Tools');
    await eventually('the kinds', async () => (await workbench.quickPickItems()).length >= 5);
    await workbench.page.keyboard.press('Enter');
    await workbench.pick('Root');
    await workbench.terminalShows(/[#$]$/m);
    await shell('hostname', new RegExp(`^${docker('inspect', '-f', '{{.Config.Hostname}}', SHELLLESS)}`, 'm'));
    await leave();
  });

  test('the syscalls of a terminal are shown with the nsenter line, and nothing is run', async () => {
    await workbench.view('Containers').contextMenu(NAME, 'Show the Syscalls');
    await eventually('the syscalls', async () => /setns/.test(await workbench.editorText()));
    const text = await workbench.editorText();
    assert.match(text, new RegExp(`nsenter.* ${inspect('{{.State.Pid}}')}`));
    await workbench.screenshot('terminal-syscalls');
  });

  test('a program’s output and exit status are shown', async () => {
    await ask('Run Command in Namespaces…');
    await workbench.pickMany(['net']);
    await workbench.pick('Root');
    await eventually('the question for the command', async () =>
      (await workbench.quickInput()).title.startsWith(`${NAME} net: `),
    );
    await workbench.answer(`sh -c "ip -4 -o addr show eth0; echo oops >&2; exit 5"`);
    await eventually('the output', async () => /exit status 5/.test(await workbench.editorText()));
    const text = await workbench.editorText();
    assert.match(text, new RegExp(inspect('{{.NetworkSettings.IPAddress}}')));
    assert.match(text, /oops/);
    await workbench.screenshot('program-output');
  });
});
