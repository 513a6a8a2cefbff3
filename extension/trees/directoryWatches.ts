/** Keeps the rows of directories that are unfolded in step with the disk, and measures them when sizes are wanted. */
import * as vscode from 'vscode';
import type { LayerPath } from '../../helper/protocol/layers.ts';
import { Disposable } from '../base/disposable.ts';
import type { LayerSizes } from '../model/layerSizes.ts';
import type { LayerWatch } from '../model/layerWatch.ts';
import { placeKey } from '../model/overlayStack.ts';
import type { Tree } from './baseTree.ts';
import type { TreeNode } from './treeNode.ts';

/** Sizes come in a few times a second; rows are drawn again at most this often. */
const DRAW_MILLIS = 300;
/** What measures in the background is stopped for all at once. */
const NEVER = new vscode.CancellationTokenSource().token;

/** A row with a directory's entries below it. */
export interface DirectoryOnDisk extends TreeNode {
  readonly place: LayerPath;
}

export class DirectoryWatches extends Disposable {
  private readonly watch: LayerWatch;
  private readonly sizes: LayerSizes;
  private readonly trees = new Set<Tree>();
  /** Rows whose entries VS Code was given. */
  private readonly listed = new Map<DirectoryOnDisk, vscode.Disposable | undefined>();
  /** Of these, those that were not watched for a while, so that they may be out of date. VS Code keeps the rows below a folded one. */
  private readonly missed = new WeakSet<DirectoryOnDisk>();
  /** Rows that VS Code shows, folded or not, by what they show. */
  private readonly rows = new Map<string, Set<DirectoryOnDisk>>();
  private readonly folded = new Set<string>();
  private readonly due = new Set<DirectoryOnDisk>();
  private timer: NodeJS.Timeout | undefined;

  constructor(watch: LayerWatch, sizes: LayerSizes) {
    super();
    this.watch = watch;
    this.sizes = sizes;
    this.register(sizes.onDidChange((place) => this.onSize(place)));
    this.register(new vscode.Disposable(() => this.end()));
  }

  /** Follows what is folded, unfolded, shown and hidden in a tree. */
  follow(tree: Tree): void {
    this.trees.add(tree);
    this.register(tree.view.onDidCollapseElement(({ element }) => this.fold(tree, element, true)));
    this.register(tree.view.onDidExpandElement(({ element }) => this.fold(tree, element, false)));
    this.register(tree.view.onDidChangeVisibility(() => this.settle()));
  }

  /** The row is being shown. */
  drawn(row: DirectoryOnDisk): void {
    const key = placeKey(row.place);
    const known = this.rows.get(key);
    if (known === undefined) this.rows.set(key, new Set([row]));
    else known.add(row);
  }

  /** The row's entries are being shown. */
  unfolded(row: DirectoryOnDisk): void {
    if (!this.listed.has(row)) this.listed.set(row, undefined);
    this.settle();
  }

  /** Measures the entries of a row in the background. */
  measure(row: DirectoryOnDisk): void {
    if (this.sizes.of(row.place) !== undefined) return;
    void this.sizes.measure(row.place, NEVER);
  }

  private fold(tree: Tree, row: TreeNode, folded: boolean): void {
    const key = foldKey(tree, row);
    if (folded) this.folded.add(key);
    else this.folded.delete(key);
    this.settle();
  }

  /** Watches the rows that are unfolded in trees that can be seen, and no others. */
  private settle(): void {
    for (const [row, watching] of this.listed) {
      const tree = this.treeOf(row);
      if (tree === undefined) continue;
      // A row that was forgotten and made anew is another one.
      if (!tree.holds(row)) {
        watching?.dispose();
        this.listed.delete(row);
        continue;
      }
      const seen = tree.view.visible && !this.isFolded(tree, row);
      if (seen && watching === undefined) this.resume(row);
      else if (!seen && watching !== undefined) {
        watching.dispose();
        this.listed.set(row, undefined);
        this.missed.add(row);
      }
    }
  }

  private resume(row: DirectoryOnDisk): void {
    this.listed.set(
      row,
      this.watch.watch(row.place, () => this.redraw(row)),
    );
    if (this.missed.delete(row)) this.redraw(row);
  }

  private treeOf(row: TreeNode): Tree | undefined {
    return [...this.trees].find((tree) => tree === row.tree);
  }

  private isFolded(tree: Tree, row: TreeNode): boolean {
    for (let at: TreeNode | undefined = row; at !== undefined; at = at.parent)
      if (this.folded.has(foldKey(tree, at))) return true;
    return false;
  }

  /** Drawing an unfolded row reads its entries again, which is done only when there is a result to show. */
  private onSize(place: LayerPath): void {
    const underWay = this.sizes.of(place)?.state === 'measuring';
    for (const row of this.rows.get(placeKey(place)) ?? []) {
      if (this.treeOf(row)?.holds(row) !== true) this.rows.get(placeKey(place))?.delete(row);
      else if (!underWay || this.listed.get(row) === undefined) this.due.add(row);
    }
    if (this.due.size > 0) this.timer ??= setTimeout(() => this.draw(), DRAW_MILLIS);
  }

  private draw(): void {
    this.timer = undefined;
    const rows = [...this.due];
    this.due.clear();
    for (const row of rows) this.redraw(row);
  }

  private redraw(row: DirectoryOnDisk): void {
    if (this.treeOf(row)?.holds(row) === true) row.tree.refreshNode(row);
  }

  private end(): void {
    clearTimeout(this.timer);
    for (const watching of this.listed.values()) watching?.dispose();
    this.listed.clear();
    this.rows.clear();
  }
}

function foldKey(tree: Tree, row: TreeNode): string {
  return `${tree.view.title} ${row.id}`;
}
