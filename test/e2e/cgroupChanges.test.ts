/** Changes of cgroups in a real VS Code, on cgroups that the test makes; what is warned of; and what an ordinary user sees. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { type MadeCgroup, makeCgroup, mountWith } from '../fixtures/cgroup.ts';
import { makeSudoUser, type SudoUser } from '../fixtures/sudoUser.ts';
import { type Specimen, startSleeper } from '../fixtures/zoo.ts';
import { groupCgroups, openCgroups } from './harness/cgroups.ts';
import { helpersOf } from './harness/helperPids.ts';
import { openWorkbench } from './harness/open.ts';
import type { TreeView } from './harness/tree.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

const v2 = mountWith('pids')?.type === 'cgroup2';

/** What the view calls the hierarchy of a cgroup. */
function rowOf({ ref }: MadeCgroup): string {
  return ref.hierarchy === 'unified' ? 'Unified' : ref.hierarchy.replaceAll(',', ', ');
}

function cgroupOf(pid: number, { ref }: MadeCgroup): string | undefined {
  const cgroups = parseCgroups(readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  return cgroups.find(({ hierarchy }) => hierarchy === ref.hierarchy)?.path;
}

describe('Changes of cgroups', { timeout: 400_000 }, () => {
  const name = (what: string) => `${what}-${process.pid}`;
  const made: Record<'cpu' | 'memory' | 'pids' | 'freezer', MadeCgroup> = {
    cpu: makeCgroup('cpu', name('weighed')),
    memory: makeCgroup('memory', name('remembering')),
    pids: makeCgroup('pids', name('counting')),
    freezer: makeCgroup('freezer', name('freezing')),
  };
  let sleeper: Specimen;
  let workbench: Workbench;
  let view: TreeView;

  before(async () => {
    sleeper = await startSleeper([]);
    workbench = await openWorkbench({ width: 1400, height: 1200 });
    view = await openCgroups(workbench);
    await groupCgroups(workbench, 'By hierarchy');
  });

  after(async () => {
    await workbench?.close();
    await sleeper?.stop();
    for (const cgroup of Object.values(made)) cgroup[Symbol.dispose]();
  });

  const shown = async (cgroup: MadeCgroup) => {
    await view.expand(rowOf(cgroup));
    return path.basename(cgroup.directory);
  };
  /** Types a value, and accepts it once the box says what it means. */
  const setLimit = async (cgroup: MadeCgroup, command: string, value: string, means: RegExp) => {
    await view.contextSubmenu(await shown(cgroup), 'Set Limit', command);
    await eventually('the box', async () => (await workbench.quickInput()).title.includes(command));
    await workbench.typeInto(value);
    await eventually('what it means', async () => means.test((await workbench.quickInput()).message));
    await workbench.page.keyboard.press('Enter');
  };
  /** Agrees, and waits until the message says what is there now. */
  const written = async (button: string, message: RegExp) => {
    await workbench.dialogButton(button);
    await workbench.notificationShows(message);
  };

  test('a CPU weight is explained beside that of its siblings, written and undone', async () => {
    const file = v2 ? 'cpu.weight' : 'cpu.shares';
    const before = made.cpu.read(file);
    await setLimit(made.cpu, 'Set CPU Weight', v2 ? '200' : '2048', /^2 times as much as a sibling/);
    assert.match(await workbench.dialogText(), new RegExp(`${before.trim()} → ${v2 ? '200' : '2048'}`));
    await written('Write', new RegExp(`${file} is now`));
    assert.equal(made.cpu.read(file).trim(), v2 ? '200' : '2048');
    await workbench.notificationAction('Undo');
    await workbench.notificationShows(/^Undone: /);
    assert.equal(made.cpu.read(file), before);
  });

  test('the memory above which it is slowed down is set on v2, and said to be lacking on v1', async () => {
    if (!v2) {
      await workbench.runCommand('Isoscope: Set Memory Throttle…');
      await workbench.answer(path.basename(made.memory.directory));
      await workbench.notificationShows(/^The memory throttle: /);
      await workbench.screenshot('cgroup-throttle-lacking');
    } else {
      await setLimit(made.memory, 'Set Memory Throttle', '64 MiB', /^64 MiB \(/);
      await written('Write', /memory\.high is now 67108864/);
      assert.equal(made.memory.read('memory.high').trim(), '67108864');
    }
  });

  test('swap is limited together with memory on v1, which refuses less than the memory limit, and alone on v2', async () => {
    const file = v2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes';
    if (!existsSync(path.join(made.memory.directory, file))) return;
    await setLimit(made.memory, 'Set Memory Limit', '64 MiB', /^64 MiB \(/);
    await written('Write', /is now 67108864/);
    await workbench.clearNotifications();
    if (!v2) {
      await setLimit(made.memory, 'Set Swap Limit', '32 MiB', /^32 MiB \(/);
      await workbench.notificationShows(/32|memsw/);
      assert.notEqual(made.memory.read(file).trim(), String(32 * 2 ** 20));
      await workbench.clearNotifications();
    }
    await setLimit(made.memory, 'Set Swap Limit', '128 MiB', /^128 MiB \(/);
    await written('Write', /is now 134217728/);
    assert.equal(made.memory.read(file).trim(), '134217728');
  });

  test('a process is moved into a cgroup, is shown there, and moved back', async () => {
    const home = cgroupOf(sleeper.pid, made.pids);
    await view.contextMenu(await shown(made.pids), 'Move Process to Cgroup');
    await workbench.answer(String(sleeper.pid));
    assert.match(await workbench.dialogText(), new RegExp(`write ${sleeper.pid}`));
    await workbench.screenshot('cgroup-move-question');
    await written('Move', /Move|moved/i);
    assert.equal(cgroupOf(sleeper.pid, made.pids), made.pids.ref.path);
    await view.expand(await shown(made.pids));
    assert.ok((await (await view.row(/^busybox/)).innerText()).includes(String(sleeper.pid)));
    await workbench.screenshots('cgroup-moved');
    await workbench.notificationAction('Undo');
    await eventually('the process to be back', async () => cgroupOf(sleeper.pid, made.pids) === home);
    await view.gone(/^busybox/);
  });

  test('a child is made and appears; removed, it is gone; one with a process is not removed', async () => {
    const child = path.join(made.pids.directory, 'workload');
    await view.contextMenu(await shown(made.pids), 'Create Child Cgroup');
    await workbench.typeInto('a/b');
    await eventually('the refusal', async () => /slash|\//.test((await workbench.quickInput()).message));
    await workbench.typeInto('workload');
    await eventually('the words', async () => (await workbench.quickInput()).message.includes('workload below'));
    await workbench.page.keyboard.press('Enter');
    assert.ok((await workbench.dialogText()).includes('/workload'));
    assert.ok(!existsSync(child), 'nothing is made before the person agrees');
    await workbench.dialogButton('Create');
    await eventually('the directory', async () => existsSync(child));
    await view.expand(await shown(made.pids));
    await view.row(/^workload/);
    await workbench.screenshot('cgroup-created');
    await workbench.clearNotifications();
    // Drawn anew under an open menu, the row would take the menu along.
    writeFileSync(path.join(child, 'cgroup.procs'), String(sleeper.pid));
    await view.row(/^workload.*1 task/);
    await view.contextMenu(/^workload/, 'Remove');
    await workbench.notificationShows(/process/);
    await workbench.screenshot('cgroup-remove-refused');
    assert.ok(existsSync(child));
    await workbench.clearNotifications();
    writeFileSync(path.join(made.pids.directory, 'cgroup.procs'), String(sleeper.pid));
    await view.row(/^workload.*empty/);
    await view.contextMenu(/^workload/, 'Remove');
    await workbench.dialogButton('Remove');
    await eventually('the directory to go', async () => !existsSync(child));
    await view.gone(/^workload/);
  });

  test('a controller is switched for the children of a v2 cgroup, or said to be none to hand down', async (t) => {
    const unified = mountPointOfUnified();
    if (unified === undefined) return t.skip('no v2 hierarchy is mounted');
    const control = path.join(unified, 'cgroup.subtree_control');
    const words = (file: string) => readFileSync(path.join(unified, file), 'utf8').split(/\s+/).filter(Boolean);
    const enabled = () => words('cgroup.subtree_control');
    const free = words('cgroup.controllers').find((controller) => !enabled().includes(controller));
    await view.contextMenu('Unified', 'Enable or Disable Cgroup Controller');
    if (words('cgroup.controllers').length === 0) {
      await workbench.notificationShows(/no controller that it could hand down/);
      await workbench.clearNotifications();
      return;
    }
    if (free === undefined) {
      await workbench.escape();
      return;
    }
    await workbench.answer(free);
    const question = await workbench.dialogText();
    assert.ok(question.includes('cgroup.subtree_control') && question.includes(`+${free}`), question);
    assert.ok(!question.includes('⚠'), 'it takes nothing from anybody');
    await workbench.screenshot('cgroup-controller-question');
    try {
      await workbench.dialogButton('Write');
      await eventually('the controller', async () => enabled().includes(free));
      await workbench.notificationAction('Undo');
      assert.match(await workbench.dialogText(), new RegExp(`⚠ The cgroups below lose every limit and figure of ${free}`));
      await workbench.dialogButton('Undo');
      await eventually('no controller', async () => !enabled().includes(free));
    } finally {
      if (enabled().includes(free)) writeFileSync(control, `-${free}`);
    }
  });

  test('freezing the cgroup of the helper itself is a danger that is named, and nothing happens when one goes back', async () => {
    const [helper] = helpersOf(workbench);
    assert.ok(helper !== undefined);
    const home = cgroupOf(helper, made.freezer);
    made.freezer.write('cgroup.procs', String(helper));
    try {
      // A row that is drawn anew would lose its menu.
      await view.gone(new RegExp(`^${await shown(made.freezer)} .*empty`));
      for (const theme of ['light', 'dark'] as const) {
        await workbench.setTheme(theme);
        await view.contextMenu(await shown(made.freezer), 'Freeze');
        const question = await workbench.dialogText();
        assert.match(question, /⚠ The helper of Isoscope is in this cgroup: it is frozen or killed with it/);
        assert.match(question, /Freeze Anyway/);
        await workbench.screenshot(`cgroup-danger-${theme}`);
        await workbench.dialogButton('Cancel');
      }
      assert.doesNotMatch(made.freezer.read(v2 ? 'cgroup.freeze' : 'freezer.state'), /FR|1/);
    } finally {
      writeFileSync(path.join(made.freezer.directory, '..', home ?? '/', 'cgroup.procs'), String(helper));
    }
  });

  test('moving pid 1 is a danger that is named', async () => {
    const home = cgroupOf(1, made.pids);
    await view.contextMenu(await shown(made.pids), 'Move Process to Cgroup');
    await workbench.typeInto(readFileSync('/proc/1/comm', 'utf8').trim());
    await workbench.pick(/(?<!\d)1 · root/);
    const moving = await workbench.dialogText();
    assert.match(moving, /⚠ Process 1 \(.*\) would be moved, on which all others depend/);
    assert.match(moving, /Move Anyway/);
    await workbench.screenshot('cgroup-danger-pid1');
    await workbench.escape();
    assert.equal(cgroupOf(1, made.pids), home);
  });

  test('naming a program for release_agent, in the root, is a danger; the editor then shows what the file holds', async (t) => {
    if (v2) return t.skip('v2 has no such file');
    await view.contextMenu(rowOf(made.pids), 'Open Cgroup File');
    await workbench.answer('release_agent');
    await eventually('the editor', async () => (await workbench.editorText()).trim() === '');
    await workbench.saveInEditor('/bin/isoscope-test');
    const question = await workbench.dialogText();
    assert.match(question, /⚠ The kernel will start this program as root on the host/);
    assert.match(question, /Write Anyway/);
    await workbench.screenshot('cgroup-danger-release-agent');
    await workbench.escape();
    await workbench.notificationShows(/^Nothing was written to release_agent\./);
    assert.equal(readFileSync(path.join(made.pids.directory, '../release_agent'), 'utf8').trim(), '');
    await eventually('what the file holds', async () => (await workbench.editorText()).trim() === '');
    await workbench.runCommand('View: Close Editor');
  });
});

function mountPointOfUnified(): string | undefined {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((one) => one.includes(' - cgroup2 '));
  return line?.split(' ')[4];
}

describe('Cgroups without root', { timeout: 300_000 }, () => {
  const NAME = `closed-${process.pid}`;
  let made: MadeCgroup;
  let user: SudoUser;
  let workbench: Workbench;
  let view: TreeView;

  before(async () => {
    made = makeCgroup('pids', NAME);
    made.write('pids.max', '77');
    user = makeSudoUser(`isoscope-cg-${process.pid}`);
    workbench = await openWorkbench({
      width: 1400,
      height: 1200,
      user,
      settings: { 'isoscope.elevation': 'never' },
    });
    view = await openCgroups(workbench, 'Not running as root');
    await groupCgroups(workbench, 'By hierarchy');
  });

  after(async () => {
    await workbench?.close();
    user?.[Symbol.dispose]();
    made?.[Symbol.dispose]();
  });

  test('what may be read is there, and a change is refused with a way to become root', async () => {
    await view.expand(rowOf(made));
    await view.row(new RegExp(`^${NAME} .*of 77 tasks`));
    await workbench.screenshot('cgroups-without-root');
    await view.contextMenu(NAME, 'Inspect Cgroup');
    await eventually('the page', async () => /77 tasks/.test(await workbench.pageText()));
    await workbench.screenshot('cgroup-page-without-root');
    await view.contextSubmenu(NAME, 'Set Limit', 'Set Limit of Tasks');
    await eventually('the box', async () => (await workbench.quickInput()).value === '77');
    await workbench.typeInto('88');
    await workbench.page.keyboard.press('Enter');
    await workbench.notificationShows(/pids\.max.* may not/);
    await workbench.screenshot('cgroup-refused-without-root');
    assert.equal(made.read('pids.max').trim(), '77');
    await workbench.notificationAction('Become Root…');
    await eventually('the password box', async () => (await workbench.quickInput()).password);
    await workbench.escape();
  });

  test('its files open as read-only', async () => {
    await view.expand(rowOf(made));
    await view.contextMenu(NAME, 'Open Cgroup File');
    await eventually('the files', async () =>
      (await workbench.quickPickItems()).some((item) => /pids\.max.*read-only/.test(item)),
    );
    await workbench.answer('pids.max');
    await eventually('the editor', async () => (await workbench.editorText()).trim() === '77');
    await workbench.screenshot('cgroup-file-without-root');
  });
});
