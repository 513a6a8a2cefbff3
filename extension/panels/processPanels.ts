/** The "Inspect Process" pages: one for each process, kept current while it can be seen. */
import * as vscode from 'vscode';
import { ProcessesInspect, type ProcessesInspectResult, type ProcessRef } from '../../helper/protocol.ts';
import type { Action, Button, FromPage, ToPage } from '../../webview/messages.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import { Disposable } from '../disposable.ts';
import type { Host } from '../host/host.ts';
import { Command, type CommandId } from '../ids.ts';
import { processName } from '../trees/words.ts';
import { processPage } from './processPage.ts';
import { webviewHtml, webviewRoot } from './webviewHtml.ts';

export class ProcessPanels extends Disposable {
  private readonly connection: HelperConnection;
  private readonly host: Host;
  private readonly extensionUri: vscode.Uri;
  private readonly panels = new Map<string, ProcessPanel>();

  constructor(connection: HelperConnection, host: Host, extensionUri: vscode.Uri) {
    super();
    this.connection = connection;
    this.host = host;
    this.extensionUri = extensionUri;
  }

  /** Opens the page on a process, or brings it to the front. */
  show(process: ProcessRef): void {
    const key = `${process.pid} ${process.startTime}`;
    const open = this.panels.get(key);
    if (open !== undefined) {
      open.bringToFront();
      return;
    }
    const forget = () => void this.panels.delete(key);
    this.panels.set(key, this.register(new ProcessPanel(this.connection, this.host, this.extensionUri, process, forget)));
  }
}

class ProcessPanel extends Disposable {
  private readonly connection: HelperConnection;
  private readonly host: Host;
  private readonly process: ProcessRef;
  private readonly panel: vscode.WebviewPanel;
  /** The page's script has said that it listens; what is sent before is lost. */
  private ready = false;
  private latest: vscode.CancellationTokenSource | undefined;
  private watching: vscode.Disposable | undefined;
  private shown: ProcessesInspectResult | undefined;

  constructor(connection: HelperConnection, host: Host, extensionUri: vscode.Uri, process: ProcessRef, onClosed: () => void) {
    super();
    this.connection = connection;
    this.host = host;
    this.process = process;
    const known = host.model.process(process);
    const title = known === undefined ? vscode.l10n.t('Process {0}', process.pid) : processName(known);
    this.panel = vscode.window.createWebviewPanel('isoscope.process', title, vscode.ViewColumn.Active, {
      enableScripts: true,
      enableFindWidget: true,
      localResourceRoots: [webviewRoot(extensionUri)],
    });
    this.register(this.panel);
    this.register(this.panel.webview.onDidReceiveMessage((message: FromPage) => this.onMessage(message)));
    this.register(this.panel.onDidChangeViewState(() => this.onViewState()));
    this.register(host.onDidChange((delta) => delta.processes.has(process.pid) && void this.load()));
    this.register(host.onDidChangeStatus(() => this.onStatus()));
    this.register(new vscode.Disposable(() => this.stop()));
    this.panel.onDidDispose(() => {
      this.dispose();
      onClosed();
    });
    this.panel.webview.html = webviewHtml(this.panel.webview, extensionUri, 'process');
    this.onViewState();
  }

  bringToFront(): void {
    this.panel.reveal();
  }

  private onViewState(): void {
    if (this.panel.visible) {
      this.watching ??= this.host.watch();
    } else {
      // The page is gone while it is hidden, and says "ready" when it is loaded anew.
      this.ready = false;
      this.stop();
    }
  }

  private stop(): void {
    this.latest?.cancel();
    this.latest = undefined;
    this.watching?.dispose();
    this.watching = undefined;
  }

  private onMessage(message: FromPage): void {
    if (message.type === 'ready') {
      this.ready = true;
      if (this.shown === undefined)
        this.send({ type: 'loading', text: vscode.l10n.t('Reading process {0}…', this.process.pid) });
      else this.sendPage(this.shown);
      void this.load();
      return;
    }
    void this.act(message.action);
  }

  private async act(action: Action): Promise<void> {
    const commands: Partial<Record<Action, CommandId>> = {
      enterNamespaces: Command.enterNamespaces,
      revealInContainers: Command.revealInContainers,
      revealInNamespaces: Command.revealInNamespaces,
      restart: Command.restartHelper,
      restartAsRoot: Command.restartHelperAsRoot,
    };
    const command = commands[action];
    if (command === undefined) await this.load();
    else await vscode.commands.executeCommand(command, { process: this.process });
  }

  private onStatus(): void {
    if (this.host.state.kind === 'ready') void this.load();
    else if (this.shown !== undefined) this.sendPage(this.shown);
  }

  /** Asks anew and shows the answer. The latest question wins. */
  private async load(): Promise<void> {
    if (!this.ready || this.disposed) return;
    this.latest?.cancel();
    const mine = new vscode.CancellationTokenSource();
    this.latest = mine;
    try {
      const answer = await this.connection.request(ProcessesInspect, { process: this.process }, mine.token);
      if (this.latest !== mine) return;
      this.shown = answer;
      this.panel.title = processName(answer);
      this.sendPage(answer);
    } catch (error) {
      if (this.latest === mine) this.sendFailure(error);
    } finally {
      mine.dispose();
    }
  }

  private sendPage(process: ProcessesInspectResult, problem?: string): void {
    const page = processPage(this.host.model, process, this.host.privileged);
    const { state } = this.host;
    const text = problem ?? (state.kind === 'failed' ? vscode.l10n.t('The helper stopped. This is from before.') : undefined);
    const restart: Button[] = state.kind === 'failed' ? [{ action: 'restart', label: vscode.l10n.t('Restart helper') }] : [];
    this.send({ type: 'page', page, ...(text === undefined ? {} : { notice: { text, buttons: restart } }) });
  }

  private sendFailure(error: unknown): void {
    const reason = error instanceof HelperError ? error.reason : 'kernel';
    if (reason === 'cancelled') return;
    const ended = reason === 'gone' || reason === 'notFound';
    if (this.shown !== undefined) {
      const message = error instanceof Error ? error.message : String(error);
      this.sendPage(this.shown, ended ? vscode.l10n.t('This process has ended. This is what was last seen of it.') : message);
      return;
    }
    this.send({
      type: 'failed',
      title: ended
        ? vscode.l10n.t('Process {0} has ended', this.process.pid)
        : vscode.l10n.t('Process {0} could not be read', this.process.pid),
      text: error instanceof HelperError ? [error.message, error.hint].filter(Boolean).join(' ') : String(error),
      buttons: failureButtons(reason, ended),
    });
  }

  private send(message: ToPage): void {
    if (this.ready) void this.panel.webview.postMessage(message);
  }
}

function failureButtons(reason: string, ended: boolean): Button[] {
  if (ended) return [];
  if (reason === 'permission') return [{ action: 'restartAsRoot', label: vscode.l10n.t('Restart as root') }];
  if (reason === 'disconnected') return [{ action: 'restart', label: vscode.l10n.t('Restart helper') }];
  return [{ action: 'refresh', label: vscode.l10n.t('Try again') }];
}
