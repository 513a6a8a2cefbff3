import * as vscode from 'vscode';
import type { CgroupRef } from '../../../helper/protocol/cgroups.ts';
import { ProcessesInspect, type ProcessRef } from '../../../helper/protocol/processes.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { cgroupsOf } from '../../changes/cgroupPicks.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { refOfCgroup } from '../../model/cgroupModel.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import { say } from '../../plain/notify.ts';
import { pick } from '../../plain/pick.ts';
import { processOrPicked } from '../../programs/targetPicks.ts';
import type { CgroupsTree } from '../../trees/cgroupsTree.ts';
import type { TreeFilter } from '../../trees/treeFilter.ts';
import { hierarchyTitle, shortPath } from '../../words/cgroupWords.ts';
import { isUnknown } from '../../words/hostWords.ts';

export const revealInCgroupsCommand: CommandContribution = {
  id: 'isoscope.reveal.inCgroups',
  title: 'Reveal in Cgroups',
  icon: 'go-to-file',
  menus: {
    'view/item/context': [
      { group: '2_reveal@3', when: [{ view: ['containers', 'namespaces'] }, { row: ['container', 'process', 'cgroupRow'] }] },
      { group: '2_reveal@3', when: [{ view: 'layers' }, { row: 'isolated' }] },
      { group: '2_reveal@3', when: [{ view: 'sandboxes' }, { row: ['sandbox running', 'process', 'cgroupRow'] }] },
    ],
  },
};

/** Shows the cgroup of a process or container, or a cgroup itself, where it stands in the Cgroups view. */
export async function revealInCgroups(
  connection: HelperConnection,
  host: Host,
  tree: CgroupsTree,
  filter: TreeFilter,
  target: CommandTarget = {},
): Promise<void> {
  await host.load();
  await host.cgroups.load();
  const cgroups = await candidates(connection, host, target);
  if (cgroups === undefined) return;
  const cgroup = inOneRow(tree, cgroups) ?? (await pickOne(host, cgroups));
  if (cgroup === undefined) return;
  if (tree.rowOf(cgroup) === undefined) filter.text = '';
  if (tree.rowOf(cgroup) === undefined) await tree.group('hierarchy');
  if (tree.rowOf(cgroup) !== undefined) return tree.reveal(() => tree.rowOf(cgroup));
  void say(vscode.l10n.t('It is no longer there: the cgroup is gone.'));
}

/** The first of several cgroups that the view shows as one row: which of them is meant then makes no difference. */
function inOneRow(tree: CgroupsTree, cgroups: readonly CgroupRef[]): CgroupRef | undefined {
  const [first, ...others] = cgroups.map((cgroup) => tree.rowOf(cgroup));
  return first !== undefined && others.every((row) => row === first) ? cgroups[0] : undefined;
}

async function candidates(
  connection: HelperConnection,
  host: Host,
  target: CommandTarget,
): Promise<readonly CgroupRef[] | undefined> {
  const given = await cgroupsOf(host, target);
  if (given !== undefined) return given;
  const process = await processOrPicked(connection, target);
  return process === undefined ? undefined : await ofProcess(host, process);
}

async function ofProcess(host: Host, process: ProcessRef): Promise<CgroupRef[]> {
  const { cgroups } = await host.request(ProcessesInspect, { process: { pid: process.pid, startTime: process.startTime } });
  if (isUnknown(cgroups)) return [];
  const found = cgroups.map(({ hierarchy, path }) => host.cgroups.model.at(hierarchy, path));
  return found.filter((cgroup) => cgroup !== undefined).map(refOfCgroup);
}

/** Which hierarchy, where it is not the root in several: being in a root says nothing. */
async function pickOne(host: Host, cgroups: readonly CgroupRef[]): Promise<CgroupRef | undefined> {
  const below = cgroups.filter(({ path }) => path !== '/');
  const choices = below.length > 0 ? below : cgroups;
  if (choices.length === 0) {
    void say(vscode.l10n.t('No cgroup of it can be seen from here.'));
    return undefined;
  }
  if (choices.length === 1) return choices[0];
  const items = host.cgroups.model.inOrder(choices).map((cgroup) => ({
    label: hierarchyTitle(cgroup.hierarchy),
    description: shortPath(cgroup.path),
    cgroup,
  }));
  const picked = await pick(items, { placeHolder: vscode.l10n.t('In which hierarchy?') });
  return picked?.cgroup;
}
