/** Rows of the layers of an overlay: what the container sees, and each layer from the top. */
import * as vscode from 'vscode';
import type { Container } from '../../helper/protocol/containers.ts';
import type { Layer, Overlay } from '../../helper/protocol/layers.ts';
import type { LayerTarget } from '../model/commandTarget.ts';
import { isContainer } from '../model/hierarchy.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { parts, reasonText, unknownText } from '../words/hostWords.ts';
import {
  bothSizesText,
  layerCountText,
  layerName,
  layerTitle,
  measuredWholeText,
  overlayContainer,
  overlayName,
  pathText,
  roleIcon,
  roleText,
  sharedText,
  shortDigest,
  wastedOf,
} from '../words/layerWords.ts';
import { engineIcon } from './engineIcon.ts';
import { DirectoryRow, type LayerParts } from './layerFileNodes.ts';
import { type TreeContext, TreeNode } from './treeNode.ts';
import { unknownRow } from './unknownNode.ts';

/** One overlay mount: a container's root file system, or another. */
export class OverlayNode extends TreeNode implements LayerTarget {
  private readonly all: LayerParts;
  private last: Overlay;

  constructor(tree: TreeContext, id: string, parent: TreeNode | undefined, all: LayerParts, overlay: Overlay) {
    super(tree, id, parent);
    this.all = all;
    this.last = overlay;
  }

  static key(overlay: Overlay): string {
    return `overlay ${overlay.key}`;
  }

  get overlay(): Overlay {
    this.last = this.all.layers.overlay(this.last.key) ?? this.last;
    return this.last;
  }

  override get container(): Container | undefined {
    return overlayContainer(this.model, this.overlay);
  }

  override item(): vscode.TreeItem {
    const { overlay, container } = this;
    const item = new vscode.TreeItem(overlayName(this.model, overlay), vscode.TreeItemCollapsibleState.Collapsed);
    item.description = parts(
      overlay.image === undefined ? undefined : pathText(overlay.image),
      layerCountText(overlay),
      overlay.readOnly ? vscode.l10n.t('read-only') : undefined,
      overlay.type === 'overlay' ? undefined : pathText(overlay.type),
    );
    item.iconPath =
      container === undefined ? new vscode.ThemeIcon('layers') : engineIcon(this.tree.extensionUri, container.engine);
    const isContained = container !== undefined && isContainer(container);
    item.contextValue = `overlay${container === undefined ? '' : ' contained'}${isContained ? ' isolated' : ''}`;
    return item;
  }

  override children(): TreeNode[] {
    return stackRows(this, this.all, this.overlay);
  }

  override tooltip(): vscode.MarkdownString {
    const { overlay } = this;
    return factsTooltip(overlayName(this.model, overlay), [
      [vscode.l10n.t('Image'), overlay.image],
      [vscode.l10n.t('Mounted at'), overlay.mountPoint],
      [vscode.l10n.t('Also at'), overlay.alsoAt.map(({ mountPoint }) => mountPoint).join(', ')],
      [vscode.l10n.t('Type'), overlay.type],
      [vscode.l10n.t('Options'), overlay.options.join(', ')],
      [vscode.l10n.t('Work directory'), overlay.workDirectory],
    ]);
  }
}

/** The rows of a stack below any row: what the container sees, then its layers from the top. */
export function stackRows(parent: TreeNode, all: LayerParts, overlay: Overlay): TreeNode[] {
  const merged = parent.child(`${overlay.key} merged`, (id) => new MergedNode(parent.tree, id, parent, all, overlay));
  const layers = overlay.layers.map((layer) =>
    parent.child(
      `${overlay.key} layer ${layer.index}`,
      (id) => new LayerNode(parent.tree, id, parent, all, overlay, layer.index),
    ),
  );
  return [merged, ...layers];
}

/** The file system as the container sees it. */
export class MergedNode extends DirectoryRow {
  get layerIndex(): 'merged' {
    return 'merged';
  }
  get path(): string {
    return '/';
  }
  get entry(): undefined {
    return undefined;
  }

  override item(): vscode.TreeItem {
    this.all.watches.drawn(this);
    const item = new vscode.TreeItem(vscode.l10n.t('Merged'), vscode.TreeItemCollapsibleState.Collapsed);
    item.description = parts(this.measuredText(), vscode.l10n.t('what the container sees'));
    item.iconPath = new vscode.ThemeIcon('combine');
    item.contextValue = 'merged directory';
    return item;
  }
}

export class LayerNode extends DirectoryRow {
  readonly layerIndex: number;

  constructor(tree: TreeContext, id: string, parent: TreeNode, all: LayerParts, overlay: Overlay, index: number) {
    super(tree, id, parent, all, overlay);
    this.layerIndex = index;
  }

  get path(): string {
    return '/';
  }
  get entry(): undefined {
    return undefined;
  }
  private get layer(): Layer | undefined {
    return this.overlay.layers[this.layerIndex];
  }

  protected override emptyText(): string {
    return this.layer?.role === 'readWrite' ? vscode.l10n.t('Nothing was changed') : super.emptyText();
  }

  override item(): vscode.TreeItem {
    this.all.watches.drawn(this);
    const { overlay, layer } = this;
    if (layer === undefined) return new vscode.TreeItem(vscode.l10n.t('Layer {0}', this.layerIndex));
    const item = new vscode.TreeItem(layerTitle(overlay, layer), vscode.TreeItemCollapsibleState.Collapsed);
    item.description = parts(
      layer.unreadable === undefined ? this.measuredText() : unknownText(layer.unreadable),
      sharedText(layer),
      layer.digest === undefined ? undefined : shortDigest(layer.digest),
    );
    item.iconPath = new vscode.ThemeIcon(roleIcon(layer.role));
    item.contextValue = `layer directory ${layer.role}`;
    item.accessibilityInformation = { label: `${layerTitle(overlay, layer)}, ${item.description}` };
    return item;
  }

  override async children(): Promise<TreeNode[]> {
    const unreadable = this.layer?.unreadable;
    if (unreadable === undefined) return super.children();
    return [unknownRow(this, 'layer', vscode.l10n.t('This layer cannot be looked into'), unreadable)];
  }

  override tooltip(): vscode.MarkdownString | undefined {
    const { overlay, layer } = this;
    if (layer === undefined) return undefined;
    const measurement = this.all.sizes.of(this.place);
    const size = measurement?.state === 'measured' ? measurement.size : undefined;
    const measured = size === undefined ? undefined : this.all.sizes.ofEntry(this.place);
    return factsTooltip(layerName(overlay, layer), [
      ['', roleText(layer.role)],
      [vscode.l10n.t('Made by'), layer.createdBy],
      [vscode.l10n.t('Digest'), layer.digest],
      [vscode.l10n.t('Directory'), layer.directory],
      [vscode.l10n.t('Given as'), layer.given],
      [vscode.l10n.t('Size'), measured === undefined ? undefined : measuredWholeText(measured)],
      [
        vscode.l10n.t('Wasted'),
        size === undefined || size.wastedBytes === 0
          ? undefined
          : vscode.l10n.t('{0}, of files that a layer above replaces or deletes', bothSizesText(wastedOf(size))),
      ],
      [vscode.l10n.t('Shared with'), layer.sharedWith.map((key) => this.nameOf(key)).join(', ')],
      [vscode.l10n.t('Unreadable'), layer.unreadable === undefined ? undefined : reasonText(layer.unreadable.unknown)],
      [vscode.l10n.t('Size unknown'), measurement?.state === 'failed' ? measurement.message : undefined],
    ]);
  }

  private nameOf(key: string): string {
    const overlay = this.all.layers.overlay(key);
    return overlay === undefined ? key : overlayName(this.model, overlay);
  }
}
