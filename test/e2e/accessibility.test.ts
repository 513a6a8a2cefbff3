/** Every page in a webview, in each theme, wide and as narrow as a sidebar, judged by axe-core: contrast, names, focus, structure. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PageType } from '../../extension/base/ids.ts';
import { type Docker, type DockerContainer, startDocker } from '../fixtures/docker.ts';
import { showInPage, violations, whileNarrow } from './harness/accessibility.ts';
import { groupCgroups, openCgroups } from './harness/cgroups.ts';
import { EVERY_BLOCK, FAILURE, LOADING, STACKS } from './harness/everythingShown.ts';
import { helpersOf } from './harness/helperPids.ts';
import { Monitor, openMonitor } from './harness/monitor.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Theme, Workbench } from './harness/workbench.ts';

const NAME = `seen-${process.pid}`;
const ALL_THEMES: readonly Theme[] = ['light', 'highContrast', 'dark'];

describe('what axe-core says of', { timeout: 900_000 }, () => {
  let engine: Docker;
  let container: DockerContainer;
  let workbench: Workbench;
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-accessibility-'));

  before(async () => {
    engine = await startDocker();
    // As much as a page can show: a danger, limits, a layer with changes.
    const script = 'rm /bin/wc; echo x > /new; while :; do :; done';
    container = engine.run(
      NAME,
      ['sh', '-c', script],
      ['--cpu-quota=2000', '--memory=64m', '--cap-add=SYS_ADMIN', `--volume=${folder}:/data:ro`],
    );
    writeFileSync(path.join(folder, 'wrong.sandbox.json'), JSON.stringify(WRONG));
    workbench = await openWorkbench({ width: 1500, height: 1200, folder });
  });

  after(async () => {
    await workbench?.close();
    container?.[Symbol.dispose]();
    await engine?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const webview = () => workbench.webview();
  const containers = () => workbench.view('Containers');

  /** The row of the container, with the room of the other views. */
  async function findContainer(): Promise<void> {
    await workbench.openSidebar('Isoscope');
    await containers().row(NAME, [], 90_000);
  }

  /** Every folded part of the page is open: what is hidden is not judged. */
  async function unfoldAll(): Promise<void> {
    await eventually('all to be unfolded', async () => {
      const folded = webview().locator('details:not([open]) > summary:visible');
      if ((await folded.count()) === 0) return true;
      await folded.first().click({ timeout: 2000 });
      return false;
    });
  }

  const OPEN: Record<keyof typeof PageType, () => Promise<void>> = {
    host: async () => {
      await findContainer();
      await workbench.runCommand('Isoscope: Show Host Overview');
      await webview().locator('tbody button.link').first().waitFor();
    },
    overview: async () => {
      await findContainer();
      await containers().action(NAME, 'Open Container');
      await webview().locator('.layer').first().waitFor();
      await webview().getByText('throttled in').waitFor();
    },
    process: async () => {
      await findContainer();
      await containers().contextMenu(NAME, 'Inspect Process');
      await webview().getByRole('heading', { name: 'Restrictions' }).waitFor();
      await unfoldAll();
    },
    compare: async () => {
      await findContainer();
      await containers().contextMenu(NAME, 'Compare With…');
      await workbench.pick('The host');
      await webview().getByRole('heading', { name: 'As Docker does to every container' }).waitFor();
      await workbench.screenshot('compared-with-host');
      await unfoldAll();
    },
    cgroup: async () => {
      const view = await openCgroups(workbench);
      await groupCgroups(workbench, 'By container');
      await view.row(NAME);
      await view.contextMenu(NAME, 'Inspect Cgroup');
      await webview().locator('.meter').first().waitFor();
      await unfoldAll();
    },
    stack: async () => {
      await findContainer();
      await containers().close();
      const view = workbench.view('Layers');
      await view.row(NAME);
      await view.action(NAME, 'Show Layer Stack');
      await webview().locator('vscode-text-field input').fill('/bin/wc');
      await webview().locator('.stack.lit .slab.hides').waitFor();
      await eventually('the layers to be measured', async () => (await webview().locator('.measuring').count()) === 0);
    },
    monitor: async () => {
      await findContainer();
      await openMonitor(workbench, NAME);
      await new Monitor(workbench).showsValues(NAME);
    },
    sandbox: async () => {
      await workbench.openSidebar('Isoscope');
      await workbench.runCommand('Isoscope: New Sandbox…');
      await webview().locator('.syscalls li').first().waitFor();
      await unfoldAll();
    },
  };

  /** Looks at what is open, in each theme, wide and narrow; with messages, at what the page makes of each of them. */
  async function judge(name: string, messages: Record<string, object | undefined> = { '': undefined }): Promise<void> {
    await workbench.runCommand('View: Close Primary Side Bar');
    /** Where each was found. */
    const found: Record<string, string> = {};
    const look = async (width: string, theme: Theme) => {
      for (const [which, message] of Object.entries(messages)) {
        if (message !== undefined) {
          await showInPage(workbench, message);
          await unfoldAll();
        }
        for (const one of await violations(workbench)) found[one] = `${found[one] ?? ''} ${theme} ${width}`;
        await workbench.screenshot(`accessible-${name}${which}-${theme}-${width}`);
      }
    };
    for (const theme of ALL_THEMES) {
      await workbench.setTheme(theme);
      await look('wide', theme);
      await whileNarrow(workbench, () => look('narrow', theme));
    }
    assert.deepEqual(found, {});
  }

  for (const [kind, open] of Object.entries(OPEN)) {
    test(`the page ${kind}`, async () => {
      await open();
      await judge(kind);
    });
  }

  test('mounts that are compared', async () => {
    await findContainer();
    await containers().contextMenu(NAME, 'Compare Mounts with the Host');
    await webview().getByRole('heading', { name: 'Only in' }).waitFor();
    await judge('compare-mounts');
  });

  test('the monitor as a table', async () => {
    await OPEN.monitor();
    await webview().getByRole('checkbox', { name: 'Show as table' }).click();
    await judge('monitor-table');
  });

  test('the form of a file with mistakes, and everything that a list can hold', async () => {
    await workbench.openSidebar('Isoscope');
    await workbench.view('Sandboxes').contextMenu('wrong', 'Edit Sandbox in Form');
    await webview().locator('.mistake').first().waitFor();
    await unfoldAll();
    await judge('sandbox-wrong');
  });

  test('all blocks and tones of a page', async () => {
    await OPEN.process();
    await judge('page', { '-blocks': EVERY_BLOCK, '-failure': FAILURE, '-loading': LOADING });
  });

  test('all that a stack can tell of layers', async () => {
    await OPEN.stack();
    await judge('stack', Object.fromEntries(STACKS.map((message, index) => [`-${index}`, message])));
  });

  test('the monitor of what is gone', async () => {
    const brief = engine.run(`${NAME}-brief`);
    await workbench.openSidebar('Isoscope');
    await openMonitor(workbench, brief.name);
    await new Monitor(workbench).showsValues(brief.name);
    brief[Symbol.dispose]();
    await webview().locator('.legend .gone').waitFor();
    await judge('monitor-gone');
  });

  test('a page whose helper is gone', async () => {
    await OPEN.process();
    for (const pid of helpersOf(workbench)) process.kill(pid, 'SIGKILL');
    await webview().locator('.banner').waitFor();
    await judge('process-gone');
    await webview().getByRole('button', { name: 'Restart helper' }).click();
    await webview().locator('.banner').waitFor({ state: 'detached' });
  });
});

const WRONG = {
  name: 'a name',
  root: { type: 'host' },
  mounts: [
    { type: 'bind', source: '/srv', destination: '/data' },
    { type: 'tmpfs', destination: 'scratch', options: ['size=1M', 'noatime'] },
  ],
  network: { type: 'veth', ports: [{ hostPort: 8080, containerPort: 80 }] },
  namespaces: { ipc: { sandbox: 'other' } },
  seccomp: { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [] },
  process: { args: ['true'], rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 1 }] },
};
