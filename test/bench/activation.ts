/** What the extension costs a window that opens it, as VS Code itself tells under "Show Running Extensions". */
import { openWorkbench } from '../e2e/harness/open.ts';
import { eventually } from '../e2e/harness/wait.ts';
import { startEmptyNode } from './emptyNode.ts';
import { median, millisOf, type Row } from './rows.ts';

const RUNS = 3;

async function activationMillis(): Promise<number> {
  await using workbench = await openWorkbench();
  await workbench.openSidebar('Isoscope');
  await workbench.view('Containers').shown(60_000);
  await workbench.runCommand('Developer: Show Running Extensions');
  const row = workbench.page.locator('.runtime-extensions-editor .monaco-list-row').filter({ hasText: 'Isoscope' });
  return await eventually('the time of the activation', async () => {
    const shown = /Activation: (\d+)\s*ms/.exec((await row.first().textContent()) ?? '')?.[1];
    return shown === undefined ? undefined : Number(shown);
  });
}

export const activationRows: Row[] = [
  {
    name: 'activation of the extension (peer: the start of an empty Node)',
    target: 2.5,
    unit: 'ms',
    measure: async () => {
      const times: number[] = [];
      const starts: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        times.push(await activationMillis());
        starts.push(await millisOf(startEmptyNode));
      }
      return { ours: median(times), peer: median(starts) };
    },
  },
];
