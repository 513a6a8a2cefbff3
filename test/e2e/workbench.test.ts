import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorkbench } from './harness/open.ts';
import { eventually } from './harness/wait.ts';

test('the packaged extension shows its views in the workbench', async () => {
  await using workbench = await openWorkbench();
  await workbench.openSidebar('Isoscope');
  await workbench.screenshot('views');
  assert.deepEqual((await workbench.viewTitles()).slice(0, 2), ['Containers', 'Namespaces']);
});

test('a question stays when something else takes the focus, as a tree does that is drawn again', async () => {
  await using workbench = await openWorkbench();
  await workbench.openSidebar('Isoscope');
  await workbench.view('Containers').open();
  const takesFocus = async () => {
    await workbench.page.locator('.part.sidebar .pane-header:visible').first().focus();
    assert.equal(await workbench.page.evaluate("document.activeElement.closest('.quick-input-widget')"), null);
  };
  await workbench.runCommand('Isoscope: Inspect Process');
  await eventually('the processes', async () => (await workbench.quickPickItems()).length > 0);
  await takesFocus();
  await workbench.screenshot('question-stays');
  assert.equal((await workbench.quickInput()).title, 'Inspect Process');
  assert.ok((await workbench.quickPickItems()).length > 0);
  await workbench.escape();
  await workbench.runCommand('Isoscope: Filter…');
  await eventually('the box', async () => (await workbench.quickInput()).placeholder.startsWith('Name, image'));
  await takesFocus();
  assert.match((await workbench.quickInput()).placeholder, /^Name, image/);
});
