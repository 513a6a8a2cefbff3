import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorkbench } from './harness/open.ts';

test('the packaged extension shows its views in the workbench', async () => {
  await using workbench = await openWorkbench();
  await workbench.openSidebar('Isoscope');
  await workbench.screenshot('views');
  assert.deepEqual((await workbench.viewTitles()).slice(0, 2), ['Containers', 'Namespaces']);
});
