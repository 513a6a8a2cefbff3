import * as vscode from 'vscode';
import { type LayerPath, LayersChanges, LayersReadFile, type Overlay } from '../../../helper/protocol/layers.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { HelperError } from '../../connection/helperError.ts';
import { type Copy, copyAt, mustBeComparable, showDifference, side } from '../../documents/layerCopies.ts';
import { CHUNK_BYTES } from '../../documents/layerFileSystem.ts';
import { compareNames } from '../../model/hierarchy.ts';
import type { Host } from '../../model/liveHost.ts';
import { difference, layersNotShared, overlayRef } from '../../model/overlayStack.ts';
import { during } from '../../plain/notify.ts';
import { pickWithButtons } from '../../plain/pick.ts';
import { showFailure } from '../../words/failureMessage.ts';
import { countText, overlayName, pathText } from '../../words/layerWords.ts';
import { type LayerPicks, type LayerSpot, mustKnowLayers } from './layerPicks.ts';

export const compareContainersCommand: CommandContribution = {
  id: 'isoscope.layers.compareContainers',
  title: 'Compare Two Containers…',
  menus: {
    'view/title': [{ group: '0_layers@3', when: { view: 'layers' } }],
    'view/item/context': [
      { group: '2_compare@3', when: [IN_ANY_VIEW, { row: ['overlay', 'merged', 'layerEntry (file|directory)'] }] },
    ],
  },
};

const PAGE = 10_000;
/** More paths than a person goes through; beyond, the list says that it is not all. */
const MOST_DIFFERENCES = 5000;
/** Beyond it what has the same size and time is called perhaps different; so are files larger than one answer. */
const MOST_READ_BYTES = 64 * 1024 * 1024;
/** Paths that are asked for together: one after the other, most of the time would go into waiting for the answers. */
const AT_ONCE = 32;

interface Difference extends vscode.QuickPickItem {
  path: string;
}

/** A file of two containers side by side; of a directory, or of all, first the list of what differs. */
export async function compareContainers(
  connection: HelperConnection,
  host: Host,
  picks: LayerPicks,
  { overlay, place, entry }: LayerSpot,
): Promise<void> {
  const other = await picks.other(overlay);
  if (other === undefined) return;
  for (const one of [overlay, other]) mustKnowLayers(one);
  const compare = new Comparison(connection, host, overlay, other);
  if (entry !== undefined && entry.type !== 'directory') return compare.show(place.path);
  const found = await compare.list(place.path);
  if (found.items.length === 0) throw new Error(nothingFound(place.path, compare.isWhole));
  await choose(compare, found);
}

function nothingFound(path: string, isWhole: boolean): string {
  if (isWhole) return vscode.l10n.t('Nothing differs below {0}.', pathText(path));
  return vscode.l10n.t('Whether anything differs below {0} is unknown: some of it could not be read.', pathText(path));
}

/** The list stays open, so that one file after the other can be looked at. */
async function choose(compare: Comparison, { items, complete }: { items: Difference[]; complete: boolean }): Promise<void> {
  const count = countText(items.length);
  const placeHolder = !compare.isWhole
    ? vscode.l10n.t('{0} paths differ; some of it could not be read', count)
    : complete
      ? vscode.l10n.t('{0} paths differ', count)
      : vscode.l10n.t('The first {0} paths that differ', count);
  const question = { of: compare.title, placeHolder, matchOnDescription: true };
  await pickWithButtons(items, question, ({ path }) => {
    void compare.show(path).catch(showFailure);
    return 'stay';
  });
}

type Differs = Exclude<NonNullable<ReturnType<typeof difference>>, 'unread'> | 'sameSize' | 'perhaps';

class Comparison {
  private readonly connection: HelperConnection;
  private readonly host: Host;
  private readonly mine: Overlay;
  private readonly theirs: Overlay;
  /** Whether all that the layers changed could be read. */
  isWhole = true;
  /** Of contents, in each container. */
  private bytesLeft = MOST_READ_BYTES;

  constructor(connection: HelperConnection, host: Host, mine: Overlay, theirs: Overlay) {
    this.connection = connection;
    this.host = host;
    this.mine = mine;
    this.theirs = theirs;
  }

  private get names(): [mine: string, theirs: string] {
    return [overlayName(this.host.model, this.mine), overlayName(this.host.model, this.theirs)];
  }

  get title(): string {
    return this.names.join(' ↔ ');
  }

  private copy(overlay: Overlay, path: string): Promise<Copy | undefined> {
    return copyAt(this.connection, { overlay: overlayRef(overlay), layer: 'merged', path });
  }

  async show(path: string): Promise<void> {
    const [left, right] = await Promise.all([this.copy(this.mine, path), this.copy(this.theirs, path)]);
    mustBeComparable(left);
    mustBeComparable(right);
    const [mine, theirs] = this.names;
    const shown = (overlay: Overlay, copy: Copy | undefined, name: string) => ({
      ...side(this.host.model, overlay, copy, path, vscode.l10n.t('not in {0}', name)),
      ...(copy === undefined ? {} : { name }),
    });
    await showDifference(path, shown(this.mine, left, mine), shown(this.theirs, right, theirs));
  }

  /** Paths at or below `path` that differ. What both stacks have at the bottom cannot: only the layers above are gone through. */
  async list(path: string): Promise<{ items: Difference[]; complete: boolean }> {
    return await during({ title: this.title }, async (report, token) => {
      const candidates = new Set<string>();
      for (const [overlay, other] of [
        [this.mine, this.theirs],
        [this.theirs, this.mine],
      ] as const)
        for (const { index } of layersNotShared(overlay, other))
          for await (const changed of this.changes(overlay, index, token)) {
            if (isAtOrBelow(changed, path)) candidates.add(changed);
            report(vscode.l10n.t('{0} changed paths', countText(candidates.size)));
          }
      return await this.differing([...candidates].sort(compareNames), token);
    });
  }

  private async *changes(overlay: Overlay, layer: number, token: vscode.CancellationToken): AsyncGenerator<string> {
    let after: string | undefined;
    do {
      const page = { overlay: overlayRef(overlay), layer, limit: PAGE, ...(after === undefined ? {} : { after }) };
      const answer = await this.connection.request(LayersChanges, page, token);
      if (answer.incomplete !== undefined) this.isWhole = false;
      for (const { path } of answer.changes) yield path;
      after = answer.next;
    } while (after !== undefined);
  }

  private async differing(
    paths: readonly string[],
    token: vscode.CancellationToken,
  ): Promise<{ items: Difference[]; complete: boolean }> {
    const items: Difference[] = [];
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      if (token.isCancellationRequested) throw new vscode.CancellationError();
      if (items.length >= MOST_DIFFERENCES) return { items, complete: false };
      const found = await Promise.all(paths.slice(at, at + AT_ONCE).map((path) => this.differenceAt(path)));
      items.push(...found.filter((one) => one !== undefined));
    }
    return { items, complete: true };
  }

  private async differenceAt(path: string): Promise<Difference | undefined> {
    const [mine, theirs] = await Promise.all([this.copy(this.mine, path), this.copy(this.theirs, path)]);
    if (mine?.entry.unknown !== undefined || theirs?.entry.unknown !== undefined) this.isWhole = false;
    const differs = await this.differs(mine, theirs);
    return differs === undefined ? undefined : { path, label: pathText(path), ...this.described(differs) };
  }

  private async differs(mine: Copy | undefined, theirs: Copy | undefined): Promise<Differs | undefined> {
    const told = difference(mine?.entry, theirs?.entry);
    if (told !== 'unread') return told;
    const { sizeBytes } = mine!.entry;
    if (sizeBytes > CHUNK_BYTES || sizeBytes > this.bytesLeft) return 'perhaps';
    this.bytesLeft -= sizeBytes;
    try {
      const [one, other] = await Promise.all([this.content(mine!), this.content(theirs!)]);
      return one === other ? undefined : 'sameSize';
    } catch (error) {
      if (error instanceof HelperError && error.reason === 'cancelled') throw error;
      return 'perhaps';
    }
  }

  private async content({ place }: Copy): Promise<string> {
    return (await this.connection.request(LayersReadFile, { ...place, length: CHUNK_BYTES })).base64;
  }

  private described(differs: Differs): { description: string; iconPath: vscode.ThemeIcon } {
    const [mine, theirs] = this.names;
    const words = {
      onlyMine: { description: vscode.l10n.t('only in {0}', mine), icon: 'diff-removed' },
      onlyTheirs: { description: vscode.l10n.t('only in {0}', theirs), icon: 'diff-added' },
      type: { description: vscode.l10n.t('of another type'), icon: 'diff-modified' },
      content: { description: vscode.l10n.t('of another size or time'), icon: 'diff-modified' },
      sameSize: { description: vscode.l10n.t('of other content, but the same size and time'), icon: 'diff-modified' },
      perhaps: { description: vscode.l10n.t('perhaps: the same size and time, content not compared'), icon: 'question' },
      metadata: { description: vscode.l10n.t('other owner or permissions'), icon: 'diff-modified' },
    };
    const { description, icon } = words[differs];
    return { description, iconPath: new vscode.ThemeIcon(icon) };
  }
}

function isAtOrBelow(path: string, directory: LayerPath['path']): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}
