/**
 * The "Monitor" panels: figures of cgroups as lines over time, sampled by the helper while the panel is open. Whoever turns to a terminal to provoke
 * trouble hides the panel with it, and is to find afterwards what happened meanwhile.
 */
import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import {
  type CgroupRef,
  type CgroupSample,
  CgroupsInspect,
  type CgroupsInspectResult,
  CgroupsList,
  type CgroupsListResult,
  CgroupsSampled,
  type CgroupsSampledParams,
  CgroupsSubscribe,
} from '../../helper/protocol/cgroups.ts';
import type { Button } from '../../webview/messages.ts';
import type { FromMonitor, MonitorFigure, MonitorPoint, ToMonitor } from '../../webview/monitorMessages.ts';
import { Command } from '../base/commandIds.ts';
import { Disposable } from '../base/disposable.ts';
import { PageType } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import { complain, say } from '../plain/notify.ts';
import { pickSeveral } from '../plain/pick.ts';
import { createPanel, send, setPanelTitle } from '../plain/titled.ts';
import { showFailure } from '../words/failureMessage.ts';
import { type ExportFormat, exportText } from './monitorExport.ts';
import { KEPT_MILLIS, MonitorHistory, merged, SAMPLE_MILLIS } from './monitorHistory.ts';
import { lackingFigures, monitorCharts, monitorWords } from './monitorPage.ts';
import { type MonitorSubject, refKey, subjectsOf } from './monitorSubjects.ts';
import { cgroupRefs, restorePages } from './restore.ts';
import { webviewHtml, webviewRoot } from './webviewHtml.ts';

/** What the page gives back or draws as lines: keys are identities, points are numbers. */
const KEPT = new Set(['key', 'cgroups', 'points']);
/** As many as a subscription may have; and as many as all panels together go on with that cannot be seen. */
const MOST_CGROUPS = 64;

export class MonitorPanels extends Disposable {
  private readonly connection: HelperConnection;
  private readonly extensionUri: vscode.Uri;
  private readonly panels = new Set<MonitorPanel>();

  constructor(connection: HelperConnection, extensionUri: vscode.Uri) {
    super();
    this.connection = connection;
    this.extensionUri = extensionUri;
    this.register(
      restorePages(PageType.monitor, (panel, state) => {
        const cgroups = cgroupRefs(state.cgroups);
        if (cgroups.length > 0) this.adopt(panel, cgroups);
        return cgroups.length > 0;
      }),
    );
  }

  /** Opens a panel on these cgroups, or brings the one to the front that shows just them. */
  show(cgroups: readonly CgroupRef[]): void {
    if (cgroups.length === 0) return;
    for (const panel of this.panels) {
      if (!panel.wasOpenedFor(cgroups)) continue;
      panel.bringToFront();
      return;
    }
    const title = vscode.l10n.t('Monitor');
    this.adopt(createPanel(PageType.monitor, title), cgroups);
  }

  private adopt(webviewPanel: vscode.WebviewPanel, cgroups: readonly CgroupRef[]): void {
    const panel: MonitorPanel = this.register(
      new MonitorPanel(this.connection, this.extensionUri, webviewPanel, cgroups, {
        onClosed: () => {
          this.panels.delete(panel);
          this.shareRoom();
        },
        onVisibility: () => {
          // Of the hidden ones in the set the last is the one that was hidden last.
          this.panels.delete(panel);
          this.panels.add(panel);
          this.shareRoom();
        },
      }),
    );
    this.panels.add(panel);
  }

  /** What can be seen is sampled; of what cannot, that which was seen last, as far as there is room. */
  private shareRoom(): void {
    let room = MOST_CGROUPS;
    for (const panel of [...this.panels].reverse()) {
      if (panel.visible) continue;
      room -= panel.cgroupCount;
      panel.setRoom(room >= 0);
    }
  }
}

interface Events {
  onClosed(): void;
  /** It was hidden, or is seen again. */
  onVisibility(): void;
}

class MonitorPanel extends Disposable {
  private readonly connection: HelperConnection;
  private readonly panel: vscode.WebviewPanel;
  private readonly history = new MonitorHistory();
  private readonly gone = new Set<string>();
  /** Files that the kernel does not give at present, by subject. */
  private heldBack: ReadonlyMap<string, string> = new Map();
  private readonly lacking = new Map<string, Partial<Record<MonitorFigure, string>>>();
  /** What it was opened for, until a person changes what it shows. */
  private opened: readonly CgroupRef[];
  /** One cgroup of each subject. */
  private asked: readonly CgroupRef[];
  private subjects: MonitorSubject[] = [];
  /** The page's script has said that it listens; what is sent before is lost. */
  private ready = false;
  /** The latest wish to sample; what an earlier one still brings is of no interest. */
  private subscription: { name: string; cgroups: CgroupRef[] } | undefined;
  private problem: HelperError | undefined;
  /** Of a person who stopped the picture: the time that it ends at. */
  private pausedAt: number | undefined;
  /** Whether it may go on while it is hidden. */
  private hasRoom = true;

  constructor(
    connection: HelperConnection,
    extensionUri: vscode.Uri,
    panel: vscode.WebviewPanel,
    asked: readonly CgroupRef[],
    events: Events,
  ) {
    super();
    this.connection = connection;
    this.panel = panel;
    this.opened = asked;
    this.asked = asked;
    this.register(panel);
    this.register(panel.webview.onDidReceiveMessage((message: FromMonitor) => this.onMessage(message)));
    this.register(panel.onDidChangeViewState(() => this.onViewState(events)));
    this.register(connection.onNotification(CgroupsSampled, (sampled) => this.onSampled(sampled)));
    this.register(connection.onDidChangeState(() => this.onHelper()));
    panel.onDidDispose(() => {
      this.stop();
      this.dispose();
      events.onClosed();
    });
    panel.webview.options = { enableScripts: true, localResourceRoots: [webviewRoot(extensionUri)] };
    panel.webview.html = webviewHtml(panel.webview, extensionUri, 'monitor');
    void this.sample();
  }

  get visible(): boolean {
    return this.panel.visible;
  }

  /** Of those that it samples, or would; as many as can be until they are known. */
  get cgroupCount(): number {
    return this.subjects.length === 0 ? MOST_CGROUPS : this.sampled().length;
  }

  wasOpenedFor(cgroups: readonly CgroupRef[]): boolean {
    const keys = new Set(cgroups.map(refKey));
    return this.opened.length === keys.size && this.opened.every((ref) => keys.has(refKey(ref)));
  }

  bringToFront(): void {
    this.panel.reveal();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Sampling

  private onViewState({ onVisibility }: Events): void {
    if (!this.visible) {
      // The page is gone while it is hidden, and says "ready" when it is loaded anew.
      this.ready = false;
    } else if (this.subscription === undefined) void this.sample();
    onVisibility();
  }

  /** While it is hidden only: whether there is room for it to go on. */
  setRoom(hasRoom: boolean): void {
    this.hasRoom = hasRoom;
    if (!this.goesOn) {
      if (this.subscription !== undefined) this.history.interrupt();
      this.stop();
    } else if (this.subscription === undefined && this.problem === undefined) void this.sample();
  }

  /** Whether it is to be sampled. What nobody sees is not when the person who hid it had paused it. */
  private get goesOn(): boolean {
    return this.visible || (this.hasRoom && this.pausedAt === undefined);
  }

  private onHelper(): void {
    const { kind } = this.connection.state;
    if (kind === 'ready') {
      // The subscription went with the helper that it was made at.
      if (this.goesOn && this.problem !== undefined) void this.sample();
      return;
    }
    // It may be this panel's own wish that starts it.
    if (kind === 'starting') return;
    this.subscription = undefined;
    this.history.interrupt();
    this.problem = new HelperError('disconnected', vscode.l10n.t('The helper stopped. The lines are from before.'));
    this.sendAll();
  }

  /** Begins to sample what is asked for, instead of what was sampled so far. Lines of what was sampled before go on. */
  private async sample(): Promise<void> {
    this.stop();
    const mine = { name: randomUUID(), cgroups: [] as CgroupRef[] };
    this.subscription = mine;
    try {
      const list = await this.connection.request(CgroupsList, { figures: false });
      if (this.subscription !== mine) return;
      this.name(list);
      mine.cgroups = this.sampled();
      const { name: subscription, cgroups } = mine;
      await this.connection.request(CgroupsSubscribe, { subscription, cgroups, intervalMillis: SAMPLE_MILLIS });
      // It was no longer wanted while it was being made.
      if (this.subscription !== mine) return void this.end(subscription);
      this.problem = undefined;
      this.sendAll();
      await this.explain(mine.cgroups);
      if (this.subscription === mine) this.sendAll();
    } catch (error) {
      if (this.subscription !== mine) return;
      this.subscription = undefined;
      this.problem = error instanceof HelperError ? error : new HelperError('kernel', String(error));
      this.sendAll();
    }
  }

  private stop(): void {
    const { subscription } = this;
    this.subscription = undefined;
    if (subscription !== undefined && subscription.cgroups.length > 0) this.end(subscription.name);
  }

  private end(subscription: string): void {
    if (this.connection.state.kind !== 'ready') return;
    // A helper that is gone samples nothing.
    this.connection.request(CgroupsSubscribe, { subscription, cgroups: [] }).catch(() => undefined);
  }

  /** Subjects keep what they were found as when their cgroups are gone from the list. */
  private name(list: CgroupsListResult): void {
    const earlier = new Map(this.subjects.map((subject) => [subject.key, subject]));
    const listed = new Set(list.cgroups.map(refKey));
    this.subjects = subjectsOf(this.asked, list).map((subject) => {
      const known = earlier.get(subject.key);
      return known !== undefined && !listed.has(subject.key) ? known : subject;
    });
    this.asked = this.subjects.flatMap(({ cgroups }) => cgroups.slice(0, 1));
    for (const { key } of this.subjects) if (listed.has(key)) this.gone.delete(key);
    const titles = this.subjects.map(({ title }) => title);
    const names = titles.slice(0, 3).join(', ') + (titles.length > 3 ? ', …' : '');
    setPanelTitle(this.panel, vscode.l10n.t('Monitor: {0}', names));
  }

  private sampled(): CgroupRef[] {
    return this.subjects.flatMap(({ cgroups }) => cgroups).slice(0, MOST_CGROUPS);
  }

  /** Finds out why figures are not there. It is no matter when that fails: then there is just no reason to show. */
  private async explain(cgroups: readonly CgroupRef[]): Promise<void> {
    const inspected = new Map<string, CgroupsInspectResult>();
    for (const cgroup of cgroups) {
      const answer = await this.connection.request(CgroupsInspect, { cgroup }).catch(() => undefined);
      if (answer !== undefined) inspected.set(refKey(cgroup), answer);
    }
    for (const { key, cgroups } of this.subjects) {
      const parts = cgroups.map((ref) => inspected.get(refKey(ref))).filter((part) => part !== undefined);
      if (parts.length === cgroups.length) this.lacking.set(key, lackingFigures(parts));
    }
  }

  private onSampled({ subscription, monotonicMillis, timeMillis, samples }: CgroupsSampledParams): void {
    if (this.subscription?.name !== subscription) return;
    const byRef = new Map(this.subscription.cgroups.map((ref, position) => [refKey(ref), samples[position]]));
    const bySubject = new Map<string, CgroupSample>();
    const vanished: string[] = [];
    const heldBack = new Map<string, string>();
    for (const { key, cgroups } of this.subjects) {
      const parts = cgroups.map((ref) => byRef.get(refKey(ref)));
      const sample = merged(parts);
      if (sample?.heldBack !== undefined) heldBack.set(key, sample.heldBack);
      if (sample !== undefined) bySubject.set(key, sample);
      else if (parts.some((part) => part === null) && !this.gone.has(key)) vanished.push(key);
    }
    const made = this.history.add(monotonicMillis, timeMillis, bySubject);
    for (const key of vanished) this.gone.add(key);
    const isOtherwise = JSON.stringify([...heldBack]) !== JSON.stringify([...this.heldBack]);
    this.heldBack = heldBack;
    if (vanished.length > 0 || isOtherwise) this.sendAll();
    else this.sendPoints(made);
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The page

  private onMessage(message: FromMonitor): void {
    switch (message.type) {
      case 'ready':
        this.ready = true;
        this.sendAll();
        return;
      case 'paused':
        this.pausedAt = typeof message.at === 'number' ? message.at : undefined;
        return;
      case 'add':
        return void this.add();
      case 'remove':
        return void this.remove(message.key);
      case 'export':
        return void this.export(message.format);
      case 'action':
        return void this.act(message.action);
    }
  }

  private async act(action: string): Promise<void> {
    if (action === 'restart') await vscode.commands.executeCommand(Command.restartHelper);
    else if (action === 'restartAsRoot') await vscode.commands.executeCommand(Command.restartHelperAsRoot);
    else await this.sample();
  }

  private async add(): Promise<void> {
    const list = this.connection.request(CgroupsList, { figures: false });
    const shown = new Set(this.subjects.flatMap(({ cgroups }) => cgroups.map(refKey)));
    const items = list.then((answer) =>
      subjectsOf(answer.cgroups, answer)
        .filter(({ cgroups }) => cgroups.every((ref) => !shown.has(refKey(ref))))
        .map((subject) => ({ label: subject.title, description: subject.place, subject })),
    );
    try {
      const chosen = await pickSeveral(items, {
        otherwise: vscode.l10n.t('Cgroups to add to the monitor'),
        matchOnDescription: true,
      });
      const added = chosen?.map(({ subject }) => subject.cgroups[0]).filter((ref) => ref !== undefined) ?? [];
      if (added.length === 0 || this.disposed) return;
      this.opened = [];
      this.asked = [...this.asked, ...added];
      await this.sample();
    } catch (error) {
      void showFailure(error);
    }
  }

  private remove(key: string): void {
    const subject = this.subjects.find((one) => one.key === key);
    if (subject === undefined) return;
    this.opened = [];
    this.asked = this.asked.filter((ref) => refKey(ref) !== key);
    this.subjects = this.subjects.filter((one) => one !== subject);
    if (this.asked.length === 0) this.panel.dispose();
    else void this.sample();
  }

  private async export(format: ExportFormat): Promise<void> {
    // What is there now, not what comes in while the person chooses a place.
    const text = exportText(format, this.subjects, this.history.points);
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(process.env.HOME ?? '/');
    const uri = await vscode.window.showSaveDialog({
      title: vscode.l10n.t('Export the samples'),
      defaultUri: vscode.Uri.joinPath(folder, `cgroups.${format}`),
      filters: format === 'csv' ? { CSV: ['csv'] } : { JSON: ['json'] },
    });
    if (uri === undefined) return;
    try {
      await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(text));
    } catch (error) {
      void complain(vscode.l10n.t('The samples could not be saved. {0}', String(error)));
      return;
    }
    const open = vscode.l10n.t('Open');
    const choice = await say(vscode.l10n.t('The samples are in {0}.', uri.fsPath), open);
    if (choice === open) await vscode.window.showTextDocument(uri);
  }

  private sendAll(): void {
    if (!this.ready) return;
    const { points } = this.history;
    const buttons = this.problem === undefined ? [] : problemButtons(this.problem);
    const text = [this.problem?.message, this.problem?.hint].filter(Boolean).join(' ');
    if (this.problem !== undefined && points.length === 0) {
      this.send({ type: 'failed', title: vscode.l10n.t('The cgroups could not be sampled'), text, buttons });
    } else if (points.length === 0 && this.gone.size === 0) {
      this.send({ type: 'loading', text: vscode.l10n.t('Taking the first sample…') });
    } else {
      const left = this.subjects.flatMap(({ cgroups }) => cgroups).length > MOST_CGROUPS;
      const excess = vscode.l10n.t('At most {0} cgroups are sampled. The last ones are left out.', MOST_CGROUPS);
      const notice = this.problem !== undefined ? { text, buttons } : left ? { text: excess, buttons: [] } : undefined;
      this.send({
        type: 'monitor',
        words: monitorWords(),
        charts: monitorCharts(),
        series: this.subjects.map(({ key, title, place }) => ({
          key,
          title,
          place,
          gone: this.gone.has(key),
          lacking: this.lacking.get(key) ?? {},
          ...this.heldBackOf(key),
        })),
        cgroups: [...this.asked],
        points: [...points],
        keptMillis: KEPT_MILLIS,
        live: this.problem === undefined,
        ...(this.pausedAt === undefined ? {} : { pausedAt: this.pausedAt }),
        ...(notice === undefined ? {} : { notice }),
      });
    }
  }

  private heldBackOf(key: string): { heldBack?: string } {
    const file = this.heldBack.get(key);
    return file === undefined ? {} : { heldBack: vscode.l10n.t('unknown: the kernel holds back {0}', file) };
  }

  /** The first points come with everything that is to be known of them. */
  private sendPoints(made: readonly MonitorPoint[]): void {
    if (made.length === this.history.points.length) this.sendAll();
    else if (made.length > 0) this.send({ type: 'points', points: [...made] });
  }

  private send(message: ToMonitor): void {
    if (this.ready) send(this.panel, message, KEPT);
  }
}

function problemButtons({ reason }: HelperError): Button[] {
  if (reason === 'permission') return [{ action: 'restartAsRoot', label: vscode.l10n.t('Become root…') }];
  if (reason === 'disconnected') return [{ action: 'restart', label: vscode.l10n.t('Restart helper') }];
  return [{ action: 'refresh', label: vscode.l10n.t('Try again') }];
}
