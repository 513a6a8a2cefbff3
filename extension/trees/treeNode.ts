/** What every row of the trees has in common: identity that outlives a refresh, a parent, and children made when asked for. */
import * as vscode from 'vscode';
import type { CgroupRef } from '../../helper/protocol/cgroups.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import type { Namespace } from '../../helper/protocol/namespaces.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { Command } from '../base/commandIds.ts';
import type { CommandContribution } from '../base/contributions.ts';
import { NEVER } from '../base/when.ts';
import type { ClientModel, HostDelta } from '../model/clientModel.ts';
import type { CommandTarget } from '../model/commandTarget.ts';
import type { Findings } from '../model/filter.ts';
import type { Host } from '../model/liveHost.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import type { MarkDecoration } from './layerDecorations.ts';

export const showMoreCommand: CommandContribution = {
  id: 'isoscope.view.showMore',
  title: 'Show More',
  palette: NEVER,
};

/** A list shows this many rows, and a last one that shows as many more. */
export const CHUNK = 500;

/** What rows need of the tree that they are in. */
export interface TreeContext {
  readonly host: Host;
  readonly model: ClientModel;
  readonly extensionUri: vscode.Uri;
  /** What the filter finds; undefined without a filter. */
  readonly findings: Findings | undefined;
  /** From now on cgroups are kept current while the tree can be seen. */
  needCgroups(): void;
  /** Shows as many more of the rows of the list that a "show more" row ends. */
  showMore(node: TreeNode): void;
  /** Draws one row and what is below it again. */
  refreshNode(node: TreeNode): void;
  /** The row with this id: the one that is already shown, or a new one. */
  node<T extends TreeNode>(id: string, make: () => T): T;
}

/** A `notice` keeps its colour where all else turns grey; `badges` is followed by those of a cgroup, worst first. */
export type RowDecoration = 'muted' | 'paused' | 'notice' | `badges ${string}` | MarkDecoration;

export abstract class TreeNode implements CommandTarget {
  /** Unique within its tree, and the same after every refresh: what VS Code keeps selection and expansion by. */
  readonly id: string;
  readonly parent: TreeNode | undefined;
  readonly tree: TreeContext;
  /** When VS Code last asked for what is below it, at any depth; on a clock that nobody sets, in ms. */
  askedAt = Number.NEGATIVE_INFINITY;
  /** How many children are shown before "show more". */
  limit = CHUNK;

  constructor(tree: TreeContext, id: string, parent: TreeNode | undefined) {
    this.tree = tree;
    this.id = id;
    this.parent = parent;
  }

  /** The row as it is now. The tree adds its id and its decorations. */
  abstract item(): vscode.TreeItem;

  children(): TreeNode[] | Promise<TreeNode[]> {
    return [];
  }

  /** Made only when the pointer rests on the row. */
  tooltip(): vscode.MarkdownString | undefined {
    return undefined;
  }

  /** Whether the row, or the list of its children, is different after a change of the model. */
  touchedBy(_delta: HostDelta): boolean {
    return false;
  }

  /** How the row is coloured and marked. */
  get decoration(): RowDecoration | undefined {
    return undefined;
  }

  /** Of a row that stands for a file: its name, by which the theme chooses an icon. */
  get fileName(): string | undefined {
    return undefined;
  }

  /** What commands act on. Getters in the rows that stand for one. */
  get process(): ProcessRef | undefined {
    return undefined;
  }
  get container(): Container | undefined {
    return undefined;
  }
  get namespace(): Namespace | undefined {
    return undefined;
  }
  get cgroups(): readonly CgroupRef[] | undefined {
    return undefined;
  }

  protected get model(): ClientModel {
    return this.tree.model;
  }

  /** The child with this key: the row that is already shown, or a new one. */
  child<T extends TreeNode>(key: string, make: (id: string) => T): T {
    const id = `${this.id}/${key}`;
    return this.tree.node(id, () => make(id));
  }

  /** The row below this one that states a fact. */
  fact(key: string, label: string, description: string, icon: string): FactNode {
    const node = this.child(key, (id) => new FactNode(this.tree, id, this));
    node.label = label;
    node.description = description;
    node.icon = new vscode.ThemeIcon(icon);
    return node;
  }

  /** Rows for `items`, as many as the limit allows, and one that shows more. */
  rows<I>(items: readonly I[], row: (item: I) => TreeNode): TreeNode[] {
    const shown: TreeNode[] = items.slice(0, this.limit).map(row);
    if (items.length > this.limit) {
      const more = this.child('more', (id) => new MoreNode(this.tree, id, this));
      more.remaining = items.length - this.limit;
      shown.push(more);
    }
    return shown;
  }
}

/** "Show 500 more": the last row of a list that is longer than a person would scroll. */
export class MoreNode extends TreeNode {
  /** Infinity: nobody has counted them. */
  remaining = 0;

  override item(): vscode.TreeItem {
    const count = Math.min(CHUNK, this.remaining);
    const item = new vscode.TreeItem(vscode.l10n.t('Show {0} more', count));
    if (Number.isFinite(this.remaining)) item.description = vscode.l10n.t('{0} not shown', this.remaining);
    item.iconPath = new vscode.ThemeIcon('ellipsis');
    item.command = { command: Command.showMore, title: vscode.l10n.t('Show more'), arguments: [this] };
    return item;
  }
}

/** A row that heads a group of rows: a label, a description and a list. */
export abstract class GroupNode extends TreeNode {
  protected abstract label(): string;
  protected abstract icon(): string;
  protected description(): string | undefined {
    return undefined;
  }
  protected get expanded(): boolean {
    return false;
  }

  override item(): vscode.TreeItem {
    const { Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(this.label(), this.expanded ? Expanded : Collapsed);
    const description = this.description();
    if (description !== undefined) item.description = description;
    item.iconPath = new vscode.ThemeIcon(this.icon());
    item.contextValue = 'group';
    return item;
  }
}

/** A row that states one fact. */
export class FactNode extends TreeNode {
  label = '';
  description = '';
  icon: vscode.ThemeIcon | undefined;
  command: vscode.Command | undefined;
  context = 'fact';
  notice = false;
  /** What a tooltip adds. */
  detail = '';

  override tooltip(): vscode.MarkdownString | undefined {
    if (this.detail === '') return undefined;
    return factsTooltip(this.label, [['', this.detail]]);
  }

  override get decoration(): 'notice' | undefined {
    return this.notice ? 'notice' : undefined;
  }

  override item(): vscode.TreeItem {
    const item = new vscode.TreeItem(this.label);
    item.description = this.description;
    item.contextValue = this.context;
    if (this.icon !== undefined) item.iconPath = this.icon;
    if (this.command !== undefined) item.command = this.command;
    return item;
  }
}
