/** What the views have in common: rows kept by id, refreshed only where the model changed, and nothing done while hidden. */
import * as vscode from 'vscode';
import { Command, type CommandId } from '../base/commandIds.ts';
import { Disposable } from '../base/disposable.ts';
import { ContextKey, type ContextKeyId, View, type ViewId } from '../base/ids.ts';
import { noteAct } from '../connection/personActs.ts';
import { type ClientModel, type HostDelta, isEmpty } from '../model/clientModel.ts';
import type { Findings } from '../model/filter.ts';
import type { Host } from '../model/liveHost.ts';
import { createView, setViewTexts } from '../plain/titled.ts';
import { RefreshQueue } from './refreshQueue.ts';
import { rowUri } from './rowDecorations.ts';
import type { TreeFilter } from './treeFilter.ts';
import { CHUNK, type FactNode, type TreeContext, TreeNode } from './treeNode.ts';

/** The parent of the rows at the top: has no row itself, and the limit of how many of them are shown. */
class RootNode extends TreeNode {
  override item(): vscode.TreeItem {
    return new vscode.TreeItem('');
  }
}

/** See `ContextKey`. */
type ListState = 'reading' | 'rows' | 'none' | 'filtered' | 'unknown';

const LIST_KEYS: Record<ViewId, ContextKeyId> = {
  [View.containers]: ContextKey.containersList,
  [View.namespaces]: ContextKey.namespacesList,
  [View.cgroups]: ContextKey.cgroupsList,
  [View.layers]: ContextKey.layersList,
  [View.sandboxes]: ContextKey.sandboxesList,
};

const REVEAL_ATTEMPTS = 4;
/** VS Code gathers refreshes for 200 ms. */
const REVEAL_PAUSE_MILLIS = 400;

export abstract class Tree extends Disposable implements vscode.TreeDataProvider<TreeNode>, TreeContext {
  readonly host: Host;
  readonly extensionUri: vscode.Uri;
  readonly view: vscode.TreeView<TreeNode>;
  protected readonly filter: TreeFilter;
  protected readonly root: TreeNode;
  private readonly nodes = new Map<string, TreeNode>();
  /** The ids of the children that VS Code was given, by the parent's id. */
  private readonly given = new Map<string, string[]>();
  private readonly serials = new Map<string, number>();
  private serial = 0;
  private readonly emitter = this.register(new vscode.EventEmitter<TreeNode | TreeNode[] | undefined>());
  private readonly queue: RefreshQueue<TreeNode>;
  private watching: vscode.Disposable | undefined;
  private cgroupsNeeded = false;
  private readonly viewId: ViewId;
  private told: ListState | undefined;
  readonly onDidChangeTreeData = this.emitter.event;

  constructor(viewId: ViewId, host: Host, filter: TreeFilter, extensionUri: vscode.Uri, canSelectMany = false) {
    super();
    this.viewId = viewId;
    this.host = host;
    this.filter = filter;
    this.extensionUri = extensionUri;
    this.root = new RootNode(this, '', undefined);
    this.queue = this.register(new RefreshQueue<TreeNode>(this.root, (rows) => this.draw(rows)));
    this.view = this.register(createView(viewId, { treeDataProvider: this, showCollapseAll: true, canSelectMany }));
    this.register(this.view.onDidChangeVisibility(({ visible }) => this.watchWhile(visible)));
    this.register(new vscode.Disposable(() => this.watchWhile(false)));
    this.register(host.onDidChange((delta) => this.onChange(delta)));
    this.register(host.cgroups.onDidChange((delta) => this.onChange(delta)));
    this.register(host.onDidChangeStatus(() => this.refresh()));
    this.register(filter.onDidChange(() => this.refresh()));
    this.watchWhile(this.view.visible);
  }

  get model(): ClientModel {
    return this.host.model;
  }

  get findings(): Findings | undefined {
    return this.filter.findings;
  }

  private watchWhile(visible: boolean): void {
    if (visible) {
      noteAct();
      this.watching ??= this.cgroupsNeeded
        ? vscode.Disposable.from(this.host.watch(), this.host.cgroups.watch())
        : this.host.watch();
    } else {
      this.watching?.dispose();
      this.watching = undefined;
    }
  }

  needCgroups(): void {
    if (this.cgroupsNeeded) return;
    this.cgroupsNeeded = true;
    if (this.watching === undefined) return;
    this.watching = vscode.Disposable.from(this.watching, this.host.cgroups.watch());
  }

  /** The rows at the top. */
  protected abstract roots(): TreeNode[];
  /** Whether what the rows at the top are made of has been read: before, that there are none says nothing. */
  protected abstract get known(): boolean;
  /** Whether the list of the rows at the top is another one after a change. */
  protected abstract rootsTouchedBy(delta: HostDelta): boolean;
  /** What the view's title says beside its name. */
  protected abstract title(): string | undefined;

  /** Draws everything again that VS Code shows. */
  refresh(): void {
    this.updateTitle();
    // The rows that say otherwise come later.
    if (!this.known && this.told === 'none') this.tell('reading');
    this.queue.drawnAll();
    this.emitter.fire(undefined);
  }

  /** Draws everything again, but no more often than people can follow. */
  protected refreshSoon(): void {
    this.queue.add([this.root]);
  }

  /** Draws one row and what is below it again. */
  refreshNode(node: TreeNode): void {
    if (node === this.root) this.emitter.fire(undefined);
    else this.emitter.fire(node);
  }

  /** Whether a row is one of those that are shown: rows that went and came again are others. */
  holds(node: TreeNode): boolean {
    return this.nodes.get(node.id) === node;
  }

  private onChange(delta: HostDelta): void {
    // What a filter finds may have changed anywhere. In cgroups only names are looked for, so that figures change nothing.
    if (this.rootsTouchedBy(delta) || (this.findings !== undefined && !isOfCgroups(delta))) {
      this.queue.add([this.root]);
      return;
    }
    const touched = new Set<TreeNode>();
    for (const node of this.nodes.values()) if (node.touchedBy(delta)) touched.add(node);
    // Drawing a row again draws everything below it, too.
    const topmost = [...touched].filter((node) => !hasAncestorIn(node, touched));
    if (topmost.length > 0) this.queue.add(topmost);
  }

  private draw(rows: TreeNode[]): void {
    if (rows.includes(this.root)) this.refresh();
    // A row may have gone while it waited to be drawn.
    else this.emitter.fire(rows.filter((row) => this.nodes.get(row.id) === row));
  }

  private updateTitle(): void {
    const text = this.filter.text === '' ? undefined : `“${this.filter.text}”`;
    const description = [this.title(), text].filter((part) => part !== undefined).join(' · ');
    setViewTexts(this.view, description, this.message() ?? '');
  }

  /** A line above the rows, for what concerns all of them. */
  private message(): string | undefined {
    if (this.host.stale) return vscode.l10n.t('Shown as it was when the helper was last running.');
    if (this.host.problem !== undefined) return vscode.l10n.t('The host could not be read: {0}', this.host.problem);
    if (this.filter.text !== '' && this.known && this.roots().length === 0) {
      return vscode.l10n.t('Nothing matches “{0}”.', this.filter.text);
    }
    return undefined;
  }

  node<T extends TreeNode>(id: string, make: () => T): T {
    // An id always belongs to the same class of row: the key that it ends with says which.
    const known = this.nodes.get(id) as T | undefined;
    if (known !== undefined) return known;
    const node = make();
    this.nodes.set(id, node);
    return node;
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    const item = node.item();
    item.id = node.id;
    item.resourceUri = rowUri(this.serialOf(node.id), node.decoration, node.fileName);
    if (this.host.stale && node.decoration !== 'notice' && item.iconPath instanceof vscode.ThemeIcon) {
      item.iconPath = new vscode.ThemeIcon(item.iconPath.id, new vscode.ThemeColor('disabledForeground'));
    }
    return item;
  }

  private serialOf(id: string): number {
    const known = this.serials.get(id);
    if (known !== undefined) return known;
    this.serial += 1;
    this.serials.set(id, this.serial);
    return this.serial;
  }

  async getChildren(node?: TreeNode): Promise<TreeNode[]> {
    const parent = node ?? this.root;
    for (let at = node; at !== undefined; at = at.parent) at.askedAt = performance.now();
    const children = node === undefined ? this.topRows() : await node.children();
    if (node === undefined) this.tell(this.shownBy(children));
    this.remember(parent, children);
    return children;
  }

  /** What the view's welcome content goes by: it is told with the rows, so that it never says none before they are there. */
  private shownBy(rows: readonly TreeNode[]): ListState {
    if (rows.length > 0) return 'rows';
    // Rows are made of processes, too.
    if (!this.known || !this.host.loaded) return this.host.problem === undefined ? 'reading' : 'unknown';
    return this.filter.text === '' ? 'none' : 'filtered';
  }

  private tell(state: ListState): void {
    if (this.told === state) return;
    this.told = state;
    void vscode.commands.executeCommand('setContext', LIST_KEYS[this.viewId], state);
  }

  /** Forgets the rows that are no longer there, with everything below them. */
  private remember(parent: TreeNode, children: TreeNode[]): void {
    const ids = children.map((child) => child.id);
    const present = new Set(ids);
    for (const id of this.given.get(parent.id) ?? []) if (!present.has(id)) this.forget(id);
    this.given.set(parent.id, ids);
    // A row that was forgotten below another parent's answer, or while an answer was awaited, is still shown here.
    for (const child of children) this.nodes.set(child.id, child);
  }

  private forget(id: string): void {
    for (const below of this.given.get(id) ?? []) this.forget(below);
    this.given.delete(id);
    this.nodes.delete(id);
    this.serials.delete(id);
  }

  private topRows(): TreeNode[] {
    if (!this.host.loaded) return [];
    const rows = this.roots();
    const notice = this.notice();
    // Without any other row the view's welcome content says it, with buttons.
    return notice === undefined || rows.length === 0 ? rows : [notice, ...rows];
  }

  /** A row at the top, with an action, for what is the matter with all the others. */
  private notice(): TreeNode | undefined {
    const { state } = this.host;
    if (state.kind === 'failed') {
      const icon = new vscode.ThemeIcon('error', new vscode.ThemeColor('list.errorForeground'));
      return this.noticeRow(
        'failed',
        vscode.l10n.t('The helper stopped'),
        vscode.l10n.t('restart it'),
        icon,
        Command.restartHelper,
      );
    }
    if (state.kind === 'starting') {
      return this.noticeRow('starting', vscode.l10n.t('Starting the helper…'), '', new vscode.ThemeIcon('loading~spin'));
    }
    if (state.kind === 'stopped') {
      const icon = new vscode.ThemeIcon('debug-stop');
      return this.noticeRow(
        'stopped',
        vscode.l10n.t('The helper is not running'),
        vscode.l10n.t('start it'),
        icon,
        Command.restartHelper,
      );
    }
    if (this.host.privileged) return undefined;
    const icon = new vscode.ThemeIcon('warning', new vscode.ThemeColor('list.warningForeground'));
    const label = vscode.l10n.t('Not running as root');
    const row = this.noticeRow('needsRoot', label, vscode.l10n.t('become root…'), icon, Command.restartHelperAsRoot);
    row.detail = vscode.l10n.t(
      'Namespaces and containers of other users may be missing, and what may not be read is shown as unknown. Root is had through sudo, which may ask for your password.',
    );
    return row;
  }

  private noticeRow(key: string, label: string, description: string, icon: vscode.ThemeIcon, command?: CommandId): FactNode {
    const node = this.root.fact(`notice ${key}`, label, description, icon.id);
    node.icon = icon;
    node.notice = true;
    node.context = `notice ${key}`;
    if (command !== undefined) node.command = { command, title: label };
    return node;
  }

  getParent(node: TreeNode): TreeNode | undefined {
    return node.parent === this.root ? undefined : node.parent;
  }

  resolveTreeItem(item: vscode.TreeItem, node: TreeNode): vscode.TreeItem {
    const tooltip = node.tooltip();
    if (tooltip !== undefined) item.tooltip = tooltip;
    return item;
  }

  showMore(node: TreeNode): void {
    const list = node.parent ?? this.root;
    list.limit += CHUNK;
    this.refreshNode(list);
  }

  /**
   * Shows a row, opening what it is in, and selects it. VS Code refuses a row that it has not been given yet, or whose
   * list is just being drawn again: then the tree is drawn and the row, which may be another by then, tried once more.
   */
  async reveal(find: () => TreeNode | undefined): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const row = find();
      if (row === undefined) return;
      try {
        await this.view.reveal(row, { select: true, focus: true, expand: true });
        // It gives up without a word when what the row is in is drawn again meanwhile.
        if ((await this.selects(row)) || attempt === REVEAL_ATTEMPTS) return;
      } catch (error) {
        if (attempt === REVEAL_ATTEMPTS) throw error;
        this.refresh();
        await new Promise((resolve) => setTimeout(resolve, REVEAL_PAUSE_MILLIS));
      }
    }
  }

  /** Whether the row is selected, or is so in a moment: VS Code tells of a selection after it has answered. */
  private async selects(row: TreeNode): Promise<boolean> {
    const selected = () => this.view.selection.some(({ id }) => id === row.id);
    if (selected()) return true;
    await new Promise<void>((resolve) => {
      const listening = this.view.onDidChangeSelection(() => end());
      const timer = setTimeout(() => end(), REVEAL_PAUSE_MILLIS);
      const end = () => {
        clearTimeout(timer);
        listening.dispose();
        resolve();
      };
    });
    return selected();
  }
}

function isOfCgroups(delta: HostDelta): boolean {
  return isEmpty({ ...delta, cgroups: new Set(), cgroupList: false });
}

function hasAncestorIn(node: TreeNode, nodes: ReadonlySet<TreeNode>): boolean {
  for (let at = node.parent; at !== undefined; at = at.parent) if (nodes.has(at)) return true;
  return false;
}
