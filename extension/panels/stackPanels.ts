/** The pages on stacks of layers: one for each overlay, kept current while it can be seen. */
import * as vscode from 'vscode';
import { type LayerPath, LayersProvenance, type LayersProvenanceResult, type Overlay } from '../../helper/protocol/layers.ts';
import type { FromStack, StackAction, StackButton, ToStack } from '../../webview/stackMessages.ts';
import { Command } from '../base/commandIds.ts';
import { Disposable } from '../base/disposable.ts';
import { PageType } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import type { LayerSizes } from '../model/layerSizes.ts';
import type { LayerWatch } from '../model/layerWatch.ts';
import type { Host } from '../model/liveHost.ts';
import type { Layers } from '../model/liveLayers.ts';
import { entryOf, overlayRef, parentPath, pathIn, placeKey } from '../model/overlayStack.ts';
import { createPanel, send, setPanelTitle } from '../plain/titled.ts';
import { failureText } from '../words/failureMessage.ts';
import { overlayName } from '../words/layerWords.ts';
import { isOverlay, restorePages } from './restore.ts';
import { stackPage } from './stackPage.ts';
import { webviewHtml, webviewRoot } from './webviewHtml.ts';

/** The path in the field is the person's, to be edited and given back. */
const KEPT = new Set(['path', 'state']);

export interface StackParts {
  connection: HelperConnection;
  host: Host;
  layers: Layers;
  sizes: LayerSizes;
  watch: LayerWatch;
  extensionUri: vscode.Uri;
}

export class StackPanels extends Disposable {
  private readonly all: StackParts;
  private readonly panels = new Map<string, StackPanel>();

  constructor(all: StackParts) {
    super();
    this.all = all;
    this.register(
      restorePages(PageType.stack, (panel, { overlay, path }) => {
        if (!isOverlay(overlay)) return false;
        this.open(overlay, panel);
        if (typeof path === 'string' && path !== '') this.panels.get(overlay.key)?.light(path);
        return true;
      }),
    );
  }

  /** Opens the stack of an overlay, or brings it to the front; with a path, lights that up. */
  show(overlay: Overlay, path?: string): void {
    const known = this.panels.get(overlay.key);
    known?.bringToFront();
    const panel = known ?? this.open(overlay);
    if (path !== undefined) panel.light(path);
  }

  private open(overlay: Overlay, restored?: vscode.WebviewPanel): StackPanel {
    const forget = () => void this.panels.delete(overlay.key);
    const panel = this.register(new StackPanel(this.all, overlay, forget, restored));
    this.panels.set(overlay.key, panel);
    return panel;
  }
}

class StackPanel extends Disposable {
  private readonly all: StackParts;
  private readonly panel: vscode.WebviewPanel;
  private overlay: Overlay;
  /** The page's script has said that it listens; what is sent before is lost. */
  private ready = false;
  private path = { text: '', serial: 0 };
  private answer: LayersProvenanceResult | { failure: string } | undefined;
  private asking: vscode.CancellationTokenSource | undefined;
  private measuring: vscode.CancellationTokenSource | undefined;
  private viewing: vscode.Disposable[] = [];
  private watching: vscode.Disposable | undefined;

  constructor(all: StackParts, overlay: Overlay, onClosed: () => void, restored?: vscode.WebviewPanel) {
    super();
    this.all = all;
    this.overlay = overlay;
    this.panel = restored ?? createPanel(PageType.stack, this.title(), { enableFindWidget: true });
    this.panel.webview.options = { enableScripts: true, localResourceRoots: [webviewRoot(all.extensionUri)] };
    this.register(this.panel);
    this.register(this.panel.webview.onDidReceiveMessage((message: FromStack) => this.onMessage(message)));
    this.register(this.panel.onDidChangeViewState(() => this.onViewState()));
    this.register(all.layers.onDidChange(() => this.onList()));
    this.register(all.host.onDidChangeStatus(() => this.draw()));
    this.register(all.sizes.onDidChange((place) => this.onSize(place)));
    this.register(new vscode.Disposable(() => this.stop()));
    this.panel.onDidDispose(() => {
      this.dispose();
      onClosed();
    });
    this.panel.webview.html = webviewHtml(this.panel.webview, all.extensionUri, 'stack');
    this.onViewState();
    void this.measure(false);
  }

  private title(): string {
    return vscode.l10n.t('{0}: layers', overlayName(this.all.host.model, this.overlay));
  }

  bringToFront(): void {
    this.panel.reveal();
  }

  /** Looks up a path, as if it had been typed. */
  light(path: string): void {
    this.path = { text: path, serial: this.path.serial + 1 };
    void this.ask();
  }

  private onViewState(): void {
    if (this.panel.visible) {
      if (this.viewing.length === 0) this.viewing = [this.all.layers.hold(), this.all.host.watch()];
      return;
    }
    // The page is gone while it is hidden, and says "ready" when it is loaded anew.
    this.ready = false;
    this.stop();
  }

  private stop(): void {
    for (const one of [...this.viewing, this.watching]) one?.dispose();
    this.viewing = [];
    this.watching = undefined;
    this.asking?.cancel();
    if (this.disposed) this.measuring?.cancel();
  }

  private onList(): void {
    this.overlay = this.all.layers.overlay(this.overlay.key) ?? this.overlay;
    setPanelTitle(this.panel, this.title());
    this.draw();
    void this.ask();
  }

  private onSize(place: LayerPath): void {
    if (placeKey({ ...place, layer: 0 }) === placeKey(this.place(0))) this.draw();
  }

  private place(layer: LayerPath['layer'], path = '/'): LayerPath {
    return { overlay: overlayRef(this.overlay), layer, path };
  }

  private onMessage(message: FromStack): void {
    switch (message.type) {
      case 'ready':
        this.ready = true;
        this.draw();
        void this.ask();
        return;
      case 'path':
        // The page has it already: the serial stays.
        this.path = { ...this.path, text: message.path };
        void this.ask();
        return;
      case 'layer':
        void vscode.commands.executeCommand(Command.revealInLayers, {
          overlay: this.overlay,
          place: this.place(message.layer, this.pathIn(message.layer)),
        });
        return;
      case 'action':
        void this.act(message.action);
    }
  }

  /** The path that is looked up where a layer has it, so that the tree shows it there; else the layer itself. */
  private pathIn(layer: number): string {
    if (this.answer === undefined || 'failure' in this.answer) return '/';
    const deletes = this.answer.layers.some(
      (one) => one.layer === layer && one.has === 'whiteout' && one.because === undefined,
    );
    return deletes || entryOf(this.answer, layer) !== undefined ? pathIn(this.answer, layer) : '/';
  }

  private async act(action: StackAction): Promise<void> {
    switch (action) {
      case 'measure':
        return this.measure(true);
      case 'cancel':
        this.measuring?.cancel();
        return;
      case 'reveal':
        await vscode.commands.executeCommand(Command.revealInLayers, { overlay: this.overlay });
        return;
      case 'restart':
        await vscode.commands.executeCommand(Command.restartHelper);
        return;
      case 'restartAsRoot':
        await vscode.commands.executeCommand(Command.restartHelperAsRoot);
        return;
      case 'refresh':
        await this.all.layers.reload();
        return this.ask();
    }
  }

  /** Measures one layer after the other; those that are known only when asked to. */
  private async measure(again: boolean): Promise<void> {
    this.measuring?.cancel();
    const mine = new vscode.CancellationTokenSource();
    this.measuring = mine;
    const { sizes } = this.all;
    const readable = this.overlay.layers.filter(({ unreadable }) => unreadable === undefined);
    const places = readable.map(({ index }) => this.place(index));
    await Promise.all(places.map((place) => (again ? sizes.remeasure(place, mine.token) : sizes.measure(place, mine.token))));
    mine.dispose();
  }

  /** Looks the path up; the latest question wins. */
  private async ask(): Promise<void> {
    this.asking?.cancel();
    if (!this.path.text.startsWith('/')) {
      this.setAnswer(undefined);
      return;
    }
    const mine = new vscode.CancellationTokenSource();
    this.asking = mine;
    try {
      const params = { overlay: overlayRef(this.overlay), path: this.path.text };
      const answer = await this.all.connection.request(LayersProvenance, params, mine.token);
      if (this.asking === mine) this.setAnswer(answer);
    } catch (error) {
      const cancelled = error instanceof HelperError && error.reason === 'cancelled';
      if (this.asking === mine && !cancelled) this.setAnswer({ failure: failureText(error) });
    } finally {
      mine.dispose();
    }
  }

  private setAnswer(answer: typeof this.answer): void {
    this.answer = answer;
    this.watching?.dispose();
    this.watching = undefined;
    if (answer !== undefined && !('failure' in answer) && this.panel.visible) {
      // What is typed next, or deleted in the container, changes what the stack shows.
      this.watching = this.all.watch.watch(this.place('merged', parentPath(answer.resolved)), () => void this.ask());
    }
    this.draw();
  }

  private draw(): void {
    if (!this.ready || this.disposed) return;
    const { host, layers, sizes } = this.all;
    const stack = stackPage({
      model: host.model,
      overlay: this.overlay,
      other: (key) => layers.overlay(key),
      measurement: (place) => sizes.of(place),
      path: this.path,
      answer: this.answer,
    });
    const notice = this.notice();
    const state = { overlay: this.overlay, path: this.path.text };
    this.send({ type: 'stack', stack, state, ...(notice === undefined ? {} : { notice }) });
  }

  private notice(): { text: string; buttons: StackButton[] } | undefined {
    const { host, layers } = this.all;
    if (host.state.kind === 'failed') {
      const restart: StackButton = { action: 'restart', label: vscode.l10n.t('Restart helper') };
      return { text: vscode.l10n.t('The helper stopped. This is from before.'), buttons: [restart] };
    }
    if (layers.loaded && layers.problem === undefined && layers.overlay(this.overlay.key) === undefined)
      return { text: vscode.l10n.t('It is no longer mounted. This is what was last seen of it.'), buttons: [] };
    if (!host.privileged && this.overlay.layers.some(({ unreadable }) => unreadable !== undefined)) {
      const asRoot: StackButton = { action: 'restartAsRoot', label: vscode.l10n.t('Become root…') };
      return { text: vscode.l10n.t('Some layers may be looked into only by root.'), buttons: [asRoot] };
    }
    return undefined;
  }

  private send(message: ToStack): void {
    if (this.ready) send(this.panel, message, KEPT);
  }
}
