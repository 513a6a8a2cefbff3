/** The Layers view: every overlay mount of the host, those of containers first. */
import * as vscode from 'vscode';
import type { Container } from '../../helper/protocol/containers.ts';
import type { LayerPath, Overlay } from '../../helper/protocol/layers.ts';
import type { ViewContribution } from '../base/contributions.ts';
import { View } from '../base/ids.ts';
import type { HostDelta } from '../model/clientModel.ts';
import type { LayerTarget } from '../model/commandTarget.ts';
import { compareNames } from '../model/hierarchy.ts';
import { filterOverlays, type OverlayFinding } from '../model/layerFilter.ts';
import type { Host } from '../model/liveHost.ts';
import type { Layers } from '../model/liveLayers.ts';
import { PERMISSION } from '../words/hostWords.ts';
import { overlayContainer, overlayName, pathText } from '../words/layerWords.ts';
import { Tree } from './baseTree.ts';
import { DirectoryRow, type LayerParts } from './layerFileNodes.ts';
import { LayerNode, OverlayNode } from './layerNodes.ts';
import type { TreeFilter } from './treeFilter.ts';
import type { TreeNode } from './treeNode.ts';
import { failureRow, unknownRow } from './unknownNode.ts';

export const layersView: ViewContribution = {
  view: 'layers',
  name: 'Layers',
  isCollapsed: true,
  none: [
    'No overlay file system is mounted on this host.',
    '',
    'The layers of a container appear here as soon as it starts, whichever engine starts it.',
  ],
};

export class LayersTree extends Tree {
  private readonly layers: Layers;
  private readonly all: LayerParts;
  private holding: vscode.Disposable | undefined;
  /** What the rows at the top were drawn from, and each layer below them. */
  private drawnRoots = '';
  private drawnLayers = new Map<string, string>();

  constructor(host: Host, filter: TreeFilter, extensionUri: vscode.Uri, all: LayerParts) {
    super(View.layers, host, filter, extensionUri);
    this.layers = all.layers;
    this.all = all;
    this.register(all.layers.onDidChange(() => this.onLayers()));
    this.register(all.options.onDidChange(() => this.refresh()));
    this.register(this.view.onDidChangeVisibility(({ visible }) => this.holdWhile(visible)));
    this.register(new vscode.Disposable(() => this.holdWhile(false)));
    this.holdWhile(this.view.visible);
  }

  /** What the filter finds among processes is nothing to this view, which would be drawn again with each of them. */
  override get findings(): undefined {
    return undefined;
  }

  private holdWhile(visible: boolean): void {
    if (visible) this.holding ??= this.layers.hold();
    else this.holding?.dispose();
    if (!visible) this.holding = undefined;
  }

  /** Containers come and go all the time on some hosts: only what is another than it was is drawn again. */
  private onLayers(): void {
    if (this.rootsText() !== this.drawnRoots) {
      this.refreshSoon();
      return;
    }
    const before = this.drawnLayers;
    this.drawnLayers = this.layerTexts();
    for (const { overlay } of this.shown()) {
      for (const row of this.row(overlay).children()) {
        const key = row instanceof LayerNode ? `${overlay.key} ${row.layerIndex}` : '';
        if (this.drawnLayers.get(key) !== before.get(key)) this.refreshNode(row);
      }
    }
  }

  private rootsText(): string {
    const { loaded, unreadable, problem } = this.layers;
    const rows = this.shown().map(({ overlay }) => [overlay.key, this.nameOf(overlay), overlay.image, overlay.layers.length]);
    return JSON.stringify([loaded, this.known, unreadable, String(problem), rows]);
  }

  private layerTexts(): Map<string, string> {
    return new Map(
      this.shown().flatMap(({ overlay: { key, layers } }) =>
        layers.map((layer) => [`${key} ${layer.index}`, JSON.stringify(layer)]),
      ),
    );
  }

  protected override get known(): boolean {
    return this.layers?.known ?? false;
  }

  protected override roots(): TreeNode[] {
    this.drawnRoots = this.rootsText();
    this.drawnLayers = this.layerTexts();
    if (this.layers.problem !== undefined) return [failureRow(this.root, vscode.l10n.t('Overlay mounts'), this.layers.problem)];
    if (!this.layers.loaded)
      return [this.root.fact('reading', vscode.l10n.t('Reading the overlay mounts…'), '', 'loading~spin')];
    const rows: TreeNode[] = this.root.rows(this.shown(), ({ overlay }) => this.row(overlay));
    return this.layers.unreadable === 0 || this.filter.text !== '' ? rows : [...rows, this.unreadableRow()];
  }

  private unreadableRow(): TreeNode {
    const row = unknownRow(this.root, 'overlays', vscode.l10n.t('Other overlay mounts'), PERMISSION);
    row.detail = vscode.l10n.t('The mounts of {0} mount namespaces could not be read.', this.layers.unreadable);
    return row;
  }

  private row(overlay: Overlay): OverlayNode {
    const id = OverlayNode.key(overlay);
    return this.node(id, () => new OverlayNode(this, id, undefined, this.all, overlay));
  }

  private shown(): OverlayFinding[] {
    return sortedFindings(
      filterOverlays(this.layers.overlays, this.filter.text, (overlay) => this.nameOf(overlay)),
      (overlay) => this.rank(overlay),
    );
  }

  private nameOf(overlay: Overlay): string {
    return overlayName(this.model, overlay);
  }

  /** Sorts roots of containers by name, then what else containers have mounted, then the host's. */
  private rank(overlay: Overlay): [group: number, name: string] {
    const container = overlayContainer(this.model, overlay);
    return [container === undefined ? 2 : overlay.isRoot ? 0 : 1, this.nameOf(overlay)];
  }

  protected override rootsTouchedBy(delta: HostDelta): boolean {
    return delta.containerList && this.rootsText() !== this.drawnRoots;
  }

  protected override title(): string | undefined {
    // The base class may draw while it is constructed.
    return this.all?.options.onlyChanges ? vscode.l10n.t('only changes') : undefined;
  }

  /** The row of an overlay; undefined when there is none, or the filter hides it. */
  rowOf(overlay: Overlay): OverlayNode | undefined {
    return this.shown().some((finding) => finding.overlay.key === overlay.key) ? this.row(overlay) : undefined;
  }

  /** What is selected, for commands of the view's title. */
  get selected(): LayerTarget | undefined {
    const [row] = this.view.selection;
    return row instanceof OverlayNode || row instanceof DirectoryRow ? row : undefined;
  }

  overlayOf(container: Container): Overlay | undefined {
    return this.layers.ofContainer(container.key)[0];
  }

  /** The row of a place in a layer, reading directories on the way; undefined when it is not there, or not shown. */
  async rowAt(overlay: Overlay, { layer, path }: Pick<LayerPath, 'layer' | 'path'>): Promise<TreeNode | undefined> {
    const rows = this.rowOf(overlay)?.children() ?? [];
    let row = rows.find((one): one is DirectoryRow => one instanceof DirectoryRow && one.layerIndex === layer);
    for (const name of path.split('/').filter((part) => part !== '')) row = await row?.find(name);
    return row;
  }

  async revealOverlay(overlay: Overlay): Promise<void> {
    this.unfilter(overlay);
    await this.reveal(() => this.rowOf(overlay));
  }

  /** Shows a place, unfolding what it is in. Throws when it is not there. */
  async revealPlace(overlay: Overlay, place: Pick<LayerPath, 'layer' | 'path'>): Promise<void> {
    await Promise.all([this.host.load(), this.layers.load()]);
    this.unfilter(overlay);
    const row = (await this.rowAt(overlay, place)) ?? (await this.unfilteredRow(overlay, place));
    if (row === undefined) throw new Error(vscode.l10n.t('{0} is not there, or no longer.', pathText(place.path)));
    await this.reveal(() => row);
  }

  private unfilter(overlay: Overlay): void {
    if (this.rowOf(overlay) === undefined) this.filter.text = '';
  }

  /** What is hidden by a filter is shown when somebody asks for it. */
  private async unfilteredRow(overlay: Overlay, place: Pick<LayerPath, 'layer' | 'path'>): Promise<TreeNode | undefined> {
    if (this.filter.text === '' && !this.all.options.onlyChanges) return undefined;
    this.filter.text = '';
    await this.all.options.showOnlyChanges(false);
    return await this.rowAt(overlay, place);
  }
}

function sortedFindings(
  findings: OverlayFinding[],
  rankOf: (overlay: Overlay) => [group: number, name: string],
): OverlayFinding[] {
  const ranked = findings.map((finding) => ({ finding, rank: rankOf(finding.overlay) }));
  ranked.sort(
    ({ finding: a, rank: [groupA, nameA] }, { finding: b, rank: [groupB, nameB] }) =>
      groupA - groupB || compareNames(nameA, nameB) || compareNames(a.overlay.key, b.overlay.key),
  );
  return ranked.map(({ finding }) => finding);
}
