/**
 * Brings every window to a known state before each test, so that a test says itself all that it needs and runs alone: nothing is asked or told, no
 * editor, page or terminal is open, the rows of all views are folded, nothing is filtered, and the theme and the size are those of the beginning.
 * What a test leaves on the host it undoes itself. A window of `openWorkbench({ story: true })` is left as it is.
 */
import { beforeEach } from 'node:test';
import { openWindows } from './openWindows.ts';
import { eventually } from './wait.ts';
import type { Workbench } from './workbench.ts';

/** How many things may lie over each other: a question over a menu over a notification. */
const LAYERS = 6;

// A program by hand, as look.ts, is no test.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  beforeEach(async () => {
    for (const workbench of openWindows()) if (!workbench.isStory) await bringToKnownState(workbench);
  });
}

/** Does nothing that is not needed: most windows are as they should be. */
async function bringToKnownState(workbench: Workbench): Promise<void> {
  const { page } = workbench;
  const count = (selector: string) => page.locator(selector).count();
  await page.mouse.move(0, 0);
  await workbench.restoreSize();
  for (let layer = 0; layer < LAYERS && (await count(OVER_IT)) > 0; layer += 1) await workbench.escape();
  while ((await count('.tab.dirty')) > 0) await revertOne(workbench);
  if ((await count('.part.editor .tab')) > 0) await workbench.runCommand('View: Close All Editors');
  await workbench.killTerminals();
  await workbench.closePanel();
  if ((await count('.notification-toast')) > 0) await workbench.clearNotifications();
  await workbench.restoreTheme();
  if (workbench.sidebar !== undefined) await workbench.openSidebar(workbench.sidebar);
  await workbench.filterBy(workbench.restingFilter);
  await workbench.foldRows();
}

const OVER_IT = ['.quick-input-widget', '.monaco-dialog-box', '.monaco-menu'].map((one) => `${one}:visible`).join(', ');

async function revertOne(workbench: Workbench): Promise<void> {
  const dirty = workbench.page.locator('.tab.dirty');
  const before = await dirty.count();
  await dirty.first().click();
  await workbench.runCommand('View: Revert and Close Editor');
  await eventually('the editor to close', async () => (await dirty.count()) < before);
}
