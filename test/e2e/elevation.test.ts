/** How the helper becomes root, and what a person sees of it, with the real sudo and a real user. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { makeSudoUser, type SudoUser } from '../fixtures/sudoUser.ts';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

// sudo waits two seconds after a wrong password.
const START_MILLIS = 30_000;

async function statusShows(workbench: Workbench, text: string): Promise<void> {
  await eventually(
    `"${text}" in the status bar`,
    async () => (await workbench.statusBar()).some((item) => item.includes(text)),
    START_MILLIS,
    async () => `${(await workbench.statusBar()).join(' | ')}\n${workbench.logs().split('\n').slice(-30).join('\n')}`,
  );
}

/** Waits for the password box, and with `again` for one that says that the last answer was wrong. */
async function passwordBox(workbench: Workbench, again = false): Promise<void> {
  await eventually(
    'the password box',
    async () => {
      const box = await workbench.quickInput();
      return box.password && /wrong/.test(box.message) === again;
    },
    START_MILLIS,
    async () => JSON.stringify(await workbench.quickInput()),
  );
}

/** Until the box is gone: sudo takes its time over an answer, and what is asked next must not be answered in the box of before. */
async function answerPassword(workbench: Workbench, text: string): Promise<void> {
  await workbench.answer(text);
  const boxes = workbench.page.locator('.quick-input-widget:visible');
  await eventually('the password box to close', async () => (await boxes.count()) === 0, START_MILLIS);
}

describe('an ordinary user with a sudo password', { timeout: 300_000 }, () => {
  let user: SudoUser;
  let workbench: Workbench;
  let foldersBefore: Set<string>;

  before(async () => {
    // A uid that is used again inherits the files of its last owner.
    foldersBefore = new Set(readdirSync('/tmp'));
    user = makeSudoUser(`isoscope-e2e-${process.pid}`);
    workbench = await openWorkbench({ user });
  });

  // What a person chose holds until the window is closed or reloaded.
  beforeEach(() => begin('withPassword'));

  after(async () => {
    await workbench?.close();
    user?.[Symbol.dispose]();
  });

  /** The window as it is when it is opened for the first time, with this rule of sudo. */
  async function begin(rule: Parameters<SudoUser['allow']>[0]): Promise<void> {
    user.allow(rule);
    await workbench.reload();
    await workbench.openSidebar('Isoscope');
    await statusShows(workbench, rule === 'withoutPassword' ? 'Isoscope: root' : 'Isoscope: user');
    await eventually('the helpers of before to end', async () => helperPids(user).length + rootHelperPids(user).length <= 1);
  }

  /** Chooses to become root, and waits for the password box. */
  async function ask(): Promise<void> {
    await workbench.runCommand('Isoscope: Become Root…');
    await passwordBox(workbench);
  }

  async function becomeRoot(): Promise<void> {
    await ask();
    await answerPassword(workbench, user.password);
    await statusShows(workbench, 'Isoscope: root');
  }

  async function closeTheBox(): Promise<void> {
    await ask();
    await workbench.escape();
    await statusShows(workbench, 'Isoscope: user');
    await workbench.hover(workbench.statusBarItem('Isoscope: user'), 'No password was given');
  }

  test('opening the view asks nothing: it runs as the user, and says that and how to become root', async () => {
    await workbench.view('Namespaces').row(/^Not running as root become root…$/);
    assert.equal(await workbench.page.locator('.quick-input-widget:visible').count(), 0);
    assert.deepEqual(await workbench.notifications(), []);
    await workbench.hover(workbench.statusBarItem('Isoscope: user'), 'sudo wants a password');
    await workbench.screenshots('elevation-not-asked');
  });

  test('who chooses to become root is asked for the password in sudo’s own words', async () => {
    await workbench.view('Namespaces').click('Not running as root');
    await passwordBox(workbench);
    const { title, message, placeholder } = await workbench.quickInput();
    assert.equal(title, 'Become Root');
    assert.match(message, new RegExp(`\\[sudo\\] password for ${user.name}`));
    assert.doesNotMatch(placeholder, /Escape|Enter/, 'VS Code’s own words say how the box is answered');
    // Another theme would close it.
    await workbench.screenshot('elevation-asked');
  });

  test('a wrong and an empty password are asked for again, and the right one gives root', async () => {
    await ask();
    await answerPassword(workbench, 'not the password');
    await passwordBox(workbench, true);
    await workbench.screenshot('elevation-wrong');
    await answerPassword(workbench, '');
    await passwordBox(workbench, true);
    await answerPassword(workbench, user.password);
    await statusShows(workbench, 'Isoscope: root');
    await workbench.screenshot('elevation-root');
  });

  test('the password is in no log and no folder of ours is left behind', async () => {
    await becomeRoot();
    assert.ok(!workbench.logs().includes(user.password));
    const left = readdirSync('/tmp').filter((name) => name.startsWith('isoscope-') && !foldersBefore.has(name));
    const ours = left.filter(
      (name) => ownerOf(`/tmp/${name}`) === user.name && readdirSync(`/tmp/${name}`).includes('askpass'),
    );
    assert.deepEqual(ours, []);
  });

  test('closing the box goes on without root, and says so', async () => {
    await closeTheBox();
    await workbench.screenshot('elevation-cancelled');
  });

  test('who closed the box is not asked again by a restart', async () => {
    await closeTheBox();
    const before = helperPids(user);
    await workbench.runCommand('Isoscope: Restart Helper');
    await eventually('another helper', async () => helperPids(user).some((pid) => !before.includes(pid)));
    await statusShows(workbench, 'Isoscope: user');
    assert.equal(await workbench.page.locator('.quick-input-widget:visible').count(), 0);
  });

  test('a rule without a password gives root without a question', async () => {
    user.allow('withoutPassword');
    await workbench.runCommand('Isoscope: Become Root…');
    await statusShows(workbench, 'Isoscope: root');
    assert.equal(await workbench.page.locator('.quick-input-widget:visible').count(), 0);
    await workbench.screenshot('elevation-nopasswd');
  });

  test('reloading the window ends the root helper behind sudo, and starts another', async () => {
    await begin('withoutPassword');
    const before = rootHelperPids(user);
    assert.equal(before.length, 1);
    await workbench.reload();
    await workbench.openSidebar('Isoscope');
    await statusShows(workbench, 'Isoscope: root');
    await eventually(
      'the end of the first helper',
      async () => rootHelperPids(user).length === 1 && !rootHelperPids(user).includes(before[0] as number),
      START_MILLIS,
      async () => `${before} before, ${rootHelperPids(user)} now`,
    );
  });

  test('a root helper that was killed is shown as not running, with the signal, and nothing restarts it but the person', async () => {
    await begin('withoutPassword');
    for (const pid of rootHelperPids(user)) process.kill(pid, 'SIGKILL');
    await statusShows(workbench, 'Isoscope: not running');
    await workbench.hover(workbench.statusBarItem('Isoscope: not running'), 'signal SIGKILL');
    await workbench.screenshot('helper-killed');
    assert.deepEqual(rootHelperPids(user), []);
    await workbench.statusBarItem('Isoscope: not running').click();
    await workbench.pick('Restart Helper');
    await statusShows(workbench, 'Isoscope: root');
  });

  test('a user whom sudo does not know goes on without root and is told sudo’s reason', async () => {
    user.allow('nothing');
    await workbench.runCommand('Isoscope: Become Root…');
    await passwordBox(workbench);
    await workbench.answer(user.password);
    await statusShows(workbench, 'Isoscope: user');
    await workbench.notificationShows(/not in the sudoers file/);
    await workbench.screenshot('elevation-refused');
  });

  test('closing the window ends the helper', async () => {
    const before = helperPids(user);
    const own = await openWorkbench({ user });
    const others = () => helperPids(user).filter((pid) => !before.includes(pid));
    try {
      await own.openSidebar('Isoscope');
      await statusShows(own, 'Isoscope: user');
      assert.notDeepEqual(others(), []);
    } finally {
      await own.close();
    }
    await eventually('the helper’s end', async () => others().length === 0);
  });
});

test('where the setting says never, nothing is asked', { timeout: 120_000 }, async () => {
  using user = makeSudoUser(`isoscope-never-${process.pid}`);
  await using workbench = await openWorkbench({ user, machineSettings: { 'isoscope.elevation': 'never' } });
  await workbench.openSidebar('Isoscope');
  await statusShows(workbench, 'Isoscope: user');
  await workbench.hover(workbench.statusBarItem('Isoscope: user'), 'Root was not asked for');
});

test('a window that is root’s own has a root helper at once', { timeout: 120_000 }, async () => {
  await using workbench = await openWorkbench();
  await workbench.openSidebar('Isoscope');
  await statusShows(workbench, 'Isoscope: root');
  await workbench.screenshot('elevation-already-root');
});

function ownerOf(path: string): string {
  return execFileSync('stat', ['-c', '%U', path], { encoding: 'utf8' }).trim();
}

/** Helpers that run as `user`. */
function helperPids(user: SudoUser): number[] {
  return allHelperPids().filter((pid) => ownerOf(`/proc/${pid}`) === user.name);
}

/** Helpers that run as root because `user` said so to sudo. */
function rootHelperPids(user: SudoUser): number[] {
  return allHelperPids().filter((pid) =>
    readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`SUDO_USER=${user.name}`),
  );
}

function allHelperPids(): number[] {
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1]?.endsWith('/dist/helper.js') === true;
    } catch {
      return false;
    }
  });
}
