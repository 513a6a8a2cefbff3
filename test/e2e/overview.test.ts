/** The overview of a container: what a person sees first of it, live, and where it leads. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Docker, type DockerContainer, docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import { whileNarrow } from './harness/accessibility.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

const NAME = `glance-${process.pid}`;
const OPEN = 'Open Container';

describe('The overview', { timeout: 420_000 }, () => {
  let engine: Docker;
  let workbench: Workbench;
  let busy: DockerContainer;
  let open: DockerContainer;

  before(async () => {
    engine = await startDocker();
    const script = 'nc -l -p 8080 & while :; do :; done';
    busy = engine.run(NAME, ['sh', '-c', script], ['--cpu-quota=10000', '--memory=64m', '-v', '/srv:/data:ro']);
    const weak = ['--cap-add=SYS_ADMIN', '--pid=host', '--security-opt', 'seccomp=unconfined', '-v', '/:/host'];
    open = engine.run(`${NAME}-open`, ['sleep', '100000'], weak);
    workbench = await openWorkbench({ width: 1250, height: 900 });
    await workbench.openSidebar('Isoscope');
    await workbench.view('Containers').row(NAME, [], 90_000);
  });

  after(async () => {
    await workbench?.close();
    busy?.[Symbol.dispose]();
    open?.[Symbol.dispose]();
    await engine?.[Symbol.asyncDispose]();
  });

  const page = () => workbench.webview();
  const text = async () => await page().locator('main').innerText();
  const fact = (label: string) => page().locator(`dt:text-is("${label}") + dd`).first();

  async function openPage(name: string): Promise<void> {
    await workbench.view('Containers').action(name, OPEN);
    await page().getByRole('heading', { level: 1, name, exact: true }).waitFor();
    await page().locator('.layer').first().waitFor();
  }

  test('says what it is, how it does, how it is confined, what it is made of and how it is reached', async () => {
    await openPage(NAME);
    await page().getByText('throttled in').waitFor({ timeout: 60_000 });
    const subtitle = await page().locator('.subtitle').innerText();
    assert.match(subtitle, new RegExp(`^Docker · ${IMAGE} · running for \\d+ (s|min) · ${busy.id.slice(0, 12)}$`));
    assert.match(
      await fact('CPU').innerText(),
      /^\d+(\.\d+)? % of one CPU\s+at most 10 % of one CPU · throttled in \d+ % of its periods$/,
    );
    assert.match(await fact('Memory').innerText(), /(KiB|MiB) of 64 MiB/);
    assert.equal(await fact('Root').innerText(), 'its own mounts, by pivot_root');
    assert.equal(await fact('Capabilities').innerText(), 'Docker’s default, 14');
    assert.match(await fact('/data').innerText(), /\/srv.*read-only/s);
    const address = docker('inspect', '--format', '{{.NetworkSettings.IPAddress}}', NAME);
    await eventually('its address', async () => (await fact('eth0').innerText()).includes(address));
    assert.match(await fact('Listens on').innerText(), /^:8080 nc$/);
    const chips = (await page().locator('.chip').allInnerTexts()).map((chip) => chip.replace(/\s+/g, ' '));
    assert.deepEqual(chips.slice(0, 4), ['Network own', 'Process ids own', 'Mounts own', 'Users the host’s']);
    assert.equal(await page().locator('.alert').count(), 0);
    await workbench.screenshots('overview', ['dark', 'light', 'highContrast']);
    await whileNarrow(workbench, () => workbench.screenshot('overview-narrow'));
  });

  test('goes on by itself', async () => {
    await openPage(NAME);
    const before = await page().locator('.subtitle').innerText();
    await eventually('the time to go on', async () => (await page().locator('.subtitle').innerText()) !== before, 90_000);
  });

  test('names what is dangerous, the worst first', async () => {
    await openPage(open.name);
    await page().locator('.alert').nth(3).waitFor();
    const alerts = await page().locator('.alert-text').allInnerTexts();
    assert.equal(alerts[0], 'The host’s root directory is within its mounts');
    assert.equal(alerts[1], 'Capabilities that hold against the host');
    assert.equal(alerts.at(-1), 'No seccomp filter');
    assert.match(await fact('Capabilities').innerText(), /Docker’s default and SYS_ADMIN/);
    await workbench.screenshot('overview-dangers');
  });

  test('a namespace leads to its row, a process to its page', async () => {
    await openPage(NAME);
    await page().locator('.chip', { hasText: 'Network' }).click();
    const namespaces = workbench.view('Namespaces');
    await eventually('the row of its network', async () => {
      const selected = (await namespaces.rows()).find((row) => row.selected);
      return selected?.description.includes(NAME);
    });
    await page().locator('tbody button.link').first().click();
    await page().getByRole('heading', { name: 'Restrictions' }).waitFor();
  });

  test('comes back after a reload of the window, and stays when the container is gone', async () => {
    await openPage(open.name);
    await workbench.reload();
    await page().getByRole('heading', { level: 1, name: open.name, exact: true }).waitFor({ timeout: 90_000 });
    await page().locator('.alert').first().waitFor();
    open[Symbol.dispose]();
    await page().locator('.banner', { hasText: 'This container has ended' }).waitFor({ timeout: 30_000 });
    assert.match(await text(), /How it is confined/);
  });
});

test('The host’s overview says what it is and who uses it, and leads there', { timeout: 300_000 }, async (t) => {
  const engine = await startDocker();
  t.after(() => engine[Symbol.asyncDispose]());
  const user = engine.run(`${NAME}-user`, ['sh', '-c', 'while :; do :; done'], ['--cpu-quota=20000']);
  t.after(() => user[Symbol.dispose]());
  const workbench = await openWorkbench({ width: 1250, height: 900 });
  t.after(() => workbench.close());
  await workbench.openSidebar('Isoscope');
  await workbench.view('Containers').row(user.name, [], 90_000);
  await workbench.runCommand('Isoscope: Show Host Overview');
  const page = workbench.webview();
  const row = page.locator('tbody tr', { hasText: user.name });
  await eventually('its use of the CPU', async () => /(1|2)\d % of one CPU/.test(await row.innerText()), 60_000);
  assert.match(await page.locator('.subtitle').innerText(), /^Linux \d+\.\d+.* · cgroups v[12].* · up for /);
  await page.locator('.alert', { hasText: user.name }).filter({ hasText: 'throttled' }).waitFor();
  await workbench.screenshots('host-overview', ['dark', 'light', 'highContrast']);
  await row.locator('button.link').click();
  await page.getByRole('heading', { level: 1, name: user.name, exact: true }).waitFor();
});
