/**
 * What the page on a stack of layers and the extension say to each other. Types only; both sides import them. The page is told what to show,
 * complete and already in words of the person's language; it says what the person did.
 */

/** What a layer is for; the page draws each in another way. */
export type SlabRole = 'readWrite' | 'init' | 'image' | 'host' | 'lower' | 'data';

/** How a layer looks while a path is looked up: it decides what the container sees, has a copy that is not seen, or has none. */
export type Light = 'provides' | 'merges' | 'hides' | 'hidden' | 'dark' | 'unknown';

export interface Slab {
  layer: number;
  role: SlabRole;
  /** "Image layer 3". */
  name: string;
  /** The build step that made it. */
  step?: string;
  /** Its digest, shortened, or its directory. */
  id?: string;
  size: {
    state: 'unmeasured' | 'measuring' | 'measured' | 'failed';
    text: string;
    /** Of the largest layer, 0 to 1. */
    share: number;
    /** Of this layer, 0 to 1: what a layer above replaces or deletes. */
    wasted: number;
  };
  /** "1,204 entries". */
  entries?: string;
  changes: { kind: 'added' | 'modified' | 'perhapsModified' | 'deleted'; text: string; label: string }[];
  notes: { kind: 'shared' | 'wasted' | 'unknown'; text: string }[];
  /** While a path is looked up. */
  lit?: { light: Light; text: string; detail?: string };
}

export type StackAction = 'measure' | 'cancel' | 'reveal' | 'refresh' | 'restart' | 'restartAsRoot';

export interface StackButton {
  action: StackAction;
  label: string;
}

export interface Stack {
  title: string;
  subtitle: string;
  /** Sums over the layers: label and value. */
  totals: { label: string; value: string }[];
  buttons: StackButton[];
  field: { label: string; placeholder: string; path: string /** Raised when the extension sets `path`. */; serial: number };
  /** Of the path that is looked up. */
  answer?: { tone: 'plain' | 'missing' | 'unknown'; text: string; notes: string[] };
  /** A mount that covers the path. */
  cover?: { text: string; detail: string };
  /** What a slab's button does, for screen readers. */
  hint: string;
  slabs: Slab[];
}

/** To the page: always everything that it is to show. */
export interface ToStack {
  type: 'stack';
  stack: Stack;
  /** What the page stores, for the window to give back after a reload. */
  state: Record<string, unknown>;
  /** Why it may be out of date, or is not all. */
  notice?: { text: string; buttons: StackButton[] };
}

/** From the page. */
export type FromStack =
  | { type: 'ready' }
  | { type: 'path'; path: string }
  | { type: 'layer'; layer: number }
  | { type: 'action'; action: StackAction };
