/**
 * The Cgroups view, the page, the editor and the monitor on a host with pure cgroup v2 and systemd: a container of podman there, shown by a VS Code
 * here. What the views say is compared with the kernel's files there.
 */
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeSudoUser, type SudoUser } from '../fixtures/sudoUser.ts';
import { type GuestHost, startGuestHost } from '../vm/guestHost.ts';
import { groupCgroups, openCgroups } from './harness/cgroups.ts';
import { cores, Monitor, openMonitor } from './harness/monitor.ts';
import { openWorkbench } from './harness/open.ts';
import type { TreeView } from './harness/tree.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

const NAME = 'capped';
/** The helper there is emulated. */
const SLOW_MILLIS = 120_000;
const LIMITS = '--cpu-quota=2000 --memory=64m --pids-limit=100';

describe('Cgroups of a host with version 2 only', { timeout: 900_000 }, () => {
  let guest: GuestHost;
  let user: SudoUser;
  let workbench: Workbench;
  let view: TreeView;
  /** The container's cgroup there. */
  let directory: string;

  const file = (name: string) => guest.run(`cat '${directory}/${name}'`);
  const row = (label: string | RegExp) => view.row(label, [], SLOW_MILLIS);

  before(async () => {
    guest = await startGuestHost();
    await guest.run('tar -C root -c . | podman import - busybox');
    await guest.run(`podman run --detach --network none --name ${NAME} ${LIMITS} busybox /bin/sh -c 'while :; do :; done'`);
    const pid = await guest.run(`podman inspect --format '{{.State.Pid}}' ${NAME}`);
    const [, own] = /^0::(.*)$/m.exec(await guest.run(`cat /proc/${pid}/cgroup`)) ?? [];
    assert.ok(own, 'podman runs a container in the guest');
    directory = `/sys/fs/cgroup${own}`;
    user = makeSudoUser(`isoscope-guest-${process.pid}`);
    // VS Code takes its environment from the login shell.
    appendFileSync(path.join(user.home, '.profile'), `PATH=${guest.path}:$PATH\n`);
    workbench = await openWorkbench({ story: true, user, width: 1400, height: 1200 });
    view = await openCgroups(workbench, 'Network', SLOW_MILLIS);
    await groupCgroups(workbench, 'By hierarchy');
  });

  after(async () => {
    await workbench?.close();
    user?.[Symbol.dispose]();
    await guest?.[Symbol.asyncDispose]();
  });

  test('there is one hierarchy, and the container in its slice says what bounds it', async () => {
    await row('Unified');
    assert.deepEqual(
      (await view.rows()).filter(({ level }) => level === 1).map(({ label }) => label),
      ['Unified'],
    );
    await view.expand('Unified');
    await view.expand('machine.slice');
    // The runtime's own cgroup, in the scope that systemd made for it, has the limits.
    await view.expand(`${NAME} (scope)`);
    await row(new RegExp(`^${NAME} 2 % of one CPU, using .* of 64 MiB.* throttled`));
    await workbench.screenshots('v2-tree');
  });

  test('the page says the limit in words with the kernel’s text beside it, and pressure, which version 1 has not', async () => {
    assert.equal(await file('cpu.max'), '2000 100000');
    await view.contextMenu(NAME, 'Inspect Cgroup');
    await eventually('the page', async () => /Processes in it/.test(await workbench.pageText()), SLOW_MILLIS);
    const text = await workbench.pageText();
    assert.ok(text.includes('2 % of one CPU (2,000 µs of every 100,000 µs)'), text);
    assert.match(text, /Effective limit\s+2 % of one CPU\s*its own binds/);
    assert.ok(text.includes('cpu.max: 2000 100000'), text);
    assert.ok(text.includes('64 MiB (67,108,864 bytes)'), text);
    assert.match(text, /[Pp]ressure/);
    assert.match(text, /Removed but kept\s+none/);
    const now = /Throttled now\s+in [\d,]+ of the last [\d,]+ periods/;
    await eventually('what is throttled between two readings', async () => now.test(await workbench.pageText()), SLOW_MILLIS);
    await workbench.screenshots('v2-page');
  });

  test('a new limit is in the kernel’s file there once it is agreed to, the burner follows, and it is undone', async () => {
    await view.contextSubmenu(NAME, 'Set Limit', 'Set CPU Limit');
    await workbench.typeInto('50 %');
    const meant = '50 % of one CPU (50,000 µs of every 100,000 µs)';
    await eventually('the live text', async () => (await workbench.quickInput()).message.includes(meant), SLOW_MILLIS);
    await workbench.page.keyboard.press('Enter');
    const question = await workbench.dialogText();
    assert.ok(question.includes('cpu.max') && question.includes('2000 100000 → 50000 100000'), question);
    assert.equal(await file('cpu.max'), '2000 100000');
    await workbench.dialogButton('Write');
    await workbench.notificationShows(/cpu\.max is now 50000 100000\./, SLOW_MILLIS);
    assert.equal(await file('cpu.max'), '50000 100000');
    await row(new RegExp(`^${NAME} 50 % of one CPU, using [345]\\d`));
    await workbench.notificationAction('Undo');
    await workbench.notificationShows(/^Undone: .*cpu\.max is now 2000 100000\./, SLOW_MILLIS);
    assert.equal(await file('cpu.max'), '2000 100000');
    await row(new RegExp(`^${NAME} 2 % of one CPU`));
    await workbench.clearNotifications();
  });

  test('its limit opens in an editor: what the kernel refuses comes back with the format, and what it takes is there', async () => {
    await view.contextMenu(NAME, 'Open Cgroup File');
    await eventually('the files', async () => (await workbench.quickPickItems()).some((item) => item.startsWith('cgroup.')));
    await workbench.answer('cpu.max');
    await eventually('the editor', async () => (await workbench.editorText()).trim() === '2000 100000', SLOW_MILLIS);
    await workbench.saveInEditor('twelve');
    assert.match(await workbench.notificationShows(/cpu\.max/, SLOW_MILLIS), /QUOTA PERIOD/);
    assert.equal(await file('cpu.max'), '2000 100000');
    await eventually('what the file holds', async () => (await workbench.editorText()).trim() === '2000 100000', SLOW_MILLIS);
    await workbench.screenshots('v2-editor');
    await workbench.clearNotifications();
    await workbench.saveInEditor('3000 100000');
    await row(new RegExp(`^${NAME} 3 % of one CPU`));
    assert.equal(await file('cpu.max'), '3000 100000');
    await workbench.saveInEditor('2000 100000');
    await row(new RegExp(`^${NAME} 2 % of one CPU`));
    await workbench.runCommand('View: Close Editor');
  });

  test('the monitor measures 2 % beside the limit, and draws pressure', async () => {
    const monitor = new Monitor(workbench);
    await openMonitor(workbench, NAME);
    await monitor.showsValues(NAME);
    assert.equal(await monitor.cell('cpu', NAME, 'limit'), '0.02 cores');
    assert.equal(await monitor.cell('memory', NAME, 'limit'), '64 MiB');
    assert.equal(await monitor.cell('tasks', NAME, 'limit'), '100');
    const mean = async () => cores(await monitor.cell('cpu', NAME, 'mean'));
    await eventually(
      'a mean of 2 %',
      async () => (await mean()) > 0.017 && (await mean()) < 0.023,
      SLOW_MILLIS,
      async () => String(await mean()),
    );
    for (const title of ['CPU pressure', 'Memory pressure', 'I/O pressure']) {
      assert.ok((await monitor.charts()).includes(title), title);
    }
    await workbench.screenshots('v2-monitor');
    await workbench.runCommand('View: Close Editor');
  });

  test('freezing stops its counter, thawing lets it go on', async () => {
    const used = async () => /usage_usec (\d+)/.exec(await file('cpu.stat'))?.[1];
    await view.contextMenu(NAME, 'Freeze');
    assert.match(await workbench.dialogText(), /cgroup\.freeze/);
    await workbench.dialogButton('Freeze');
    await row(new RegExp(`^${NAME} .*frozen`));
    assert.match(await file('cgroup.events'), /frozen 1/);
    const frozenAt = await used();
    await workbench.screenshot('v2-frozen');
    assert.equal(await used(), frozenAt);
    await view.contextMenu(NAME, 'Thaw');
    await workbench.dialogButton('Thaw');
    await view.gone(new RegExp(`^${NAME} .*frozen`));
    await eventually('its counter to go on', async () => (await used()) !== frozenAt);
    await workbench.clearNotifications();
  });

  test('an out-of-memory kill is counted and marked, and a cgroup comes and goes by itself', async () => {
    const unit =
      'systemd-run --quiet --collect --unit eater --slice machine.slice --property MemoryMax=8M --property MemorySwapMax=0';
    // Its shell stays when what eats the memory is killed.
    await guest.run(`${unit} --property OOMPolicy=continue sh -c 'head -c 64M /dev/zero | tail; exec sleep 1000'`);
    await row(/^eater.*killed/);
    assert.match(await guest.run('cat /sys/fs/cgroup/machine.slice/eater.service/memory.events'), /oom_kill [1-9]/);
    await workbench.screenshot('v2-killed');
    await guest.run('systemctl stop eater');
    await view.gone(/^eater/);
    await guest.run(`podman kill ${NAME}`);
    await view.gone(NAME);
  });
});
