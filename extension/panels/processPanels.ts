/** The "Inspect Process" pages: one for each process. */
import * as vscode from 'vscode';
import { ProcessesInspect, type ProcessesInspectResult, type ProcessRef } from '../../helper/protocol/processes.ts';
import { Command } from '../base/commandIds.ts';
import { PageType } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import type { Host } from '../model/liveHost.ts';
import { processName } from '../words/hostWords.ts';
import type { PageSubject } from './pagePanel.ts';
import { PagePanels } from './pagePanels.ts';
import { processPage } from './processPage.ts';
import { isProcessRef } from './restore.ts';

export class ProcessPanels extends PagePanels<ProcessRef, ProcessesInspectResult> {
  private readonly connection: HelperConnection;

  constructor(connection: HelperConnection, host: Host, extensionUri: vscode.Uri) {
    super(host, extensionUri, PageType.process);
    this.connection = connection;
  }

  protected override keyOf({ pid, startTime }: ProcessRef): string {
    return `${pid} ${startTime}`;
  }

  protected override stored({ process }: Record<string, unknown>): ProcessRef | undefined {
    return isProcessRef(process) ? { pid: process.pid, startTime: process.startTime } : undefined;
  }

  protected override subject(process: ProcessRef): PageSubject<ProcessesInspectResult> {
    const { connection, host } = this;
    const known = host.model.process(process);
    return {
      viewType: PageType.process,
      title: known === undefined ? vscode.l10n.t('Process {0}', process.pid) : processName(known),
      reading: vscode.l10n.t('Reading process {0}…', process.pid),
      ask: (token) => connection.request(ProcessesInspect, { process }, token),
      titleOf: processName,
      page: (answer) => processPage(host.model, answer, host.privileged),
      gone: vscode.l10n.t('This process has ended. This is what was last seen of it.'),
      goneTitle: vscode.l10n.t('Process {0} has ended', process.pid),
      failedTitle: vscode.l10n.t('Process {0} could not be read', process.pid),
      touchedBy: (delta) => delta.processes.has(process.pid),
      commands: {
        compareMounts: Command.compareMounts,
        compareWith: Command.compareWith,
        enterNamespaces: Command.enterNamespaces,
        revealInContainers: Command.revealInContainers,
        revealInNamespaces: Command.revealInNamespaces,
        revealInCgroups: Command.revealInCgroups,
      },
      state: { process },
      target: { process },
    };
  }
}
