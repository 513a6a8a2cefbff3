import * as vscode from 'vscode';
import type { HelperConnection } from '../connection/connection.ts';
import type { Host } from '../host/host.ts';
import { pickProcess } from '../programs/picks.ts';
import type { CommandTarget } from '../target.ts';
import type { ContainersTree } from '../trees/containers.ts';
import type { TreeFilter } from '../trees/treeFilter.ts';
import { say } from '../words/notify.ts';

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
    target.process ?? target.namespace?.leader ?? (container === undefined ? await pickProcess(connection) : undefined);
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
