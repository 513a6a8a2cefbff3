/** Constructs and wires everything of cgroups: the view, the pages, the monitor, the files, and the changes with their undo. */
import * as vscode from 'vscode';
import { Command, type CommandId } from './base/commandIds.ts';
import { CgroupChanges } from './changes/cgroupChanges.ts';
import { createCgroup } from './commands/cgroups/createCgroup.ts';
import { freezeCgroup } from './commands/cgroups/freezeCgroup.ts';
import { groupCgroups } from './commands/cgroups/groupCgroups.ts';
import { inspectCgroup } from './commands/cgroups/inspectCgroup.ts';
import { killCgroup } from './commands/cgroups/killCgroup.ts';
import { monitorCgroups } from './commands/cgroups/monitorCgroups.ts';
import { moveProcess } from './commands/cgroups/moveProcess.ts';
import { openCgroupFile } from './commands/cgroups/openCgroupFile.ts';
import { removeCgroup } from './commands/cgroups/removeCgroup.ts';
import { revealInCgroups } from './commands/cgroups/revealInCgroups.ts';
import { setCpuLimit } from './commands/cgroups/setCpuLimit.ts';
import { setCpuWeight } from './commands/cgroups/setCpuWeight.ts';
import { setIoLimit } from './commands/cgroups/setIoLimit.ts';
import { setMemoryHigh } from './commands/cgroups/setMemoryHigh.ts';
import { setMemoryLimit } from './commands/cgroups/setMemoryLimit.ts';
import { setSwapLimit } from './commands/cgroups/setSwapLimit.ts';
import { setTasksLimit } from './commands/cgroups/setTasksLimit.ts';
import { switchController } from './commands/cgroups/switchController.ts';
import { registerCommand, registerRowCommand } from './commands/commandRegistration.ts';
import type { HelperConnection } from './connection/connection.ts';
import { CgroupFiles } from './documents/cgroupFileSystem.ts';
import type { CommandTarget } from './model/commandTarget.ts';
import type { Host } from './model/liveHost.ts';
import { CgroupPanels } from './panels/cgroupPanels.ts';
import { MonitorPanels } from './panels/monitorPanels.ts';
import { CgroupsTree } from './trees/cgroupsTree.ts';
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
