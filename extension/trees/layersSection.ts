/** "Layers" below a container in the Containers view: of which layers its root file system is made. */
import * as vscode from 'vscode';
import type { Overlay } from '../../helper/protocol/layers.ts';
import { isContainer } from '../model/hierarchy.ts';
import { overlayRef } from '../model/overlayStack.ts';
import { bytesText } from '../words/cgroupWords.ts';
import { parts } from '../words/hostWords.ts';
import { layerCountText } from '../words/layerWords.ts';
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

  override item(): vscode.TreeItem {
    this.sections.shown(this);
    this.drawn = this.text();
    return super.item();
  }

  /** Whether it is another now than was drawn. */
  changed(): boolean {
    return this.text() !== this.drawn;
  }

  private text(): string {
    return JSON.stringify([this.overlays, this.description()]);
  }

  /** Once the list of overlays was read. */
  protected override description(): string | undefined {
    const [root] = this.overlays;
    return root === undefined ? undefined : parts(layerCountText(root), this.sizeOf(root));
  }

  /** Of all its layers, where all were measured. */
  private sizeOf(overlay: Overlay): string | undefined {
    const { sizes } = this.sections.all;
    let sum = 0;
    for (const { index } of overlay.layers) {
      const measured = sizes.of({ overlay: overlayRef(overlay), layer: index, path: '/' });
      if (measured?.state !== 'measured') return undefined;
      sum += measured.size.sizeBytes;
    }
    return overlay.layers.length === 0 ? undefined : bytesText(sum);
  }

  override async children(): Promise<TreeNode[]> {
    const { layers } = this.sections.all;
    await layers.load();
    if (layers.problem !== undefined) return [failureRow(this, vscode.l10n.t('Overlay mounts'), layers.problem)];
    // The list may be older than the container.
    if (this.overlays.length === 0) await layers.reload();
    const { overlays } = this;
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

/** The sections of all containers: they keep the list of overlays current while one of them can be seen. */
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
      all.sizes.onDidChange(() => this.redraw()),
      tree.view.onDidChangeVisibility(() => this.settle()),
    ];
  }

  readonly section: Section = (node) =>
    isContainer(node.container) ? node.child('layers', (id) => new LayersSection(node.tree, id, node, this)) : undefined;

  shown(section: LayersSection): void {
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
