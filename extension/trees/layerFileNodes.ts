/** Rows of the directories and files of layers, read when their directory is unfolded. */
import * as vscode from 'vscode';
import type { Container } from '../../helper/protocol/containers.ts';
import type { Unknown } from '../../helper/protocol/errors.ts';
import { type LayerEntry, type LayerPath, LayersReadDirectory, type Overlay } from '../../helper/protocol/layers.ts';
import { Command } from '../base/commandIds.ts';
import type { HelperConnection } from '../connection/connection.ts';
import type { LayerTarget } from '../model/commandTarget.ts';
import { compareNames } from '../model/hierarchy.ts';
import { nameHolds } from '../model/layerFilter.ts';
import type { LayerSizes } from '../model/layerSizes.ts';
import type { LayerWatch } from '../model/layerWatch.ts';
import type { Layers } from '../model/liveLayers.ts';
import { childPath, overlayRef } from '../model/overlayStack.ts';
import { wellFormedName } from '../plain/fileNameText.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { parts, reasonText, unknownText } from '../words/hostWords.ts';
import {
  bothSizesText,
  coverText,
  entriesText,
  entryName,
  layerName,
  layerTitle,
  markText,
  measuredText,
  measuredWholeText,
  modeText,
  overlayContainer,
  pathText,
  sizeText,
  timeText,
  typeText,
} from '../words/layerWords.ts';
import type { DirectoryWatches } from './directoryWatches.ts';
import { markDecoration } from './layerDecorations.ts';
import type { LayerOptions } from './layerOptions.ts';
import { MoreNode, type TreeContext, TreeNode } from './treeNode.ts';
import { failureRow, unknownRow } from './unknownNode.ts';

/** What rows of layers need beside their tree. */
export interface LayerParts {
  connection: HelperConnection;
  layers: Layers;
  sizes: LayerSizes;
  watch: LayerWatch;
  options: LayerOptions;
  watches: DirectoryWatches;
  /** Words that the names of files must hold, by the filter; empty without one. */
  nameWords(overlay: Overlay): readonly string[];
}

/** A page of a directory. Names of files are short: a page of these is some hundred kilobytes. */
const PAGE = 1000;
/** To sort by size all entries are needed; a directory with more than this is sorted as far as it was read. */
const MOST_SORTED = 20_000;

interface Listing {
  entries: LayerEntry[];
  /** Where the next page begins; undefined when everything was read. */
  next: string | undefined;
  /** How many entries were asked for. */
  wanted: number;
  incomplete: Unknown | undefined;
}

/** No name, and so no place to go on from, is empty. */
const START = '';
const NOTHING_READ = { entries: [], next: START, incomplete: undefined };

/** A row with a directory's entries below it, read when it is unfolded and again whenever something changes in it. */
export abstract class DirectoryRow extends TreeNode implements LayerTarget {
  protected readonly all: LayerParts;
  private last: Overlay;
  private listing: Listing | undefined;

  constructor(tree: TreeContext, id: string, parent: TreeNode | undefined, all: LayerParts, overlay: Overlay) {
    super(tree, id, parent);
    this.all = all;
    this.last = overlay;
  }

  get overlay(): Overlay {
    this.last = this.all.layers.overlay(this.last.key) ?? this.last;
    return this.last;
  }

  abstract get layerIndex(): number | 'merged';
  abstract get path(): string;
  abstract get entry(): LayerEntry | undefined;

  get place(): LayerPath {
    return { overlay: overlayRef(this.overlay), layer: this.layerIndex, path: this.path };
  }

  override get container(): Container | undefined {
    return overlayContainer(this.model, this.overlay);
  }

  /** What it says when there is nothing in it. */
  protected emptyText(): string {
    return this.all.options.onlyChanges ? vscode.l10n.t('No changes in here') : vscode.l10n.t('Empty');
  }

  override async children(): Promise<TreeNode[]> {
    this.all.watches.unfolded(this);
    const { bySize } = this.all.options;
    try {
      const listing = await this.list(bySize ? MOST_SORTED : this.limit);
      if (bySize) this.all.watches.measure(this);
      return this.entryRows(listing, bySize);
    } catch (error) {
      // What is of a helper that is no more stays, greyed.
      if (this.listing !== undefined && this.tree.host.stale) return this.entryRows(this.listing, bySize);
      return [failureRow(this, vscode.l10n.t('Not readable'), error)];
    }
  }

  /** At least `wanted` entries where there are as many: from the start, or where the list was shorter before, only the rest. */
  private async list(wanted: number): Promise<Listing> {
    const known = this.listing;
    const fresh = known === undefined || known.wanted >= wanted;
    let listing: Listing = fresh ? { ...NOTHING_READ, wanted } : { ...known, wanted };
    while (listing.next !== undefined && listing.entries.length < wanted) listing = await this.nextPage(listing);
    this.listing = listing;
    return listing;
  }

  private async nextPage(listing: Listing): Promise<Listing> {
    const { entries, next, incomplete } = await this.all.connection.request(LayersReadDirectory, {
      ...this.place,
      // Not more than was asked for, or the row that shows more would have no more to show.
      limit: Math.min(PAGE, listing.wanted - listing.entries.length),
      ...(this.all.options.onlyChanges ? { changedOnly: true } : {}),
      ...(listing.next === undefined || listing.next === START ? {} : { after: listing.next }),
    });
    return { ...listing, entries: [...listing.entries, ...entries], next, incomplete: listing.incomplete ?? incomplete };
  }

  private entryRows({ entries, next, incomplete }: Listing, bySize: boolean): TreeNode[] {
    const words = this.all.nameWords(this.overlay);
    const found =
      words.length === 0 ? entries : entries.filter(({ name, type }) => type === 'directory' || nameHolds(name, words));
    const rows = this.rows(this.sorted(found, bySize, next === undefined), (entry) => this.entryRow(entry));
    if (next !== undefined) {
      // The list goes on where it was read to.
      const shown = rows.filter((row) => !(row instanceof MoreNode));
      const more = this.child('more', (id) => new MoreNode(this.tree, id, this));
      more.remaining = Number.POSITIVE_INFINITY;
      rows.splice(0, rows.length, ...shown, more);
    }
    if (incomplete !== undefined) rows.push(this.incompleteRow(incomplete));
    return rows.length === 0 ? [this.emptyRow(words)] : rows;
  }

  private incompleteRow(why: Unknown): TreeNode {
    return unknownRow(this, 'incomplete', vscode.l10n.t('Some of it could not be read'), why);
  }

  private emptyRow(words: readonly string[]): TreeNode {
    const text = words.length === 0 ? this.emptyText() : vscode.l10n.t('No file matches the filter');
    return this.fact('empty', text, '', 'circle-slash');
  }

  /** Directories first where the whole list is there, else as the helper pages it: by name. */
  private sorted(entries: readonly LayerEntry[], bySize: boolean, whole: boolean): readonly LayerEntry[] {
    if (bySize) return [...entries].sort((a, b) => this.sizeOf(b) - this.sizeOf(a) || compareNames(a.name, b.name));
    if (!whole) return entries;
    const rank = ({ type }: LayerEntry) => Number(type !== 'directory');
    return [...entries].sort((a, b) => rank(a) - rank(b) || compareNames(a.name, b.name));
  }

  private sizeOf(entry: LayerEntry): number {
    const measured = this.all.sizes.ofEntry(this.placeOf(entry))?.sizeBytes;
    return measured ?? (entry.type === 'directory' ? 0 : entry.sizeBytes);
  }

  private placeOf(entry: LayerEntry): LayerPath {
    return { ...this.place, path: childPath(this.path, entry.name) };
  }

  private entryRow(entry: LayerEntry): EntryNode {
    const row = this.child(EntryNode.key(entry.name), (id) => new EntryNode(this.tree, id, this, this.all, entry));
    row.show(entry);
    return row;
  }

  /** The row of an entry, reading on until it comes; undefined when the directory has none, or it is hidden. */
  async find(name: string): Promise<EntryNode | undefined> {
    for (;;) {
      const rows = await this.children();
      const found = rows.find((row): row is EntryNode => row instanceof EntryNode && row.entry.name === name);
      if (found !== undefined || !(rows.at(-1) instanceof MoreNode)) return found;
      this.limit *= 2;
    }
  }

  /** "42 MiB", "measuring…", or nothing when nobody wanted to know. */
  protected measuredText(): string | undefined {
    const measurement = this.all.sizes.of(this.place);
    if (measurement?.state === 'measuring') {
      const { progress } = measurement;
      return progress === undefined
        ? vscode.l10n.t('measuring…')
        : vscode.l10n.t('measuring… {0}, {1}', sizeText(progress), entriesText(progress.entries));
    }
    if (measurement?.state === 'failed') return vscode.l10n.t('size unknown');
    const size = this.all.sizes.ofEntry(this.place);
    return size === undefined ? undefined : measuredText(size);
  }
}

/** A file or directory in a layer, or in what the container sees. */
export class EntryNode extends DirectoryRow {
  readonly path: string;
  readonly layerIndex: number | 'merged';
  private shown: LayerEntry;

  constructor(tree: TreeContext, id: string, parent: DirectoryRow, all: LayerParts, entry: LayerEntry) {
    super(tree, id, parent, all, parent.overlay);
    this.shown = entry;
    this.layerIndex = parent.layerIndex;
    this.path = childPath(parent.path, entry.name);
  }

  static key(name: string): string {
    return `entry ${wellFormedName(name)}`;
  }

  get entry(): LayerEntry {
    return this.shown;
  }

  show(entry: LayerEntry): void {
    this.shown = entry;
  }

  private get isDirectory(): boolean {
    return this.shown.type === 'directory';
  }

  override get fileName(): string {
    return entryName(this.shown.name).replaceAll('/', '');
  }

  /** In the lowest layer everything is new: saying so of each row says nothing. */
  private get marks(): LayerEntry['marks'] {
    const lowest = this.layerIndex === this.overlay.layers.length - 1;
    return lowest ? this.shown.marks.filter((mark) => mark !== 'added') : this.shown.marks;
  }

  override get decoration() {
    return markDecoration(this.marks);
  }

  override item(): vscode.TreeItem {
    if (this.isDirectory) this.all.watches.drawn(this);
    const { entry } = this;
    const { None, Collapsed } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(entryName(entry.name), this.isDirectory ? Collapsed : None);
    item.description = this.description();
    item.iconPath = entryIcon(entry);
    item.contextValue = this.contextValue();
    if (!this.isDirectory) item.command = { command: Command.openLayerFile, title: vscode.l10n.t('Open'), arguments: [this] };
    item.accessibilityInformation = {
      label: [entryName(entry.name), typeText(entry.type), ...this.marks.map(markText), this.description()].join(', '),
    };
    return item;
  }

  private contextValue(): string {
    const { type } = this.shown;
    const kind = type === 'file' || type === 'directory' || type === 'symlink' || type === 'whiteout' ? type : 'special';
    return ['layerEntry', kind, this.layerIndex === 'merged' ? 'inMerged' : 'inLayer', ...this.shown.marks].join(' ');
  }

  private description(): string {
    const { entry, overlay } = this;
    const provider = entry.providedBy === undefined ? undefined : overlay.layers[entry.providedBy];
    return parts(
      entry.symlinkTarget === undefined ? undefined : `→ ${pathText(entry.symlinkTarget)}`,
      entry.redirect === undefined ? undefined : vscode.l10n.t('was {0}', pathText(entry.redirect)),
      entry.type === 'file' ? sizeText(entry) : this.isDirectory ? this.measuredText() : undefined,
      entry.deviceNumber === undefined || entry.type === 'whiteout'
        ? undefined
        : `${typeText(entry.type)} ${pathText(entry.deviceNumber)}`,
      entry.type === 'whiteout' ? vscode.l10n.t('deleted') : undefined,
      provider === undefined || entry.covered ? undefined : layerName(overlay, provider),
      entry.coveredBy === undefined ? undefined : coverText(entry.coveredBy),
      entry.covered ? vscode.l10n.t('covered by a mount') : undefined,
      entry.unknown === undefined ? undefined : unknownText(entry.unknown),
    );
  }

  override tooltip(): vscode.MarkdownString {
    const { entry, overlay } = this;
    const provider = entry.providedBy === undefined ? undefined : overlay.layers[entry.providedBy];
    return factsTooltip(entryName(entry.name), [
      ['', this.marks.map(markText).join('; ')],
      [vscode.l10n.t('Path'), pathText(this.path)],
      [vscode.l10n.t('Type'), typeText(entry.type)],
      [vscode.l10n.t('Leads to'), entry.symlinkTarget === undefined ? undefined : pathText(entry.symlinkTarget)],
      [vscode.l10n.t('Lower part'), entry.redirect === undefined ? undefined : pathText(entry.redirect)],
      // A whiteout is no file: it has none of these.
      ...(entry.type === 'whiteout' ? [] : this.attributes()),
      [vscode.l10n.t('Provided by'), provider === undefined ? undefined : layerTitle(overlay, provider)],
      [vscode.l10n.t('Mounted here'), entry.coveredBy === undefined ? undefined : coverText(entry.coveredBy)],
      [
        vscode.l10n.t('Covered'),
        entry.covered ? vscode.l10n.t('The container does not see it: a mount covers its directory.') : undefined,
      ],
      [vscode.l10n.t('Unknown'), entry.unknown === undefined ? undefined : reasonText(entry.unknown.unknown)],
    ]);
  }

  private attributes(): [label: string, value: string | undefined][] {
    const { entry } = this;
    const size = this.all.sizes.ofEntry(this.place);
    const measured = size && measuredWholeText(size);
    return [
      [vscode.l10n.t('Size'), this.isDirectory ? measured : bothSizesText(entry)],
      [vscode.l10n.t('Permissions'), `${modeText(entry.mode)} (${(entry.mode & 0o7777).toString(8)})`],
      [vscode.l10n.t('Owner'), vscode.l10n.t('uid {0}, gid {1}', entry.uid, entry.gid)],
      [vscode.l10n.t('Modified'), timeText(entry.modifiedMillis)],
      [vscode.l10n.t('Hard links'), entry.links > 1 && !this.isDirectory ? String(entry.links) : undefined],
    ];
  }
}

function entryIcon({ type }: LayerEntry): vscode.ThemeIcon {
  switch (type) {
    case 'directory':
      return vscode.ThemeIcon.Folder;
    case 'symlink':
      return new vscode.ThemeIcon('file-symlink-file');
    case 'characterDevice':
    case 'blockDevice':
    case 'fifo':
    case 'socket':
      return new vscode.ThemeIcon('plug');
    default:
      return vscode.ThemeIcon.File;
  }
}
