/** Everything about sandboxes: constructs it, wires it, and registers its commands. */
import * as vscode from 'vscode';
import { Command } from './base/commandIds.ts';
import { Scheme } from './base/ids.ts';
import { registerCommand, registerRowCommand } from './commands/commandRegistration.ts';
import { copyText } from './commands/copyText.ts';
import { duplicateSandbox } from './commands/sandboxes/duplicateSandbox.ts';
import { editSandbox } from './commands/sandboxes/editSandbox.ts';
import { editSandboxInForm } from './commands/sandboxes/editSandboxInForm.ts';
import { explainSandbox } from './commands/sandboxes/explainSandbox.ts';
import { newSandboxFile } from './commands/sandboxes/newSandboxFile.ts';
import { openSandboxTerminal } from './commands/sandboxes/openSandboxTerminal.ts';
import { removeSandbox } from './commands/sandboxes/removeSandbox.ts';
import { restartSandbox } from './commands/sandboxes/restartSandbox.ts';
import { revealInSandboxes } from './commands/sandboxes/revealInSandboxes.ts';
import { runInNewNamespace } from './commands/sandboxes/runInNewNamespace.ts';
import { startSandbox } from './commands/sandboxes/startSandbox.ts';
import { stopSandbox } from './commands/sandboxes/stopSandbox.ts';
import type { HelperConnection } from './connection/connection.ts';
import type { ProgramOutputs } from './documents/programOutput.ts';
import { SandboxExplanations } from './documents/sandboxExplanation.ts';
import { CommandLineLenses, SandboxLenses } from './documents/sandboxLenses.ts';
import type { CommandTarget, SandboxTarget } from './model/commandTarget.ts';
import type { Host } from './model/liveHost.ts';
import { Sandboxes, SPECIFICATIONS } from './model/liveSandboxes.ts';
import { SandboxPanels } from './panels/sandboxPanels.ts';
import type { Log } from './plain/logChannel.ts';
import { registerDocuments } from './plain/titled.ts';
import { SandboxStarter } from './programs/sandboxStarter.ts';
import type { TerminalOpener } from './programs/terminalOpener.ts';
import { SandboxesTree } from './trees/sandboxesTree.ts';
import type { TreeFilter } from './trees/treeFilter.ts';

interface Parts {
  context: vscode.ExtensionContext;
  log: Log;
  connection: HelperConnection;
  terminals: TerminalOpener;
  outputs: ProgramOutputs;
  host: Host;
  filter: TreeFilter;
}

export function registerSandboxes({ context, log, connection, terminals, outputs, host, filter }: Parts): vscode.Disposable {
  const sandboxes = new Sandboxes(connection, log);
  const starter = new SandboxStarter(connection, terminals, outputs, context);
  const panels = new SandboxPanels(connection, starter, context.extensionUri);
  const memory = context.workspaceState;
  const tree = new SandboxesTree(host, sandboxes, filter, context.extensionUri);
  return vscode.Disposable.from(
    tree,
    registerDocuments(Scheme.sandbox, new SandboxExplanations(connection)),
    vscode.languages.registerCodeLensProvider({ pattern: SPECIFICATIONS }, new SandboxLenses()),
    vscode.languages.registerCodeLensProvider({ scheme: Scheme.sandbox }, new CommandLineLenses()),
    registerCommand(Command.copyText, (text: string) => copyText(text)),
    registerCommand(Command.runInNewNamespace, (target?: vscode.Uri) => runInNewNamespace(connection, starter, memory, target)),
    registerRowCommand(Command.runInSameNamespaces, (target: CommandTarget) =>
      runInNewNamespace(connection, starter, memory, target),
    ),
    registerRowCommand(Command.startSandbox, (target?: SandboxTarget | vscode.Uri) => startSandbox(starter, target)),
    registerRowCommand(Command.explainSandbox, (target?: SandboxTarget | vscode.Uri) => explainSandbox(target)),
    registerRowCommand(Command.openSandboxTerminal, (target?: SandboxTarget) =>
      openSandboxTerminal(sandboxes, starter, target),
    ),
    registerRowCommand(Command.stopSandbox, (target?: SandboxTarget) => stopSandbox(connection, sandboxes, starter, target)),
    registerRowCommand(Command.restartSandbox, (target?: SandboxTarget) => restartSandbox(sandboxes, starter, target)),
    registerRowCommand(Command.removeSandbox, (target?: SandboxTarget) =>
      removeSandbox(connection, sandboxes, starter, target),
    ),
    registerRowCommand(Command.duplicateSandbox, (target?: SandboxTarget) => duplicateSandbox(sandboxes, target)),
    registerRowCommand(Command.editSandbox, (target?: SandboxTarget) => editSandbox(sandboxes, target)),
    registerRowCommand(Command.editSandboxInForm, (target?: SandboxTarget | vscode.Uri) =>
      editSandboxInForm(sandboxes, panels, target),
    ),
    registerRowCommand(Command.revealInSandboxes, (target?: CommandTarget) =>
      revealInSandboxes(host, sandboxes, tree, filter, target),
    ),
    registerCommand(Command.newSandboxFile, () => newSandboxFile()),
    registerCommand(Command.newSandbox, () => panels.show()),
    panels,
    starter,
    sandboxes,
  );
}
