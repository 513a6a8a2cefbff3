/**
 * What a panel's page and the extension say to each other. Types only; both sides import them. The page is told what to show, complete and
 * already in words of the person's language; it says what the person did.
 */

/** How a value is to be read: `unknown` could not be found out, `danger` weakens isolation, `muted` is nothing special. */
export type Tone = 'plain' | 'muted' | 'unknown' | 'danger';

export interface Value {
  text: string;
  tone?: Tone;
  /** Set in the editor's font: ids, paths, commands. */
  code?: boolean;
  /** A few words beside it. */
  note?: string;
  /** It leads to something: what is sent back when a person follows it. */
  link?: string;
}

/** A word that stands for itself, such as a namespace, with what it says about it. */
export interface Chip {
  text: string;
  note: string;
  tone: Tone;
  link?: string;
}

/** A layer of what a container is made of, from the top. */
export interface LayerBar {
  kind: 'readWrite' | 'image' | 'other';
  text: string;
  note?: string;
}

/** A figure as it is now, with how it came to be so: `points` are from the oldest on, of 0 to `top`; `null` is a gap. */
export interface LiveFigure {
  label: string;
  text: string;
  note?: string;
  points: (number | null)[];
  top: number;
  /** Whether the top is a limit. */
  isLimited: boolean;
  close: boolean;
}

export interface Fact {
  label: string;
  value: Value;
}

export interface Table {
  /** For screen readers; not shown. */
  caption: string;
  columns: string[];
  rows: { cells: Value[]; muted?: boolean }[];
}

export type Block =
  | { kind: 'facts'; facts: Fact[] }
  | { kind: 'table'; table: Table }
  | { kind: 'names'; label: string; names: { text: string; danger?: boolean }[] }
  | { kind: 'text'; text: string; tone: Tone }
  /** Of a part of a section. */
  | { kind: 'heading'; text: string }
  /** How much of a limit is used; `part` is 0 to 1. The text says it to whom the bar says nothing. */
  | { kind: 'meter'; label: string; text: string; part: number; close: boolean }
  | { kind: 'chips'; label: string; chips: Chip[] }
  | { kind: 'live'; figures: LiveFigure[] }
  | { kind: 'layers'; label: string; layers: LayerBar[] }
  /** What weakens isolation, worst first. */
  | { kind: 'alerts'; alerts: { severity: 'danger' | 'caution'; text: string; detail: string; link?: string }[] }
  /** Folded away until asked for. */
  | { kind: 'details'; summary: string; blocks: Block[] };

export interface Section {
  heading: string;
  blocks: Block[];
  /** Among cards: it takes the whole width. */
  isWide?: boolean;
}

/** What the page offers to do. */
export type Action =
  | 'refresh'
  | 'enterNamespaces'
  | 'revealInContainers'
  | 'revealInNamespaces'
  | 'revealInCgroups'
  | 'compareMounts'
  | 'compareMountsAsText'
  | 'compareWith'
  | 'openTerminal'
  | 'openOverview'
  | 'runInNewNamespace'
  | 'newSandbox'
  | 'showStack'
  | 'inspectProcess'
  | 'inspectCgroup'
  | 'monitor'
  | 'setCpuLimit'
  | 'setMemoryLimit'
  | 'setTasksLimit'
  | 'openCgroupFile'
  | 'restartAsRoot'
  | 'restart';

export interface Button {
  action: Action;
  label: string;
}

/** A complete page. */
export interface Page {
  title: string;
  subtitle: string;
  buttons: Button[];
  sections: Section[];
  /** Sections stand beside each other where there is room. */
  layout?: 'cards';
}

/** To the page: always everything that it is to show. */
export type ToPage = ToPageContent & {
  /** What the page stores, for the window to give back after a reload. */
  state?: Record<string, unknown>;
};

type ToPageContent =
  | { type: 'loading'; text: string }
  | { type: 'page'; page: Page /** Why it may be out of date. */; notice?: { text: string; buttons: Button[] } }
  | { type: 'failed'; title: string; text: string; buttons: Button[] };

/** From the page. */
export type FromPage = { type: 'ready' } | { type: 'action'; action: Action } | { type: 'follow'; link: string };
