/** The monitor on real containers with limits: what its charts say, and what stays of it when things end or are hidden. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Docker, type DockerContainer, docker, startDocker } from '../fixtures/docker.ts';
import { helpersOf } from './harness/helperPids.ts';
import { cores, Monitor, openMonitor } from './harness/monitor.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

const named = (what: string) => `${what}-${process.pid}`;
const BURNER = named('burner');
const QUIET = named('quiet');
const BURN = ['sh', '-c', 'while :; do :; done'];
/** That of `docker run --cpu-quota=2000`: 2,000 µs of every 100,000 µs. */
const CORES = 0.02;

const ALL = [
  'CPU',
  'Memory usage',
  'Memory working set',
  'I/O read',
  'I/O written',
  'I/O read operations',
  'I/O write operations',
  'Tasks',
  'CPU throttled',
  'CPU throttled time',
  'CPU pressure',
  'Memory pressure',
  'I/O pressure',
];

describe('Monitor', { timeout: 400_000 }, () => {
  let engine: Docker;
  let workbench: Workbench;
  let monitor: Monitor;
  let burner: DockerContainer;
  let quiet: DockerContainer;
  const exported = path.join(tmpdir(), `isoscope-monitor-${process.pid}`);

  /** Descriptors that the helper holds on files of the burner's cgroups: what it samples. */
  function heldFiles(): number {
    return helpersOf(workbench)
      .flatMap((pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)))
      .filter((target) => target.startsWith('/sys/fs/cgroup/') && target.includes(burner.id)).length;
  }

  before(async () => {
    engine = await startDocker();
    burner = engine.run(BURNER, BURN, [`--cpu-quota=${CORES * 100_000}`, '--memory=64m', '--pids-limit=50']);
    quiet = engine.run(QUIET, ['sleep', '100000']);
    workbench = await openWorkbench({ width: 1600, height: 1100 });
    monitor = new Monitor(workbench);
    await workbench.openSidebar('Isoscope');
  });

  after(async () => {
    await workbench?.close();
    burner?.[Symbol.dispose]();
    quiet?.[Symbol.dispose]();
    await engine?.[Symbol.asyncDispose]();
    for (const ending of ['csv', 'json']) rmSync(`${exported}.${ending}`, { force: true });
  });

  /** The monitor of the burner, with so many samples. */
  async function open(samples = 2): Promise<void> {
    await openMonitor(workbench, BURNER);
    // Its rows have figures of their own, which the helper reads from the same files.
    await workbench.view('Containers').close();
    await monitor.showsValues(BURNER);
    await hasSamples(samples);
  }

  async function hasSamples(count: number): Promise<void> {
    const shown = async () => Number(await monitor.stage('cpu').getAttribute('aria-valuemax')) + 1;
    await eventually(`${count} samples`, async () => (await shown()) >= count);
  }

  async function add(name: string): Promise<void> {
    await monitor.button('Add cgroup…').click();
    await workbench.quickInput();
    await workbench.page.keyboard.type(name);
    await workbench.pick(name);
    await workbench.page.keyboard.press('Enter');
    await monitor.showsValues(name);
  }

  test('a burner with 2 % of a CPU is measured at 2 %, beside its limit, and shown as throttled', async () => {
    await open();
    assert.equal(await monitor.legend.count(), 1, 'its cgroups of all hierarchies are one line');
    assert.equal(await monitor.cell('cpu', BURNER, 'limit'), '0.02 cores');
    assert.equal(await monitor.cell('memory', BURNER, 'limit'), '64 MiB');
    assert.equal(await monitor.cell('tasks', BURNER, 'limit'), '50');
    await eventually('a mean of 2 %', async () => {
      const mean = cores(await monitor.cell('cpu', BURNER, 'mean'));
      return mean > 0.9 * CORES && mean < 1.1 * CORES;
    });
    await eventually('all periods throttled', async () => /^(9\d|100)/.test(await monitor.value('throttledPeriods', BURNER)));
    await workbench.screenshot('monitor-dark');
  });

  test('every figure has a chart, or says why it has none', async () => {
    await open();
    const charts = await monitor.charts();
    const unavailable = await monitor.unavailable();
    assert.ok(charts.includes('CPU') && charts.includes('Memory usage'));
    for (const title of ALL) assert.notEqual(charts.includes(title), title in unavailable, title);
    for (const [title, why] of Object.entries(unavailable)) assert.match(why, /\.$/, title);
  });

  test('the arrow keys move over the samples, in all charts at once, and what is there is said', async () => {
    await open(4);
    const stage = monitor.stage('cpu');
    await stage.focus();
    await workbench.page.keyboard.press('ArrowLeft');
    await workbench.page.keyboard.press('ArrowLeft');
    const said = (await stage.getAttribute('aria-valuetext')) ?? '';
    assert.match(said, new RegExp(`^\\d\\d:\\d\\d:\\d\\d, ${BURNER} [\\d.]+ cores \\(limit 0\\.02 cores\\)$`));
    assert.equal(await monitor.time(), `At ${said.slice(0, 8)}`);
    await workbench.page.keyboard.press('Escape');
    assert.equal(await monitor.time(), 'Now');
  });

  test('pausing stops the picture, resuming shows what came meanwhile', async () => {
    await open();
    await monitor.button('Pause').click();
    const [still = ''] = /\d\d:\d\d:\d\d$/.exec(await monitor.time()) ?? [];
    assert.notEqual(still, '');
    await monitor.stage('cpu').focus();
    await workbench.page.keyboard.press('End');
    assert.equal(await monitor.time(), `At ${still}`, 'the last sample is that of the pause');
    await monitor.button('Resume').click();
    await workbench.page.keyboard.press('Escape');
    await eventually('the picture to go on', async () => (await monitor.time()) === 'Now');
  });

  test('it is shown as a table instead', async () => {
    await open();
    const box = workbench.webview().getByRole('checkbox', { name: 'Show as table' });
    await box.click();
    assert.ok(!(await monitor.chart('cpu').isVisible()));
    await workbench.screenshot('monitor-table');
    await box.click();
    assert.ok(await monitor.chart('cpu').isVisible());
  });

  test('another cgroup is added to the picture, beside the first', async () => {
    await open();
    await add(QUIET);
    assert.equal(await monitor.legend.count(), 2);
    assert.match(await monitor.cell('cpu', BURNER, 'mean'), /cores/, 'the first keeps its samples');
  });

  test('it is readable in light and in high contrast, at once when the theme changes', async () => {
    await open();
    await add(QUIET);
    await workbench.screenshots('monitor', ['light', 'highContrast']);
  });

  test('the samples are exported as CSV and as JSON', async () => {
    await open();
    await add(QUIET);
    await hasSamples(8);
    await monitor.button('Export CSV…').click();
    await workbench.saveAs(`${exported}.csv`);
    await workbench.notificationShows(/The samples are in .*\.csv/);
    const [head = '', ...lines] = readFileSync(`${exported}.csv`, 'utf8').trimEnd().split('\r\n');
    const column = head.split(',').indexOf('cpu_cores');
    const own = lines.map((line) => line.split(',')).filter((fields) => fields[1] === BURNER);
    const moments = own.map((fields) => Date.parse(fields[0] ?? ''));
    // A sample that came late is of more time than the one after it.
    const known = own
      .map((fields, index) => ({
        cores: fields[column] ?? '',
        millis: (moments[index] ?? 0) - (moments[index - 1] ?? Number.NaN),
      }))
      .filter(({ cores, millis }) => cores !== '' && !Number.isNaN(millis));
    assert.ok(known.length > 3, head);
    const total = known.reduce((sum, { millis }) => sum + millis, 0);
    const mean = known.reduce((sum, { cores, millis }) => sum + (Number(cores) * millis) / total, 0);
    assert.ok(mean > 0.9 * CORES && mean < 1.1 * CORES, JSON.stringify(known));
    assert.ok(lines.some((line) => line.split(',')[1] === QUIET));

    await monitor.button('Export JSON…').click();
    await workbench.saveAs(`${exported}.json`);
    await workbench.notificationShows(/The samples are in .*\.json/);
    const rows = JSON.parse(readFileSync(`${exported}.json`, 'utf8')) as { cgroup: string; cpu_limit_cores: number | null }[];
    assert.ok(rows.some(({ cgroup, cpu_limit_cores: limit }) => cgroup === BURNER && limit === CORES));
  });

  test('what is provoked in a terminal while the panel is hidden is in the picture when it is seen again', async () => {
    await open();
    await add(QUIET);
    const peakBytes = 40 * 2 ** 20;
    const maximum = async () => bytes(await monitor.cell('memory', QUIET, 'maximum'));
    assert.ok((await maximum()) < peakBytes);
    await workbench.runCommand('File: New Untitled Text File');
    const memory = () => docker('exec', QUIET, 'sh', '-c', 'head -c 67108864 /dev/zero | tail | sleep 4');
    memory();
    assert.ok(heldFiles() > 0, 'the helper goes on');
    await workbench.runCommand('View: Close Editor');
    await monitor.showsValues(BURNER);
    await eventually('the peak', async () => (await maximum()) > peakBytes);
    assert.match(await monitor.cell('cpu', BURNER, 'mean'), /cores/);
    await workbench.screenshots('monitor-peak', ['dark', 'light', 'highContrast']);
  });

  test('it samples nothing that the person paused before hiding it, and is paused still when it is seen again', async () => {
    await open();
    await monitor.button('Pause').click();
    await workbench.runCommand('File: New Untitled Text File');
    await eventually('the helper to let go of the files', async () => heldFiles() === 0);
    await workbench.runCommand('View: Close Editor');
    await monitor.button('Resume').click();
    await monitor.showsValues(BURNER);
    assert.ok(heldFiles() > 0);
  });

  test('it goes on after the helper was restarted', async () => {
    await open();
    const before = helpersOf(workbench);
    await workbench.runCommand('Isoscope: Restart Helper');
    await eventually(
      'another helper to sample',
      async () => helpersOf(workbench).every((pid) => !before.includes(pid)) && heldFiles() > 0,
    );
    await monitor.showsValues(BURNER);
  });

  test('a helper that is killed is said to be gone, with the lines kept, and restarted from here', async () => {
    await open();
    for (const pid of helpersOf(workbench)) process.kill(pid, 'SIGKILL');
    const restart = monitor.button('Restart helper');
    await restart.waitFor();
    assert.match(await monitor.time(), /^At \d\d:\d\d:\d\d$/, 'it is not said to be now');
    assert.match(await monitor.cell('cpu', BURNER, 'mean'), /cores/);
    await workbench.screenshot('monitor-helper-gone');
    await restart.click();
    await restart.waitFor({ state: 'detached' });
    await monitor.showsValues(BURNER);
  });

  test('a cgroup is removed from the picture', async () => {
    await open();
    await add(QUIET);
    await monitor.button(`Remove ${QUIET}`).click();
    await eventually('one cgroup', async () => (await monitor.legend.count()) === 1);
    await monitor.showsValues(BURNER);
  });

  test('the panel comes back after the window was reloaded', async () => {
    await open();
    await workbench.reload();
    await monitor.showsValues(BURNER);
    assert.equal(await monitor.cell('cpu', BURNER, 'limit'), '0.02 cores');
  });

  test('a container that ends is said to be gone, and what was seen of it stays', async () => {
    using brief = engine.run(named('brief'), BURN, ['--cpu-quota=2000']);
    await openMonitor(workbench, brief.name);
    await monitor.showsValues(brief.name);
    docker('kill', brief.name);
    await eventually('gone', async () => /gone/.test(await monitor.legend.innerText()));
    assert.match(await monitor.cell('cpu', brief.name, 'mean'), /cores/);
    assert.equal(await monitor.cell('cpu', brief.name, 'now'), '–');
    await workbench.screenshot('monitor-gone');
  });
});

/** "39.1 MiB" as bytes; 0 where nothing is known. */
function bytes(text: string): number {
  const [, number = '0', unit = 'B'] = /^([\d.]+) (B|KiB|MiB|GiB)$/.exec(text) ?? [];
  return Number(number) * 1024 ** ['B', 'KiB', 'MiB', 'GiB'].indexOf(unit);
}

function linkOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    // Closed meanwhile.
    return '';
  }
}
