import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import { say } from '../../plain/notify.ts';
import { processOrPicked } from '../../programs/targetPicks.ts';
import type { ContainersTree } from '../../trees/containersTree.ts';
import type { TreeFilter } from '../../trees/treeFilter.ts';

export const revealInContainersCommand: CommandContribution = {
  id: 'isoscope.reveal.inContainers',
  title: 'Reveal in Containers',
  icon: 'go-to-file',
  menus: {
    'view/item/context': [
      { group: '2_reveal@1', when: [{ view: 'namespaces' }, { row: 'contained' }] },
      { group: '2_reveal@1', when: [{ view: 'cgroups' }, { row: 'contained' }, ONE_ROW] },
      { group: '2_reveal@1', when: [{ view: 'layers' }, { row: 'contained' }] },
      { group: '2_reveal@1', when: [{ view: 'sandboxes' }, { row: ['sandbox running', 'contained'] }] },
    ],
  },
};

/** Shows a process, or a container, where it stands in the Containers view. */
export async function revealInContainers(
  connection: HelperConnection,
  host: Host,
  tree: ContainersTree,
  filter: TreeFilter,
  target: CommandTarget = {},
): Promise<void> {
  const { container } = target;
  const process =
    container === undefined ? await processOrPicked(connection, target) : (target.process ?? target.namespace?.leader);
  if (process === undefined && container === undefined) return;
  await host.load();
  const place = { container, process };
  if (tree.rowOf(place) === undefined) filter.text = '';
  if (tree.rowOf(place) !== undefined) return tree.reveal(() => tree.rowOf(place));
  const gone = process !== undefined && host.model.process(process) === undefined;
  void say(
    gone
      ? vscode.l10n.t('Process {0} has ended.', process.pid)
      : vscode.l10n.t('Process {0} is in no container. It is shown in Namespaces.', process?.pid ?? ''),
  );
}
