/** The Cgroups view on a real container with limits: what bounds it, how that is changed and undone, and its files in editors. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { parseHierarchies } from '../../helper/proc/cgroup.ts';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import { mountWith } from '../fixtures/cgroup.ts';
import { type Docker, type DockerContainer, docker, startDocker } from '../fixtures/docker.ts';
import { groupCgroups, openCgroups } from './harness/cgroups.ts';
import { openWorkbench } from './harness/open.ts';
import type { TreeView } from './harness/tree.ts';
import { DEFAULT_WAIT_MILLIS, eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

const NAME = `capped-${process.pid}`;
const BURN = ['sh', '-c', 'while :; do :; done'];
/** For what follows a click in a menu, before the menu is taken to have been closed under it. */
const MENU_MILLIS = 8000;
const LIMITS = ['--cpu-quota=2000', '--memory=64m', '--pids-limit=100'];

/** The hierarchy with this controller, as `/proc/self/cgroup` calls it. */
function hierarchyOf(controller: string): string {
  const hierarchies = parseHierarchies(readFileSync('/proc/self/cgroup', 'utf8')).map(({ hierarchy }) => hierarchy);
  const found = hierarchies.find((hierarchy) => hierarchy.split(',').includes(controller)) ?? 'unified';
  assert.ok(hierarchies.includes(found), `a hierarchy with ${controller}`);
  return found;
}

/** What the view calls that hierarchy. */
function rowOf(controller: string): string {
  const hierarchy = hierarchyOf(controller);
  return hierarchy === 'unified' ? 'Unified' : hierarchy.replaceAll(',', ', ');
}

/** The directory of a process's cgroup in the hierarchy of a controller. */
function directoryOf(pid: number, controller: string): string {
  const hierarchy = hierarchyOf(controller);
  const lines = parseHierarchies(readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  const mount = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).find(({ type, superOptions }) =>
    hierarchy === 'unified' ? type === 'cgroup2' : type === 'cgroup' && superOptions.includes(controller),
  );
  const own = lines.find((line) => line.hierarchy === hierarchy)?.path;
  assert.ok(mount !== undefined && own !== undefined);
  return path.join(mount.mountPoint, own);
}

describe('Cgroups', { timeout: 400_000 }, () => {
  let engine: Docker;
  let workbench: Workbench;
  let view: TreeView;
  let capped: DockerContainer;
  const v2 = hierarchyOf('cpu') === 'unified';
  const quotaFile = v2 ? 'cpu.max' : 'cpu.cfs_quota_us';
  const quotaPath = () => path.join(directoryOf(capped.pid, 'cpu'), quotaFile);
  const quota = () => readFileSync(quotaPath(), 'utf8').trim();
  const raw = (micros: string) => (v2 ? `${micros} 100000` : micros);

  before(async () => {
    engine = await startDocker();
    capped = engine.run(NAME, BURN, LIMITS);
    workbench = await openWorkbench({ width: 1400, height: 1200 });
    view = await openCgroups(workbench);
    await view.row(new RegExp(`^${NAME} 2 % of one CPU.* of 64 MiB`));
    assert.equal(await view.besideTitle(), '', 'it opens by container');
  });

  beforeEach(async () => {
    if (quota() !== raw('2000')) writeFileSync(quotaPath(), raw('2000'));
    for (const title of ['Containers', 'Namespaces']) await workbench.view(title).close();
    await groupCgroups(workbench, 'By hierarchy');
  });

  after(async () => {
    await workbench?.close();
    capped?.[Symbol.dispose]();
    await engine?.[Symbol.asyncDispose]();
  });

  /** Unfolds the way to a container's cgroup in the hierarchy of a controller. */
  const inTree = async (controller: string, name = NAME) => {
    await view.expand(rowOf(controller));
    await view.expand('docker');
    return await view.row(name);
  };
  const described = async () => (await view.rows()).find(({ label }) => label === NAME)?.description ?? '';
  /** A list that is drawn anew may close the menu under the click: then it is opened again, until the question with this answer is there. */
  const menuAsks = (tree: TreeView, entry: string, answer: string) =>
    eventually(`"${entry}" to ask`, async () => {
      await tree.contextMenu(NAME, entry);
      const isAsked = async () => (await workbench.quickPickItems()).some((item) => item.startsWith(answer));
      return await eventually('the question', isAsked, MENU_MILLIS);
    });

  test('every hierarchy of the host is there with its version and its mount options', async () => {
    await view.row(rowOf('memory'));
    const rows = (await view.rows()).filter(({ level }) => level === 1);
    const hierarchies = parseHierarchies(readFileSync('/proc/self/cgroup', 'utf8'));
    assert.equal(rows.length, hierarchies.length);
    assert.match(rows.find(({ label }) => label === rowOf('memory'))?.description ?? '', v2 ? /^v2 · / : /^v1 · .*\brw\b/);
  });

  test('a container’s cgroup goes by the container’s name, says that it has 2 % of one CPU, and is marked as throttled', async () => {
    await inTree('cpu');
    await view.row(new RegExp(`^${NAME} 2 % of one CPU, using [12](\\.\\d)? %.* throttled`));
    await workbench.screenshots('cgroups-tree');
  });

  test('below it is its process, as the Containers view shows it', async () => {
    await inTree('cpu');
    await view.expand(NAME);
    const row = await view.row(new RegExp(`^sh ${NAME} · -c while :; do :; done ·`));
    assert.match(await row.innerText(), new RegExp(`\\b${capped.pid}\\b`));
  });

  test('the page on it says the limit with the raw figures, and what binds', async () => {
    await inTree('cpu');
    await view.contextMenu(NAME, 'Inspect Cgroup');
    await eventually('the page', async () => /Processes in it/.test(await workbench.pageText()));
    const text = await workbench.pageText();
    assert.ok(text.includes('2 % of one CPU (2,000 µs of every 100,000 µs)'), text);
    assert.match(text, /Effective limit\s+2 % of one CPU\s*its own binds/);
    assert.ok(text.includes(`${quotaFile}: ${raw('2000')}`), text);
    const now = /Throttled now\s+in [\d,]+ of the last [\d,]+ periods\s*since it was made in [\d,]+ of [\d,]+ periods/;
    await eventually('what is throttled between two readings', async () => now.test(await workbench.pageText()));
    await workbench.screenshots('cgroup-page', ['dark', 'light', 'highContrast']);
  });

  test('a new limit is explained while it is typed and before it is written; then the kernel’s file has it, and it can be undone', async () => {
    await inTree('cpu');
    await view.contextSubmenu(NAME, 'Set Limit', 'Set CPU Limit');
    await workbench.typeInto('0.5 %');
    await eventually('the refusal', async () =>
      /1,000 µs of each period at the least/.test((await workbench.quickInput()).message),
    );
    await workbench.typeInto('50 %');
    const meant = '50 % of one CPU (50,000 µs of every 100,000 µs)';
    await eventually('the live text', async () => (await workbench.quickInput()).message.includes(meant));
    await workbench.screenshot('cgroup-limit-input');
    await workbench.page.keyboard.press('Enter');
    const question = await workbench.dialogText();
    assert.ok(question.includes(quotaFile) && question.includes(`${raw('2000')} → ${raw('50000')}`), question);
    assert.equal(quota(), raw('2000'), 'nothing is written before the person agrees');
    await workbench.screenshot('cgroup-limit-question');
    await workbench.dialogButton('Write');
    const message = await workbench.notificationShows(/50 % of one CPU/);
    assert.ok(message.includes(`${quotaFile} is now ${raw('50000')}.`), message);
    assert.equal(quota(), raw('50000'));
    await view.row(new RegExp(`^${NAME} 50 % of one CPU`));
    await workbench.screenshot('cgroup-limit-changed');
    await workbench.notificationAction('Undo');
    await workbench.notificationShows(new RegExp(`^Undone: .*${quotaFile} is now ${raw('2000')}\\.`));
    assert.equal(quota(), raw('2000'));
    await view.row(new RegExp(`^${NAME} 2 % of one CPU`));
    await workbench.clearNotifications();
  });

  test('its limit opens in an editor; what the kernel refuses comes back with the accepted format, and what it takes is there', async () => {
    await inTree('cpu');
    await menuAsks(view, 'Open Cgroup File', quotaFile);
    await workbench.answer(quotaFile);
    await eventually('the editor', async () => (await workbench.editorText()).trim() === raw('2000'));
    await workbench.saveInEditor('twelve');
    const refusal = await workbench.notificationShows(new RegExp(quotaFile.replaceAll('.', '\\.')));
    assert.match(refusal, v2 ? /QUOTA PERIOD/ : /microseconds of each period, at least 1,000, or -1/);
    assert.equal(quota(), raw('2000'));
    // VS Code's own message would begin with the URI, which has the whole identity of the cgroup in it.
    assert.doesNotMatch(refusal, /isoscope-cgroup:|FileSystemError/);
    await eventually('what the file holds', async () => (await workbench.editorText()).trim() === raw('2000'));
    await workbench.screenshots('cgroup-editor-refused');
    await workbench.notificationAction('Edit Again');
    await eventually('the text that was refused', async () => (await workbench.editorText()).trim() === 'twelve');
    await workbench.clearNotifications();
    await workbench.saveInEditor(raw('3000'));
    await eventually('the kernel’s file', async () => quota() === raw('3000'));
    await view.row(new RegExp(`^${NAME} 3 % of one CPU`));
    await workbench.saveInEditor(raw('2000'));
    await eventually('the kernel’s file', async () => quota() === raw('2000'));
    await workbench.runCommand('View: Close Editor');
  });

  test('by container there is one row with what every controller tells', async () => {
    await groupCgroups(workbench, 'By container');
    await view.row(new RegExp(`^${NAME} 2 % of one CPU.* of 64 MiB.* of 100 tasks.*throttled`));
    await view.contextMenu(NAME, 'Inspect Cgroup');
    await eventually('the page', async () => /Working set/.test(await workbench.pageText()));
    const text = await workbench.pageText();
    for (const part of ['2 % of one CPU (2,000 µs of every 100,000 µs)', '64 MiB (67,108,864 bytes)', '100 tasks']) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
    await workbench.screenshot('cgroups-by-container');
  });

  test('freezing it asks first, then stops its counter and marks it; thawing lets it go on', async () => {
    await groupCgroups(workbench, 'By container');
    await view.contextMenu(NAME, 'Freeze');
    assert.match(await workbench.dialogText(), v2 ? /cgroup\.freeze/ : /freezer\.state/);
    await workbench.dialogButton('Freeze');
    await view.row(new RegExp(`^${NAME} .*frozen`));
    const used = () => Number(readFileSync(`/proc/${capped.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[11]);
    const state = path.join(directoryOf(capped.pid, 'freezer'), v2 ? 'cgroup.events' : 'freezer.state');
    await eventually('the kernel to have frozen it', async () => /FROZEN|frozen 1/.test(readFileSync(state, 'utf8')));
    const frozenAt = used();
    await workbench.screenshot('cgroups-frozen');
    assert.equal(used(), frozenAt);
    await view.contextMenu(NAME, 'Thaw');
    await workbench.dialogButton('Thaw');
    await view.gone(new RegExp(`^${NAME} .*frozen`));
    await eventually('its counter to go on', async () => used() > frozenAt);
    await workbench.clearNotifications();
  });

  test('the Containers view leads to its cgroups and from there to the Cgroups view, and back', async () => {
    const containers = workbench.view('Containers');
    await containers.expand(NAME);
    await containers.expand('Cgroups');
    await containers.row(new RegExp(`^${rowOf('cpu')} 2 % of one CPU`));
    await workbench.screenshot('containers-cgroups');
    if (v2) await containers.contextMenu(NAME, 'Reveal in Cgroups');
    else await menuAsks(containers, 'Reveal in Cgroups', rowOf('memory'));
    if (!v2) await workbench.pick(rowOf('memory'));
    await eventually('the row to be selected', async () =>
      (await view.rows()).some(({ label, selected }) => selected && label === NAME),
    );
    assert.match(await described(), /of 64 MiB/);
    await containers.collapse(NAME);
    await view.contextMenu(NAME, 'Reveal in Containers');
    await eventually('the container to be selected', async () =>
      (await containers.rows()).some(({ label, selected }) => selected && label === NAME),
    );
  });

  test('the root cannot be limited, and killing says how many processes it would end before it does', async () => {
    await inTree('memory');
    await view.contextMenu(NAME, 'Kill All');
    const question = await workbench.dialogText();
    assert.match(question, /SIGKILL to 1 process/);
    await workbench.screenshot('cgroup-kill-question');
    await workbench.escape();
    assert.equal(docker('inspect', '--format', '{{.State.Running}}', NAME), 'true');
    assert.doesNotMatch((await view.contextMenuEntries(rowOf('memory'))).join(), /Set Limit|Kill All|Freeze/);
  });

  test('a container that could have release_agent run a program as root is marked, with the evidence and the fix', async (t) => {
    const mount = mountWith('pids');
    if (mount?.type !== 'cgroup') return t.skip('v2 has no release_agent');
    const risky = `risky-${process.pid}`;
    using _container = engine.run(risky, ['sleep', '1000'], ['--cap-add=SYS_ADMIN', `--volume=${mount.mountPoint}:/hierarchy`]);
    await inTree('memory', risky);
    await view.row(new RegExp(`^${risky} .*way out`));
    await view.contextMenu(risky, 'Inspect Cgroup');
    await eventually('the page', async () => /Ways out of a container/.test(await workbench.pageText()));
    const text = await workbench.pageText();
    assert.match(text, /A container may write files of cgroups/);
    assert.match(
      text,
      new RegExp(`Evidence\\s+The container ${risky} has cgroup v1 mounted writable at .*/hierarchy \\(pids\\)`),
    );
    assert.match(text, /holds CAP_SYS_ADMIN in the host’s user namespace/);
    assert.match(text, /What to do\s+Mount its cgroups read-only/);
    await workbench.screenshots('cgroup-way-out');
  });

  test('a file that was open before the window is reloaded is there again', async () => {
    await inTree('memory');
    await menuAsks(view, 'Open Cgroup File', 'cgroup.procs');
    await workbench.answer('cgroup.procs');
    const open = () =>
      eventually(
        'the editor',
        async () => (await workbench.editorText()).trim() === String(capped.pid),
        DEFAULT_WAIT_MILLIS,
        async () => `${await workbench.shown()}; the editor shows: ${await workbench.editorText()}`,
      );
    await open();
    await workbench.reload();
    await open();
  });

  test('a cgroup that is gone leaves the view without a refresh', async () => {
    using brief = engine.run(`brief-${process.pid}`);
    await inTree('memory', brief.name);
    docker('kill', brief.name);
    await view.gone(brief.name);
  });
});
