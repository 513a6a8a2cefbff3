/** Constructs and wires everything of cgroups: the view, the pages, the monitor, the files, and the changes with their undo. */
import * as vscode from 'vscode';
import { CgroupChanges } from './changes/cgroupChanges.ts';
import { Command, type CommandId } from './commandIds.ts';
import { registerCommand, registerRowCommand } from './commandRegistration.ts';
import { createCgroup } from './commands/createCgroup.ts';
import { freezeCgroup } from './commands/freezeCgroup.ts';
import { groupCgroups } from './commands/groupCgroups.ts';
import { inspectCgroup } from './commands/inspectCgroup.ts';
import { killCgroup } from './commands/killCgroup.ts';
import { monitorCgroups } from './commands/monitorCgroups.ts';
import { moveProcess } from './commands/moveProcess.ts';
import { openCgroupFile } from './commands/openCgroupFile.ts';
import { removeCgroup } from './commands/removeCgroup.ts';
import { revealInCgroups } from './commands/revealInCgroups.ts';
import { setCpuLimit } from './commands/setCpuLimit.ts';
import { setCpuWeight } from './commands/setCpuWeight.ts';
import { setIoLimit } from './commands/setIoLimit.ts';
import { setMemoryHigh } from './commands/setMemoryHigh.ts';
import { setMemoryLimit } from './commands/setMemoryLimit.ts';
import { setSwapLimit } from './commands/setSwapLimit.ts';
import { setTasksLimit } from './commands/setTasksLimit.ts';
import { switchController } from './commands/switchController.ts';
import type { HelperConnection } from './connection/connection.ts';
import { CgroupFiles } from './documents/cgroupFiles.ts';
import type { Host } from './host/host.ts';
import { CgroupPanels } from './panels/cgroupPanels.ts';
import { MonitorPanels } from './panels/monitorPanels.ts';
import type { CommandTarget } from './target.ts';
import { CgroupsTree } from './trees/cgroups.ts';
import type { TreeFilter } from './trees/treeFilter.ts';

export interface CgroupParts {
  context: vscode.ExtensionContext;
  connection: HelperConnection;
  host: Host;
  filter: TreeFilter;
}

/** Changes of a cgroup, each a command on a row or, without one, on a cgroup that the person chooses. */
const CHANGES: readonly [CommandId, (changes: CgroupChanges, target?: CommandTarget) => Promise<void>][] = [
  [Command.setCpuLimit, setCpuLimit],
  [Command.setCpuWeight, setCpuWeight],
  [Command.setMemoryLimit, setMemoryLimit],
  [Command.setMemoryHigh, setMemoryHigh],
  [Command.setSwapLimit, setSwapLimit],
  [Command.setTasksLimit, setTasksLimit],
  [Command.setIoLimit, setIoLimit],
  [Command.freezeCgroup, (changes, target) => freezeCgroup(changes, true, target)],
  [Command.thawCgroup, (changes, target) => freezeCgroup(changes, false, target)],
  [Command.killCgroup, killCgroup],
  [Command.createCgroup, createCgroup],
  [Command.removeCgroup, removeCgroup],
  [Command.moveProcess, moveProcess],
  [Command.switchController, switchController],
  [Command.openCgroupFile, openCgroupFile],
];

export function registerCgroups({ context, connection, host, filter }: CgroupParts): vscode.Disposable {
  const tree = new CgroupsTree(host, filter, context.extensionUri, context.workspaceState);
  const changes = new CgroupChanges(connection, host);
  const pages = new CgroupPanels(connection, host, context.extensionUri);
  const monitors = new MonitorPanels(connection, context.extensionUri);
  return vscode.Disposable.from(
    ...CHANGES.map(([id, run]) => registerRowCommand(id, (target?: CommandTarget) => run(changes, target))),
    registerCommand(Command.undoCgroupChange, (given?: Parameters<CgroupChanges['undo']>[0]) => changes.undo(given)),
    registerCommand(Command.groupCgroups, () => groupCgroups(tree)),
    registerRowCommand(Command.inspectCgroup, (target?: CommandTarget) => inspectCgroup(host, pages, target)),
    registerRowCommand(Command.monitorCgroups, (target?: CommandTarget, selected?: CommandTarget[]) =>
      monitorCgroups(host, monitors, target, selected),
    ),
    registerRowCommand(Command.revealInCgroups, (target?: CommandTarget) =>
      revealInCgroups(connection, host, tree, filter, target),
    ),
    new CgroupFiles(connection),
    monitors,
    pages,
    changes,
    tree,
  );
}
