import type { TreeView } from './tree.ts';
import { eventually } from './wait.ts';
import type { Workbench } from './workbench.ts';

/** The Cgroups view, with the room of the others, once `hostRow` of the Namespaces view tells that the host has been read. */
export async function openCgroups(workbench: Workbench, hostRow = 'Network', withinMillis = 60_000): Promise<TreeView> {
  await workbench.openSidebar('Isoscope');
  await workbench.view('Namespaces').row(hostRow, [], withinMillis);
  for (const title of ['Containers', 'Namespaces']) await workbench.view(title).close();
  return workbench.view('Cgroups');
}

/** Groups the Cgroups view so, unless it is. */
export async function groupCgroups(workbench: Workbench, grouping: 'By hierarchy' | 'By container'): Promise<void> {
  const view = workbench.view('Cgroups');
  const isSo = async () => (await view.besideTitle()).includes('by hierarchy') === (grouping === 'By hierarchy');
  if (await isSo()) return;
  await workbench.choose('Isoscope: Group Cgroups…', grouping);
  await eventually(`the cgroups to be grouped: ${grouping}`, isSo);
}
