import * as vscode from 'vscode';
import type { Container } from '../../../helper/protocol/containers.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { ONE_ROW } from '../../base/when.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { Sandboxes } from '../../model/liveSandboxes.ts';
import { say } from '../../plain/notify.ts';
import { oneLine } from '../../plain/plainText.ts';
import { sandboxOf } from '../../programs/sandboxTargets.ts';
import type { SandboxesTree } from '../../trees/sandboxesTree.ts';
import type { TreeFilter } from '../../trees/treeFilter.ts';

export const revealInSandboxesCommand: CommandContribution = {
  id: 'isoscope.reveal.inSandboxes',
  title: 'Reveal in Sandboxes',
  icon: 'go-to-file',
  menus: {
    'view/item/context': [
      {
        group: '2_reveal@5',
        when: [
          { view: ['containers', 'namespaces', 'cgroups', 'layers'] },
          { row: ['container isoscope', 'sandboxed'] },
          ONE_ROW,
        ],
      },
    ],
  },
};

/** Shows the sandbox that a container, a process or a namespace is of where it stands in the Sandboxes view. */
export async function revealInSandboxes(
  host: Host,
  sandboxes: Sandboxes,
  tree: SandboxesTree,
  filter: TreeFilter,
  target: CommandTarget = {},
): Promise<void> {
  await Promise.all([host.load(), sandboxes.load()]);
  const container = containerOf(host, target);
  const isGiven = target.container !== undefined || target.process !== undefined || target.namespace !== undefined;
  const sandbox = container === undefined && !isGiven ? await sandboxOf(sandboxes, {}) : sandboxes.ledBy(container?.leader);
  if (sandbox !== undefined) {
    if (tree.rowOf(sandbox) === undefined) filter.text = '';
    return tree.reveal(() => tree.rowOf(sandbox));
  }
  if (!isGiven) return;
  void say(
    container?.engine === 'isoscope'
      ? vscode.l10n.t('{0} is a sandbox of another user, whose own helper lists it.', oneLine(container.name))
      : vscode.l10n.t('It is in no sandbox. Sandboxes are what Isoscope itself has made.'),
  );
}

function containerOf(host: Host, { container, process, namespace }: CommandTarget): Container | undefined {
  if (container !== undefined) return container;
  const ref = process ?? namespace?.leader;
  const key = ref === undefined ? undefined : host.model.process(ref)?.container;
  return key === undefined ? undefined : host.model.containers.get(key);
}
