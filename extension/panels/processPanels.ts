/** The "Inspect Process" pages: one for each process. */
import * as vscode from 'vscode';
import { ProcessesInspect, type ProcessesInspectResult, type ProcessRef } from '../../helper/protocol.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { Disposable } from '../disposable.ts';
import type { Host } from '../host/host.ts';
import { Command, PageType } from '../ids.ts';
import { processName } from '../trees/words.ts';
import { PagePanel, type PageSubject } from './pagePanel.ts';
import { processPage } from './processPage.ts';
import { isProcessRef, restorePages } from './restore.ts';

export class ProcessPanels extends Disposable {
  private readonly connection: HelperConnection;
  private readonly host: Host;
  private readonly extensionUri: vscode.Uri;
  private readonly panels = new Map<string, PagePanel<ProcessesInspectResult>>();

  constructor(connection: HelperConnection, host: Host, extensionUri: vscode.Uri) {
    super();
    this.connection = connection;
    this.host = host;
    this.extensionUri = extensionUri;
    this.register(
      restorePages(PageType.process, (panel, { process }) => {
        if (!isProcessRef(process)) return false;
        this.open({ pid: process.pid, startTime: process.startTime }, panel);
        return true;
      }),
    );
  }

  /** Opens the page on a process, or brings it to the front. */
  show(process: ProcessRef): void {
    const open = this.panels.get(keyOf(process));
    if (open !== undefined) {
      open.bringToFront();
      return;
    }
    this.open(process);
  }

  private open(process: ProcessRef, restored?: vscode.WebviewPanel): void {
    const key = keyOf(process);
    const forget = () => void this.panels.delete(key);
    const panel = new PagePanel(this.host, this.extensionUri, this.subject(process), forget, restored);
    this.panels.set(key, this.register(panel));
  }

  private subject(process: ProcessRef): PageSubject<ProcessesInspectResult> {
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

function keyOf({ pid, startTime }: ProcessRef): string {
  return `${pid} ${startTime}`;
}
