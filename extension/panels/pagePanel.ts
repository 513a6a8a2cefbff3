/** A panel that shows one thing of the host as a page, kept current while it can be seen. */
import * as vscode from 'vscode';
import type { Action, Button, FromPage, Page, ToPage } from '../../webview/messages.ts';
import { Command, type CommandId } from '../base/commandIds.ts';
import { Disposable } from '../base/disposable.ts';
import type { PageTypeId } from '../base/ids.ts';
import { HelperError } from '../connection/helperError.ts';
import type { HostDelta } from '../model/clientModel.ts';
import type { CommandTarget } from '../model/commandTarget.ts';
import type { Host } from '../model/liveHost.ts';
import { createPanel, send, setPanelTitle } from '../plain/titled.ts';
import { webviewHtml, webviewRoot } from './webviewHtml.ts';

/** What the page gives back is no text that it shows. */
const KEPT = new Set(['state', 'link']);

/** What a panel is on. `R` is what the helper answers about it. */
export interface PageSubject<R> {
  /** VS Code's name for the kind of panel. */
  viewType: PageTypeId;
  /** Title until the first answer came. */
  title: string;
  /** "Reading process 12…" */
  reading: string;
  /** Rejects with a `HelperError`. */
  ask(token: vscode.CancellationToken): Promise<R>;
  titleOf(answer: R): string;
  page(answer: R): Page;
  /** Above the page as it was last seen. */
  gone: string;
  /** Instead of a page that was never seen. */
  goneTitle: string;
  failedTitle: string;
  /** Whether it may be another one after a change of the model. */
  touchedBy(delta: HostDelta): boolean;
  /** Asked again after this long, where no event tells of a change. */
  everyMillis?: number;
  /** Fires when the page is another one though nothing was asked anew. */
  onDidChange?: vscode.Event<void>;
  /** What the window remembers of it, and gives back after a reload. */
  state: Record<string, unknown>;
  /** Where a link of the page leads; undefined when it is none of its. */
  follow?(link: string): { command: CommandId; target?: object } | undefined;
  /** Nobody sees it any more; when somebody does again it is asked anew. */
  onHidden?(): void;
  dispose?(): void;
  /** What a button runs, and on what. */
  commands: Partial<Record<Action, CommandId>>;
  target: CommandTarget | undefined;
}

export class PagePanel<R> extends Disposable {
  private readonly host: Host;
  private readonly subject: PageSubject<R>;
  private readonly panel: vscode.WebviewPanel;
  /** The page's script has said that it listens; what is sent before is lost. */
  private ready = false;
  private latest: vscode.CancellationTokenSource | undefined;
  private watching: vscode.Disposable | undefined;
  private timer: NodeJS.Timeout | undefined;
  private shown: R | undefined;
  /** Why `shown` is of before: what comes in late must not hide that. */
  private problem: string | undefined;

  /** @param restored a panel that was open before a reload of the window; else one is opened */
  constructor(
    host: Host,
    extensionUri: vscode.Uri,
    subject: PageSubject<R>,
    onClosed: () => void,
    restored?: vscode.WebviewPanel,
  ) {
    super();
    this.host = host;
    this.subject = subject;
    this.panel = restored ?? createPanel(subject.viewType, subject.title, { enableFindWidget: true });
    this.panel.webview.options = { enableScripts: true, localResourceRoots: [webviewRoot(extensionUri)] };
    this.register(this.panel);
    this.register(this.panel.webview.onDidReceiveMessage((message: FromPage) => this.onMessage(message)));
    this.register(this.panel.onDidChangeViewState(() => this.onViewState()));
    this.register(host.onDidChange((delta) => subject.touchedBy(delta) && void this.load()));
    this.register(host.onDidChangeStatus(() => this.onStatus()));
    if (subject.onDidChange !== undefined) {
      this.register(subject.onDidChange(() => this.sendPage()));
    }
    this.register(new vscode.Disposable(() => this.stop()));
    this.register(new vscode.Disposable(() => subject.dispose?.()));
    this.panel.onDidDispose(() => {
      this.dispose();
      onClosed();
    });
    this.panel.webview.html = webviewHtml(this.panel.webview, extensionUri, 'page');
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
      this.subject.onHidden?.();
    }
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.latest?.cancel();
    this.latest = undefined;
    this.watching?.dispose();
    this.watching = undefined;
  }

  private onMessage(message: FromPage): void {
    if (message.type === 'ready') {
      this.ready = true;
      if (this.shown === undefined) this.send({ type: 'loading', text: this.subject.reading });
      else this.sendPage();
      void this.load();
      return;
    }
    if (message.type === 'follow') void this.follow(message.link);
    else void this.act(message.action);
  }

  private async follow(link: string): Promise<void> {
    const leads = this.subject.follow?.(String(link));
    if (leads === undefined) return;
    await vscode.commands.executeCommand(leads.command, ...(leads.target === undefined ? [] : [leads.target]));
  }

  private async act(action: Action): Promise<void> {
    const everywhere: Partial<Record<Action, CommandId>> = {
      restart: Command.restartHelper,
      restartAsRoot: Command.restartHelperAsRoot,
    };
    const command = this.subject.commands[action] ?? everywhere[action];
    const { target } = this.subject;
    if (command !== undefined) await vscode.commands.executeCommand(command, ...(target === undefined ? [] : [target]));
    // What was done shows.
    await this.load();
  }

  private onStatus(): void {
    if (this.host.state.kind === 'ready') void this.load();
    else this.sendPage();
  }

  /** Asks anew and shows the answer. The latest question wins. */
  private async load(): Promise<void> {
    if (!this.ready || this.disposed) return;
    clearTimeout(this.timer);
    this.latest?.cancel();
    const mine = new vscode.CancellationTokenSource();
    this.latest = mine;
    try {
      const answer = await this.subject.ask(mine.token);
      if (this.latest !== mine) return;
      this.shown = answer;
      this.problem = undefined;
      setPanelTitle(this.panel, this.subject.titleOf(answer));
      this.sendPage();
      this.schedule();
    } catch (error) {
      if (this.latest !== mine) return;
      this.sendFailure(error);
      // What failed once may answer the next time.
      if (!isGone(error)) this.schedule();
    } finally {
      mine.dispose();
    }
  }

  private schedule(): void {
    const { everyMillis } = this.subject;
    if (everyMillis === undefined || !this.ready || this.disposed) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.load(), everyMillis);
  }

  /** The page as it was last seen, with why it is of before, where it is. */
  private sendPage(): void {
    const { shown, problem } = this;
    if (shown === undefined) return;
    const page = this.subject.page(shown);
    const { state } = this.host;
    const text = problem ?? (state.kind === 'failed' ? vscode.l10n.t('The helper stopped. This is from before.') : undefined);
    const restart: Button[] = state.kind === 'failed' ? [{ action: 'restart', label: vscode.l10n.t('Restart helper') }] : [];
    this.send({ type: 'page', page, ...(text === undefined ? {} : { notice: { text, buttons: restart } }) });
  }

  private sendFailure(error: unknown): void {
    const reason = error instanceof HelperError ? error.reason : 'kernel';
    if (reason === 'cancelled') return;
    const gone = isGone(error);
    if (this.shown !== undefined) {
      const message = error instanceof Error ? error.message : String(error);
      this.problem = gone ? this.subject.gone : message;
      this.sendPage();
      return;
    }
    this.send({
      type: 'failed',
      title: gone ? this.subject.goneTitle : this.subject.failedTitle,
      text: error instanceof HelperError ? [error.message, error.hint].filter(Boolean).join(' ') : String(error),
      buttons: failureButtons(reason, gone),
    });
  }

  private send(message: ToPage): void {
    if (this.ready) send(this.panel, { ...message, state: this.subject.state }, KEPT);
  }
}

function isGone(error: unknown): boolean {
  return error instanceof HelperError && (error.reason === 'gone' || error.reason === 'notFound');
}

function failureButtons(reason: string, gone: boolean): Button[] {
  if (gone) return [];
  if (reason === 'permission') return [{ action: 'restartAsRoot', label: vscode.l10n.t('Become root…') }];
  if (reason === 'disconnected') return [{ action: 'restart', label: vscode.l10n.t('Restart helper') }];
  return [{ action: 'refresh', label: vscode.l10n.t('Try again') }];
}
