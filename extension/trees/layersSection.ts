/** "Layers" below a container in the Containers view: of which layers its root file system is made. */
import * as vscode from 'vscode';
import type { Overlay } from '../../helper/protocol/layers.ts';
import { isContainer } from '../model/hierarchy.ts';
import type { ContainerNode, Section } from './containerNode.ts';
import type { ContainersTree } from './containersTree.ts';
import type { LayerParts } from './layerFileNodes.ts';
import { OverlayNode, stackRows } from './layerNodes.ts';
import { GroupNode, type TreeContext, type TreeNode } from './treeNode.ts';
import { failureRow, unknownRow } from './unknownNode.ts';

class LayersSection extends GroupNode {
  private readonly of: ContainerNode;
  private readonly sections: LayersSections;
  private drawn = '';

  constructor(tree: TreeContext, id: string, parent: ContainerNode, sections: LayersSections) {
    super(tree, id, parent);
    this.of = parent;
    this.sections = sections;
  }

  protected label(): string {
    return vscode.l10n.t('Layers');
  }
  protected icon(): string {
    return 'versions';
  }

  override get container() {
    return this.of.container;
  }

  get overlays(): Overlay[] {
    return this.sections.all.layers.ofContainer(this.of.container.key);
  }

  /** Whether its overlays are others than those that were drawn. */
  changed(): boolean {
    return JSON.stringify(this.overlays) !== this.drawn;
  }

  protected override description(): string | undefined {
    const [root] = this.overlays;
    if (root === undefined) return undefined;
    return root.unknownLayers === undefined ? String(root.layers.length) : vscode.l10n.t('unknown');
  }

  override async children(): Promise<TreeNode[]> {
    this.sections.unfolded(this);
    const { layers } = this.sections.all;
    await layers.load();
    if (layers.problem !== undefined) return [failureRow(this, vscode.l10n.t('Overlay mounts'), layers.problem)];
    // The list may be older than the container.
    if (this.overlays.length === 0) await layers.reload();
    const { overlays } = this;
    this.drawn = JSON.stringify(overlays);
    const [root] = overlays;
    if (!layers.loaded) return [unknownRow(this, 'overlays', vscode.l10n.t('Overlay mounts'), { unknown: 'busy' })];
    if (root === undefined) return [this.noneRow()];
    if (overlays.length === 1) return stackRows(this, this.sections.all, root);
    return overlays.map((overlay) =>
      this.child(OverlayNode.key(overlay), (id) => new OverlayNode(this.tree, id, this, this.sections.all, overlay)),
    );
  }

  private noneRow(): TreeNode {
    const { unreadable } = this.sections.all.layers;
    if (unreadable > 0) return this.unknownWhetherRow(unreadable);
    const row = this.fact(
      'none',
      vscode.l10n.t('No overlay mount'),
      vscode.l10n.t('its files are in no layers'),
      'circle-slash',
    );
    row.detail = vscode.l10n.t(
      'The root of this container is no overlay file system, but a plain directory or another kind of mount.',
    );
    return row;
  }

  private unknownWhetherRow(unreadable: number): TreeNode {
    const row = this.fact('unknown', vscode.l10n.t('No overlay mount in sight'), '', 'question');
    row.detail = vscode.l10n.t('The mounts of {0} mount namespaces could not be read.', unreadable);
    return row;
  }
}

/** The sections of all containers: they keep the list of overlays current while one of them is unfolded and can be seen. */
export class LayersSections implements vscode.Disposable {
  readonly all: LayerParts;
  private readonly tree: ContainersTree;
  private readonly held: vscode.Disposable[];
  private readonly used = new Set<LayersSection>();
  private holding: vscode.Disposable | undefined;

  constructor(tree: ContainersTree, all: LayerParts) {
    this.all = all;
    this.tree = tree;
    this.held = [
      all.layers.onDidChange(() => this.redraw()),
      all.options.onDidChange(() => this.redrawAll()),
      tree.view.onDidChangeVisibility(() => this.settle()),
    ];
  }

  readonly section: Section = (node) =>
    isContainer(node.container) ? node.child('layers', (id) => new LayersSection(node.tree, id, node, this)) : undefined;

  unfolded(section: LayersSection): void {
    this.used.add(section);
    this.settle();
  }

  private settle(): void {
    for (const section of this.used) if (!this.tree.holds(section)) this.used.delete(section);
    if (this.tree.view.visible && this.used.size > 0) this.holding ??= this.all.layers.hold();
    else {
      this.holding?.dispose();
      this.holding = undefined;
    }
  }

  private redraw(): void {
    this.settle();
    for (const section of this.used) if (section.changed()) this.tree.refreshNode(section);
  }

  private redrawAll(): void {
    for (const section of this.used) this.tree.refreshNode(section);
  }

  dispose(): void {
    this.holding?.dispose();
    for (const one of this.held) one.dispose();
  }
}
