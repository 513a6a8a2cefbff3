/** The extension's entry: constructs its parts, wires them, and hands what must end to VS Code. */
import type * as vscode from 'vscode';
import { Command } from './base/commandIds.ts';
import { Scheme } from './base/ids.ts';
import { registerCommand, registerRowCommand } from './commands/commandRegistration.ts';
import { compareMounts } from './commands/host/compareMounts.ts';
import { compareMountsAsText } from './commands/host/compareMountsAsText.ts';
import { compareWith } from './commands/host/compareWith.ts';
import { copyId, copyNsenter, copyPid } from './commands/host/copy.ts';
import { enterNamespaces } from './commands/host/enterNamespaces.ts';
import { filterTrees } from './commands/host/filterTrees.ts';
import { groupNamespaces } from './commands/host/groupNamespaces.ts';
import { inspectProcess } from './commands/host/inspectProcess.ts';
import { openOverview } from './commands/host/openOverview.ts';
import { openTerminalInContainer } from './commands/host/openTerminalInContainer.ts';
import { revealInContainers } from './commands/host/revealInContainers.ts';
import { revealInNamespaces } from './commands/host/revealInNamespaces.ts';
import { runInNamespaces } from './commands/host/runInNamespaces.ts';
import { showHelperActions } from './commands/host/showHelperActions.ts';
import { showHostOverview } from './commands/host/showHostOverview.ts';
import { showTargetSyscalls } from './commands/host/showSyscalls.ts';
import { HelperConnection } from './connection/connection.ts';
import { followWithContextKeys } from './connection/contextKeys.ts';
import { elevationPreference, startEnvironment } from './connection/settings.ts';
import { StatusBar } from './connection/statusBar.ts';
import { MountTables } from './documents/mountTables.ts';
import { ProgramOutputs } from './documents/programOutput.ts';
import { SyscallDocuments } from './documents/syscallDocuments.ts';
import type { CommandTarget } from './model/commandTarget.ts';
import { Host } from './model/liveHost.ts';
import { Layers } from './model/liveLayers.ts';
import { ComparePanels, type PairTarget } from './panels/comparePanels.ts';
import { HostPanels } from './panels/hostPanels.ts';
import { OverviewPanels } from './panels/overviewPanels.ts';
import { ProcessPanels } from './panels/processPanels.ts';
import { createLog } from './plain/logChannel.ts';
import { registerDocuments } from './plain/titled.ts';
import { TerminalOpener } from './programs/terminalOpener.ts';
import { registerCgroups } from './registerCgroups.ts';
import { registerLayers } from './registerLayers.ts';
import { registerSandboxes } from './registerSandboxes.ts';
import { ContainersTree } from './trees/containersTree.ts';
import { NamespacesTree } from './trees/namespacesTree.ts';
import { RowDecorations } from './trees/rowDecorations.ts';
import { TreeFilter } from './trees/treeFilter.ts';
import type { TreeNode } from './trees/treeNode.ts';

export function activate(context: vscode.ExtensionContext): void {
  const log = createLog();
  const connection = new HelperConnection({ log, start: startEnvironment(context), preference: elevationPreference });
  const terminals = new TerminalOpener(connection, context.asAbsolutePath('dist/attach.js'));
  const outputs = new ProgramOutputs();
  const mounts = new MountTables(connection);

  const host = new Host(connection, log);
  const layers = new Layers(connection);
  const filter = new TreeFilter(host);
  const containers = new ContainersTree(host, filter, context.extensionUri);
  const namespaces = new NamespacesTree(host, filter, context.extensionUri, context.workspaceState);
  const panels = new ProcessPanels(connection, host, context.extensionUri);
  const comparisons = new ComparePanels(connection, host, context.extensionUri);
  const hosts = new HostPanels(host, context.extensionUri);
  const overviews = new OverviewPanels(connection, host, layers, context.extensionUri);

  context.subscriptions.push(
    log,
    outputs,
    mounts,
    new StatusBar(connection),
    followWithContextKeys(connection),
    registerDocuments(Scheme.syscalls, new SyscallDocuments(connection)),
    registerDocuments(Scheme.output, outputs),
    registerCommand(Command.restartHelper, () => connection.restart()),
    registerCommand(Command.restartHelperAsRoot, () => connection.restart('root')),
    registerCommand(Command.restartHelperAsUser, () => connection.restart('user')),
    registerCommand(Command.showHelperLog, () => log.show()),
    registerCommand(Command.showHelperActions, () => showHelperActions(connection)),
    registerCommand(Command.showHostOverview, () => showHostOverview(hosts)),
    registerRowCommand(Command.openOverview, (target?: CommandTarget) => openOverview(connection, overviews, target)),
    registerRowCommand(Command.openTerminalInContainer, (target?: CommandTarget) =>
      openTerminalInContainer(connection, terminals, target),
    ),
    registerRowCommand(Command.enterNamespaces, (target?: CommandTarget) => enterNamespaces(connection, terminals, target)),
    registerRowCommand(Command.runInNamespaces, (target?: CommandTarget) => runInNamespaces(connection, outputs, target)),
    registerRowCommand(Command.showSyscalls, (target?: CommandTarget) => showTargetSyscalls(connection, target)),
    registerCommand(Command.refresh, () => host.refresh()),
    registerCommand(Command.filter, () => filterTrees(filter)),
    registerCommand(Command.clearFilter, () => {
      filter.text = '';
    }),
    registerCommand(Command.showMore, (row: TreeNode) => row.tree.showMore(row)),
    registerCommand(Command.groupNamespaces, () => groupNamespaces(namespaces)),
    registerRowCommand(Command.revealInContainers, (target?: CommandTarget) =>
      revealInContainers(connection, host, containers, filter, target),
    ),
    registerRowCommand(Command.revealInNamespaces, (target?: CommandTarget) =>
      revealInNamespaces(connection, host, namespaces, filter, target),
    ),
    registerRowCommand(Command.copyId, copyId),
    registerRowCommand(Command.copyPid, copyPid),
    registerRowCommand(Command.copyNsenter, (target: CommandTarget) => copyNsenter(host, target)),
    registerDocuments(Scheme.mounts, mounts),
    registerRowCommand(Command.compareMounts, (target?: CommandTarget) => compareMounts(connection, host, comparisons, target)),
    registerRowCommand(Command.compareWith, (target?: CommandTarget, selected?: readonly CommandTarget[]) =>
      compareWith(connection, host, comparisons, target, selected),
    ),
    registerCommand(Command.compareMountsAsText, (target?: Partial<PairTarget>) => compareMountsAsText(mounts, target)),
    registerRowCommand(Command.inspectProcess, (target?: CommandTarget) => inspectProcess(connection, panels, target)),
    registerSandboxes({ context, log, connection, terminals, outputs, host, filter }),
    panels,
    comparisons,
    registerLayers({ context, log, connection, host, layers, filter, containers }),
    overviews,
    hosts,
    layers,
    new RowDecorations(host),
    containers,
    namespaces,
    registerCgroups({ context, connection, host, filter }),
    filter,
    host,
    // Last, so that it ends first: nothing of the helper's reaches what is already gone.
    connection,
  );
}
