/** What differs between two mount tables, as parts of a page: what is unusual first, then what engines do to every container, what is the same folded. */
import * as vscode from 'vscode';
import type { MountEntry, MountsListResult } from '../../helper/protocol/mounts.ts';
import type { Block, Fact, Section, Value } from '../../webview/messages.ts';
import { oneLine } from '../plain/plainText.ts';
import { parts } from '../words/hostWords.ts';
import {
  type ChangedMount,
  compareMountTables,
  type HiddenMount,
  isOverlay,
  type MountChange,
  type MountComparison,
  type MountView,
  mountView,
  type Propagation,
  pathOfSame,
  propagationOf,
  type SeenMount,
  sharedLayers,
  tellingOptions,
  type UsualPart,
  usualPart,
} from '../words/mountComparison.ts';

/** What the two are called in sentences. */
export interface ComparedNames {
  /** "web". */
  mine: string;
  /** "the host", or another's name. */
  other: string;
  /** The other is the host, whose mounts a container with a root of its own is not meant to have. */
  isOtherHost: boolean;
  /** The engine that made mine: what it does to every container is usual. */
  engine?: string;
}

export interface MountParts {
  /** Each with a heading and at least one block. */
  parts: Section[];
  /** Places at which something differs that no engine does to every container. */
  unusual: number;
  /** All places at which something differs. */
  different: number;
  /** Both tables were read to their end. */
  isWhole: boolean;
}

/** More than a person reads in one table. */
const MOST_ROWS = 200;
const MOST_NAMED = 12;
const PATH_LENGTH = 4096;

export function mountParts(mine: MountsListResult, other: MountsListResult, names: ComparedNames): MountParts {
  return new Parts(mine, other, names).all();
}

type Usual = Record<UsualPart, SeenMount[]>;

function noneOf(): Usual {
  return { root: [], masked: [], readOnly: [], kernelFiles: [], engineFile: [] };
}

class Parts {
  private readonly mine: MountsListResult;
  private readonly other: MountsListResult;
  private readonly names: ComparedNames;
  private readonly found: MountComparison;
  private readonly mineView: MountView;
  private readonly otherView: MountView;
  private readonly usual = noneOf();
  private readonly lacking = noneOf();
  private readonly added: SeenMount[] = [];
  private readonly removed: SeenMount[] = [];
  private readonly changed: ChangedMount[] = [];
  /** Of the same kind in both, and each one's own. */
  private readonly alike: ChangedMount[] = [];

  /** Mine has a root of its own, so that of the host's mounts none is meant to be in it. */
  private readonly isApart: boolean;

  constructor(mine: MountsListResult, other: MountsListResult, names: ComparedNames) {
    this.mine = mine;
    this.other = other;
    this.names = names;
    this.found = compareMountTables(mine.mounts, other.mounts);
    this.mineView = mountView(mine.mounts);
    this.otherView = mountView(other.mounts);
    const root = this.found.changed.find(({ place: at }) => at === '/');
    this.isApart = names.isOtherHost && root !== undefined && root.change !== 'options';
    for (const one of this.found.changed) this.sortChanged(one);
    for (const seen of this.found.onlyMine) this.put(this.usual, this.added, seen);
    for (const seen of this.found.onlyOther) this.put(this.lacking, this.removed, seen);
  }

  /**
   * Whether what engines do is to be looked for: in a container, which has a root of its own or hides what every container hides. Who only has mounts of its
   * own may have made the same for other reasons.
   */
  private get isOfContainers(): boolean {
    return this.isApart || !this.names.isOtherHost || this.found.onlyMine.some((seen) => usualPart(seen) === 'masked');
  }

  /** Of what the host has and a container has not nothing is an engine's doing. */
  private put(usual: Usual, others: SeenMount[], seen: SeenMount): void {
    const isOfHost = others === this.removed && this.names.isOtherHost;
    const part = this.isOfContainers && !isOfHost ? usualPart(seen) : undefined;
    (part === undefined ? others : usual[part]).push(seen);
  }

  private sortChanged(one: ChangedMount): void {
    const isTheSame = one.change === 'options' || !this.isOfContainers;
    const part = isTheSame ? undefined : usualPart(one.mine, this.names.isOtherHost ? one.other : undefined);
    if (this.names.isOtherHost) {
      if (part === undefined) this.changed.push(one);
      else this.usual[part].push(one.mine);
      return;
    }
    const isOwn = one.change === 'own' && one.gained.length + one.lost.length === 0;
    // Of two roots it matters what each is made of.
    const isUsual = part !== undefined && part !== 'root' && part === usualPart(one.other);
    (isOwn || (isUsual && one.change !== 'own') ? this.alike : this.changed).push(one);
  }

  all(): MountParts {
    const { changed, found, isApart } = this;
    const options = changed.filter((one) => this.isOfOptions(one));
    const hiddenOther = isApart ? [] : found.hiddenOther;
    const differing = [
      this.addedPart(),
      this.sourcePart(changed.filter((one) => !this.isOfOptions(one))),
      this.readOnlyPart(options.filter(({ gained }) => gained.includes('ro'))),
      this.optionsPart(options.filter(({ gained }) => !gained.includes('ro'))),
      isApart ? undefined : this.removedPart(),
      this.hiddenPart(found.hiddenMine, this.names.mine, this.inMine),
      this.hiddenPart(hiddenOther, this.names.other, this.inOther),
      this.usualPart(this.usual, this.usualHeading()),
      this.usualPart(this.lacking, vscode.l10n.t('Only {0}, as engines do to every container', this.inOther)),
      this.propagationPart(),
    ].filter((part) => part !== undefined);
    const removed = isApart ? 0 : this.removed.length;
    const unusual = this.added.length + changed.length + removed + found.hiddenMine.length + hiddenOther.length;
    const isWhole = this.mine.complete && this.other.complete && this.mine.omitted + this.other.omitted === 0;
    return {
      parts: [...this.warnings(), ...differing, ...this.restPart(differing.length === 0 && isWhole)],
      unusual,
      different: unusual + countOf(this.usual) + countOf(this.lacking),
      isWhole,
    };
  }

  /** Of two containers each has its own of what engines mount, and only what may be done there can differ. */
  private isOfOptions({ change }: ChangedMount): boolean {
    return change === 'options' || (change === 'own' && !this.names.isOtherHost);
  }

  /** "in web", "on the host". */
  private get inMine(): string {
    return vscode.l10n.t('in {0}', this.names.mine);
  }

  private get inOther(): string {
    return this.names.isOtherHost ? vscode.l10n.t('on the host') : vscode.l10n.t('in {0}', this.names.other);
  }

  private warnings(): Section[] {
    const texts = [
      ...missingTexts(this.mine, this.names.mine, this.names.other),
      ...missingTexts(this.other, this.names.other, this.names.mine),
    ];
    if (texts.length === 0) return [];
    const blocks = texts.map((text): Block => ({ kind: 'text', tone: 'unknown', text }));
    return [{ heading: vscode.l10n.t('What is not known'), blocks }];
  }

  private addedPart(): Section | undefined {
    return this.listPart(vscode.l10n.t('Only {0}', this.inMine), this.added, this.otherView, this.names.other);
  }

  private removedPart(): Section | undefined {
    return this.listPart(vscode.l10n.t('Only {0}', this.inOther), this.removed, this.mineView, this.names.mine);
  }

  private listPart(heading: string, list: SeenMount[], elsewhere: MountView, whose: string): Section | undefined {
    if (list.length === 0) return undefined;
    return { heading: counted(heading, list.length), blocks: this.mountList(heading, list, elsewhere, whose) };
  }

  /** Places with what is mounted there; `elsewhere` is the other table, if the same directory is to be found there. */
  private mountList(caption: string, list: SeenMount[], elsewhere?: MountView, whose = ''): Block[] {
    const columns = [vscode.l10n.t('Place'), vscode.l10n.t('What is mounted there')];
    return tableBlocks(caption, columns, list, ({ mount }) => [place(mount), this.mountValue(mount, elsewhere, whose)]);
  }

  /** "/srv/data of the host", or the file system. */
  private mountValue(mount: MountEntry, elsewhere: MountView | undefined, whose: string): Value {
    const path = elsewhere === undefined ? undefined : pathOfSame(mount, elsewhere);
    const also = propagationWord(propagationOf(mount));
    if (path === undefined) return { ...sourceValue(mount), note: parts(mayText(mount), also) };
    return {
      text: vscode.l10n.t('{0} of {1}', oneLine(path, PATH_LENGTH), whose),
      note: parts(mayText(mount), also, sourceText(mount)),
    };
  }

  private sourcePart(list: ChangedMount[]): Section | undefined {
    if (list.length === 0) return undefined;
    const heading = vscode.l10n.t('Something else than {0}', this.inOther);
    const blocks = tableBlocks(heading, this.columns(), list, ({ mine: { mount }, other, change }) => [
      place(mount),
      layersValue(mount, other.mount) ?? this.otherSource(mount, change),
      { ...sourceValue(other.mount), note: mayText(other.mount) },
    ]);
    return { heading: counted(heading, list.length), blocks };
  }

  private otherSource(mount: MountEntry, change: MountChange): Value {
    if (change !== 'own') return this.mountValue(mount, this.otherView, this.names.other);
    return { ...sourceValue(mount), note: parts(vscode.l10n.t('one of its own'), mayText(mount)) };
  }

  private columns(): string[] {
    return [vscode.l10n.t('Place'), this.inMine, this.inOther];
  }

  private readOnlyPart(list: ChangedMount[]): Section | undefined {
    return this.optionsTable(vscode.l10n.t('Read-only {0}', this.inMine), list);
  }

  private optionsPart(list: ChangedMount[]): Section | undefined {
    return this.optionsTable(vscode.l10n.t('With other options'), list);
  }

  private optionsTable(heading: string, list: ChangedMount[]): Section | undefined {
    if (list.length === 0) return undefined;
    const blocks = tableBlocks(heading, this.columns(), list, ({ mine, other }) => [
      place(mine.mount),
      { text: mayText(mine.mount) },
      { text: mayText(other.mount) },
    ]);
    return { heading: counted(heading, list.length), blocks };
  }

  private hiddenPart(list: HiddenMount[], whose: string, where: string): Section | undefined {
    if (list.length === 0) return undefined;
    const heading = vscode.l10n.t('Mounted {0}, and hidden', where);
    const columns = [vscode.l10n.t('Place'), vscode.l10n.t('What is mounted there'), vscode.l10n.t('What is seen instead')];
    const blocks = tableBlocks(heading, columns, list, ({ mount, under }) => [
      place(mount),
      sourceValue(mount),
      under === undefined
        ? { text: vscode.l10n.t('what {0} has there', whose) }
        : { ...sourceValue(under), note: vscode.l10n.t('mounted at {0}', oneLine(under.mountPoint, PATH_LENGTH)) },
    ]);
    return { heading: counted(heading, list.length), blocks };
  }

  private usualHeading(): string {
    const { engine, isOtherHost } = this.names;
    if (!isOtherHost) return vscode.l10n.t('Only {0}, as engines do to every container', this.inMine);
    return engine === undefined
      ? vscode.l10n.t('As is usual in containers')
      : vscode.l10n.t('As {0} does to every container', engine);
  }

  private usualPart(usual: Usual, heading: string): Section | undefined {
    const facts = usualFacts(usual);
    return facts.length === 0 ? undefined : { heading: counted(heading, countOf(usual)), blocks: [{ kind: 'facts', facts }] };
  }

  /** Of what both have: what happens to mounts that are made there later. */
  private propagationPart(): Section | undefined {
    const facts = this.found.propagation.map(
      ({ mine, other, places }): Fact => ({
        label: places.length === 1 ? oneLine(places[0] ?? '', PATH_LENGTH) : vscode.l10n.t('{0} places', places.length),
        value: {
          text: propagationText(mine),
          note: vscode.l10n.t('{0}: {1} · {2}: {3}', this.inMine, mine, this.inOther, other),
        },
      }),
    );
    if (facts.length === 0) return undefined;
    return { heading: vscode.l10n.t('Mounts that are made later'), blocks: [{ kind: 'facts', facts }] };
  }

  /** What no eye has to meet first: what is the same, what is each one's own, and what of the host is not there. */
  private restPart(isNothingElse: boolean): Section[] {
    const { alike, found, names } = this;
    const blocks: Block[] = [];
    const fold = (summary: string, list: SeenMount[]) => {
      if (list.length > 0) blocks.push({ kind: 'details', summary, blocks: this.mountList(summary, list) });
    };
    if (isNothingElse) blocks.push({ kind: 'text', tone: 'plain', text: vscode.l10n.t('Nothing differs.') });
    const left = this.isApart ? this.removed : [];
    const same = found.same.map((mount): SeenMount => ({ mount, on: undefined }));
    fold(vscode.l10n.t('{0} mounts the same', same.length), same);
    const own = alike.map(({ mine }) => mine);
    fold(vscode.l10n.t('{0} of the same kind, each its own', own.length), own);
    fold(vscode.l10n.t('{0} mounts of the host that {1} does not have', left.length, names.mine), left);
    return blocks.length === 0
      ? []
      : [{ heading: isNothingElse ? vscode.l10n.t('What is the same') : vscode.l10n.t('The rest'), blocks }];
  }
}

function missingTexts(table: MountsListResult, whose: string, than: string): string[] {
  const texts: string[] = [];
  if (!table.complete)
    texts.push(
      vscode.l10n.t(
        'Of {0} only what is mounted below the root of its process could be read: what seems to be only in {1} may be in it, too.',
        whose,
        than,
      ),
    );
  if (table.omitted > 0) texts.push(vscode.l10n.t('{0} more mounts of {1} are left out of this.', table.omitted, whose));
  return texts;
}

function usualFacts(usual: Usual): Fact[] {
  const lines: [UsualPart, string, string][] = [
    ['root', vscode.l10n.t('Root'), vscode.l10n.t('an overlay of its own, made of layers')],
    ['masked', vscode.l10n.t('Hidden'), vscode.l10n.t('parts of /proc and /sys that tell of the host or act on it')],
    ['readOnly', vscode.l10n.t('Read-only'), vscode.l10n.t('parts of /proc and /sys that would set something of the host')],
    [
      'kernelFiles',
      vscode.l10n.t('Of its own'),
      vscode.l10n.t('processes, devices, shared memory, and its part of the cgroups'),
    ],
    ['engineFile', vscode.l10n.t('Names'), vscode.l10n.t('files that the engine writes for it')],
  ];
  return lines.flatMap(([part, label, text]) => {
    const list = usual[part];
    return list.length === 0
      ? []
      : [{ label: part === 'root' ? label : counted(label, list.length), value: { text, note: placesText(list) } }];
  });
}

function placesText(list: readonly SeenMount[]): string {
  const named = list.slice(0, MOST_NAMED).map(({ mount }) => oneLine(mount.mountPoint));
  const more = list.length - named.length;
  return more > 0 ? vscode.l10n.t('{0} and {1} more', named.join(', '), more) : named.join(', ');
}

function countOf(usual: Usual): number {
  return Object.values(usual).reduce((sum, list) => sum + list.length, 0);
}

function counted(heading: string, count: number): string {
  return `${heading}: ${count}`;
}

/** Cells are made only of the rows that are shown: a table may have as many mounts as somebody likes to make. */
function tableBlocks<T>(caption: string, columns: string[], list: readonly T[], cells: (one: T) => Value[]): Block[] {
  const rows = list.slice(0, MOST_ROWS).map((one) => ({ cells: cells(one) }));
  const blocks: Block[] = [{ kind: 'table', table: { caption, columns, rows } }];
  const more = list.length - rows.length;
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('{0} more are not shown.', more) });
  return blocks;
}

function place({ mountPoint }: MountEntry): Value {
  return { text: oneLine(mountPoint, PATH_LENGTH), code: true };
}

function sourceValue(mount: MountEntry): Value {
  return { text: sourceText(mount), code: true };
}

/** Of an overlay beside another. */
function layersValue(mine: MountEntry, other: MountEntry): Value | undefined {
  const layers = isOverlay(mine) && isOverlay(other) ? sharedLayers(mine, other) : undefined;
  if (layers === undefined) return undefined;
  const note = vscode.l10n.t('{0} of its {1} lower layers are in both', layers.shared, layers.all);
  return { ...sourceValue(mine), note: parts(mayText(mine), note) };
}

/** As findmnt(8) writes it: of a file system only a part may be mounted. */
function sourceText({ type, source, root }: MountEntry): string {
  const from = root === '/' ? source : `${source}[${root}]`;
  return oneLine(type === source ? from.replace(source, type) : `${type} ${from}`, PATH_LENGTH);
}

/** "writable", "read-only, nosuid". */
function mayText(mount: MountEntry): string {
  const telling = tellingOptions(mount);
  const words: Record<string, string> = {
    ro: vscode.l10n.t('read-only'),
    nosuid: 'nosuid',
    nodev: 'nodev',
    noexec: 'noexec',
    nosymfollow: 'nosymfollow',
    idmapped: vscode.l10n.t('ids mapped'),
  };
  const all = telling.map((option) => words[option] ?? option);
  return (telling.includes('ro') ? all : [vscode.l10n.t('writable'), ...all]).join(', ');
}

/** Of a mount that only one has: what it lets through, which most do not. */
function propagationWord(propagation: Propagation): string | undefined {
  return propagation === 'private' ? undefined : propagation;
}

function propagationText(mine: Propagation): string {
  switch (mine) {
    case 'private':
    case 'unbindable':
      return vscode.l10n.t('What is mounted there later, in one or the other, stays in it.');
    case 'slave':
    case 'slave, shared':
      return vscode.l10n.t(
        'What is mounted later where they come from appears. What is mounted in them does not appear there.',
      );
    case 'shared':
      return vscode.l10n.t('What is mounted later appears in all that share it.');
  }
}
