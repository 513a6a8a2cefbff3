/** The Namespaces view: by kind, by owning user namespace, or as the tree of pid namespaces. */
import * as vscode from 'vscode';
import type { Namespace, NamespaceKind, NamespaceRef } from '../../helper/protocol/namespaces.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import type { ViewContribution } from '../base/contributions.ts';
import { View } from '../base/ids.ts';
import { type HostDelta, keyOf, type NamespaceKey, namespaceKey } from '../model/clientModel.ts';
import {
  GROUPINGS,
  type Grouping,
  isOfBrowser,
  KIND_ORDER,
  type NamespaceForest,
  namespaceForest,
  namespacesOfKind,
  sortedNamespaces,
} from '../model/hierarchy.ts';
import type { Host } from '../model/liveHost.ts';
import { kindIcon, kindTitle, parts } from '../words/hostWords.ts';
import { Tree } from './baseTree.ts';
import { NamespaceNode, shownBy } from './namespaceNode.ts';
import type { TreeFilter } from './treeFilter.ts';
import { FactNode, GroupNode, type TreeContext, type TreeNode } from './treeNode.ts';
import { processNames, unreadableRow } from './unknownNode.ts';

export const namespacesView: ViewContribution = {
  view: 'namespaces',
  name: 'Namespaces',
  none: ['No namespace can be seen on this host.', '[Refresh](command:isoscope.view.refresh)'],
};

const GROUPING_KEY = 'isoscope.namespaces.grouping';

export class NamespacesTree extends Tree {
  private readonly memory: vscode.Memento;
  private forestNow: NamespaceForest | undefined;

  constructor(host: Host, filter: TreeFilter, extensionUri: vscode.Uri, memory: vscode.Memento) {
    super(View.namespaces, host, filter, extensionUri);
    this.memory = memory;
    this.refresh();
  }

  /** How the view groups; remembered for the workspace. */
  get grouping(): Grouping {
    const stored = this.memory?.get<string>(GROUPING_KEY);
    return GROUPINGS.find((grouping) => grouping === stored) ?? 'kind';
  }

  async group(grouping: Grouping): Promise<void> {
    await this.memory.update(GROUPING_KEY, grouping);
    this.forestNow = undefined;
    this.refresh();
  }

  protected override title(): string | undefined {
    const titles = { kind: undefined, owner: vscode.l10n.t('by owner'), pid: vscode.l10n.t('pid tree') };
    return titles[this.grouping];
  }

  override refresh(): void {
    this.forestNow = undefined;
    super.refresh();
  }

  private readonly forest = (): NamespaceForest => {
    const { grouping } = this;
    this.forestNow ??= namespaceForest(this.model, grouping === 'pid' ? 'pid' : 'owner');
    return this.forestNow;
  };

  protected override get known(): boolean {
    return this.host.knows('namespaces');
  }

  protected override roots(): TreeNode[] {
    const rows = this.grouping === 'kind' ? this.kinds() : this.hierarchyRoots();
    const { unreadable, closed } = this.model;
    if (this.findings !== undefined) return rows;
    if (unreadable.count > 0) rows.push(this.unreadable(unreadable.count));
    if (closed.count > 0) rows.push(this.closed(closed.count));
    return rows;
  }

  private kinds(): TreeNode[] {
    const kinds = KIND_ORDER.filter((kind) => this.model.unsupported.includes(kind) || this.ofKind(kind).length > 0);
    const { findings } = this;
    return kinds.filter((kind) => findings === undefined || this.ofKind(kind).length > 0).map((kind) => this.kindRow(kind));
  }

  private ofKind(kind: NamespaceKind): Namespace[] {
    return namespacesOfKind(this.model, kind).filter((namespace) => shownBy(this, namespace));
  }

  private kindRow(kind: NamespaceKind): TreeNode {
    const id = `kind ${kind}`;
    if (this.model.unsupported.includes(kind)) {
      return this.node(`${id} unsupported`, () => unsupportedNode(this, `${id} unsupported`, kind));
    }
    return this.node(id, () => new KindNode(this, id, kind, () => this.ofKind(kind)));
  }

  private hierarchyRoots(): TreeNode[] {
    const forest = this.forest();
    const shown = forest.roots.filter((namespace) => shownBy(this, namespace, forest));
    return sortedNamespaces(this.model, shown).map((namespace) => this.hierarchyRow(namespace));
  }

  private hierarchyRow(namespace: Namespace): NamespaceNode {
    const id = `${this.grouping} ${keyOf(namespace)}`;
    return this.node(
      id,
      () =>
        new NamespaceNode(this, id, undefined, namespace, {
          place: 'list',
          forest: this.forest,
          trunk: this.grouping === 'pid' ? 'pid' : 'user',
        }),
    );
  }

  private unreadable(count: number): TreeNode {
    const what = count === 1 ? vscode.l10n.t('1 process not readable') : vscode.l10n.t('{0} processes not readable', count);
    return unreadableRow(this.root, what);
  }

  /** Said here and nowhere else: nobody can do anything about it. */
  private closed(count: number): TreeNode {
    const what =
      count === 1 ? vscode.l10n.t('1 process closed to everybody') : vscode.l10n.t('{0} processes closed to everybody', count);
    const row = this.root.fact('closed', what, vscode.l10n.t('also to root'), 'lock');
    row.detail = vscode.l10n.t(
      'The kernel lets nobody on this host examine {0}. What only this holds or is in is not listed.',
      processNames(this.model, this.model.closed.processes),
    );
    return row;
  }

  protected override rootsTouchedBy(delta: HostDelta): boolean {
    if (delta.namespaceList) this.forestNow = undefined;
    return delta.namespaceList;
  }

  /** The row of a namespace in the present grouping; undefined when the grouping does not show its kind. */
  rowOf(ref: NamespaceRef): NamespaceNode | undefined {
    const namespace = this.model.namespaces.get(keyOf(ref));
    if (namespace === undefined) return undefined;
    if (this.grouping === 'kind') return this.rowInKind(namespace);
    if (this.grouping === 'pid' && namespace.kind !== 'pid') return undefined;
    return this.rowInForest(namespace);
  }

  private rowInKind(namespace: Namespace): NamespaceNode | undefined {
    const kind = this.kindRow(namespace.kind);
    return kind instanceof KindNode ? kind.reveal(namespace) : undefined;
  }

  private rowInForest(namespace: Namespace): NamespaceNode | undefined {
    const { above } = this.forest();
    const way: NamespaceKey[] = [];
    for (let key: NamespaceKey | undefined = keyOf(namespace); key !== undefined; key = above.get(key)) way.unshift(key);
    const first = this.model.namespaces.get(way.shift() ?? keyOf(namespace));
    let node = first === undefined ? undefined : this.hierarchyRow(first);
    for (const key of way) {
      if (node === undefined) return undefined;
      node.limit = Number.POSITIVE_INFINITY;
      const rows: TreeNode[] = node.children();
      node = rows.find((row): row is NamespaceNode => row instanceof NamespaceNode && row.key === key);
    }
    return node;
  }

  /** The row of a process among the members of its namespace of a kind. */
  memberRow(process: ProcessRef, kind: NamespaceKind): TreeNode | undefined {
    const known = this.model.process(process);
    const ino = known?.namespaces[kind];
    const namespace = ino === undefined || ino === null ? undefined : this.model.namespaces.get(namespaceKey(kind, ino));
    return namespace === undefined ? undefined : this.rowOf(namespace)?.membersGroup.reveal(process.pid);
  }
}

function unsupportedNode(tree: Tree, id: string, kind: NamespaceKind): FactNode {
  const node = new FactNode(tree, id, undefined);
  node.label = kindTitle(kind);
  node.description = vscode.l10n.t('not supported by this kernel');
  node.icon = new vscode.ThemeIcon('circle-slash', new vscode.ThemeColor('disabledForeground'));
  return node;
}

/** A row with a list of namespaces. */
abstract class NamespacesGroup extends GroupNode {
  protected abstract get list(): Namespace[];

  override children(): TreeNode[] {
    return this.rows(this.list, (namespace) => this.row(namespace));
  }

  private row(namespace: Namespace): NamespaceNode {
    return this.child(keyOf(namespace), (id) => new NamespaceNode(this.tree, id, this, namespace, { place: 'list' }));
  }

  /** The row of a namespace of the list, which is shown from now on if it was beyond the limit. */
  reveal(namespace: Namespace): NamespaceNode | undefined {
    const index = this.list.findIndex((one) => one.ino === namespace.ino);
    if (index < 0) return undefined;
    this.limit = Math.max(this.limit, index + 1);
    return this.row(namespace);
  }
}

class KindNode extends NamespacesGroup {
  private readonly kind: NamespaceKind;
  private readonly all: () => Namespace[];

  constructor(tree: Tree, id: string, kind: NamespaceKind, all: () => Namespace[]) {
    super(tree, id, undefined);
    this.kind = kind;
    this.all = all;
  }

  protected label(): string {
    return kindTitle(this.kind);
  }
  protected icon(): string {
    return kindIcon(this.kind);
  }
  protected override description(): string {
    const count = this.all().length;
    return parts(this.kind, this.model.knowsAll(this.kind) ? String(count) : vscode.l10n.t('at least {0}', count));
  }

  /** What a filter finds stands in one list. */
  private isApart(namespace: Namespace): boolean {
    return this.tree.findings === undefined && isOfBrowser(this.model, namespace);
  }

  protected override get list(): Namespace[] {
    return this.all().filter((namespace) => !this.isApart(namespace));
  }

  private get browsers(): BrowsersNode {
    const list = () => this.all().filter((namespace) => this.isApart(namespace));
    return this.child('browsers', (id) => new BrowsersNode(this.tree, id, this, list));
  }

  override children(): TreeNode[] {
    const rows = super.children();
    return this.list.length === this.all().length ? rows : [...rows, this.browsers];
  }

  override reveal(namespace: Namespace): NamespaceNode | undefined {
    return this.isApart(namespace) ? this.browsers.reveal(namespace) : super.reveal(namespace);
  }
}

/** Those in which browsers confine their parts: apart, so that the others can be seen. */
class BrowsersNode extends NamespacesGroup {
  private readonly all: () => Namespace[];

  constructor(tree: TreeContext, id: string, parent: TreeNode, all: () => Namespace[]) {
    super(tree, id, parent);
    this.all = all;
  }

  protected override get list(): Namespace[] {
    return this.all();
  }
  protected label(): string {
    return vscode.l10n.t('Of browsers and editors');
  }
  protected icon(): string {
    return 'browser';
  }
  protected override description(): string {
    return String(this.list.length);
  }
}
