/** From what the helper says of an overlay, its sizes and a path to the drawing that a person sees. */
import * as vscode from 'vscode';
import type { Unknown } from '../../helper/protocol/errors.ts';
import type { Layer, LayerCover, LayerPath, LayerSize, LayersProvenanceResult, Overlay } from '../../helper/protocol/layers.ts';
import type { Light, Slab, Stack, StackButton } from '../../webview/stackMessages.ts';
import type { ClientModel } from '../model/clientModel.ts';
import type { Measurement } from '../model/layerSizes.ts';
import { entryOf, overlayRef, savedSize, sharers } from '../model/overlayStack.ts';
import { parts, reasonText, unknownText } from '../words/hostWords.ts';
import {
  countText,
  coverText,
  entriesText,
  entryFacts,
  hasText,
  layerCountText,
  layerName,
  measuredText,
  overlayContainer,
  overlayName,
  pathText,
  type Size,
  shortDigest,
  sizeText,
  stepText,
  wastedOf,
} from '../words/layerWords.ts';

export interface StackState {
  model: ClientModel;
  overlay: Overlay;
  /** The overlay of a key, when it is still mounted. */
  other(key: string): Overlay | undefined;
  measurement(place: LayerPath): Measurement | undefined;
  path: { text: string; serial: number };
  /** What was found out about the path, or why not. */
  answer: LayersProvenanceResult | { failure: string } | undefined;
}

export function stackPage(state: StackState): Stack {
  const { overlay, model, answer } = state;
  const found = answer === undefined || 'failure' in answer ? undefined : answer;
  const measured = overlay.layers.map((layer) => measurementOf(state, layer));
  const largest = Math.max(1, ...measured.map((one) => sizeOf(one)?.allocatedBytes ?? 0));
  const cover = found?.coveredBy;
  return {
    title: overlayName(model, overlay),
    subtitle: parts(
      overlay.image === undefined ? undefined : pathText(overlay.image),
      layerCountText(overlay),
      vscode.l10n.t('mounted at {0}', pathText(overlay.mountPoint)),
      overlay.options.length === 0 ? undefined : pathText(overlay.options.join(', ')),
    ),
    totals: totals(overlay, measured),
    buttons: buttons(measured),
    field: {
      label: vscode.l10n.t('Which layer is a path from?'),
      placeholder: vscode.l10n.t('/etc/hosts'),
      path: state.path.text,
      serial: state.path.serial,
    },
    ...(answer === undefined ? {} : { answer: answerOf(overlay, answer) }),
    ...(cover === undefined
      ? {}
      : {
          cover: {
            text: vscode.l10n.t('Covered by the mount at {0}', pathText(cover.mountPoint)),
            detail: vscode.l10n.t('{0}: the container sees its files, not those of the layers', coverText(cover)),
          },
        }),
    hint: vscode.l10n.t('Show in the Layers view'),
    slabs: overlay.layers.map((layer, position) => slab(state, layer, measured[position], largest, found)),
  };
}

function measurementOf(state: StackState, layer: Layer): Measurement | undefined {
  return state.measurement({ overlay: overlayRef(state.overlay), layer: layer.index, path: '/' });
}

function sizeOf(measurement: Measurement | undefined): LayerSize | undefined {
  return measurement?.state === 'measured' ? measurement.size : undefined;
}

function totals(overlay: Overlay, measured: (Measurement | undefined)[]): Stack['totals'] {
  const sizes = measured.map(sizeOf);
  const known = sizes.filter((size) => size !== undefined);
  const sum = (of: (size: LayerSize, layer: Layer) => Size) =>
    overlay.layers.reduce(
      (total, layer, position) => {
        const size = sizes[position];
        return size === undefined ? total : added(total, of(size, layer));
      },
      { sizeBytes: 0, allocatedBytes: 0 },
    );
  const some = (size: Size) => {
    if (known.length === 0) return '…';
    return known.length === overlay.layers.length ? sizeText(size) : vscode.l10n.t('{0} so far', sizeText(size));
  };
  return [
    { label: vscode.l10n.t('All layers'), value: some(sum((size) => size)) },
    { label: vscode.l10n.t('Wasted'), value: some(sum(wastedOf)) },
    { label: vscode.l10n.t('Saved by sharing'), value: some(sum((size, layer) => savedSize(layer, size))) },
  ];
}

function added(one: Size, other: Size): Size {
  return {
    sizeBytes: one.sizeBytes + other.sizeBytes,
    allocatedBytes: one.allocatedBytes + other.allocatedBytes,
  };
}

function buttons(measured: (Measurement | undefined)[]): StackButton[] {
  const measuring = measured.some((one) => one?.state === 'measuring');
  return [
    measuring
      ? { action: 'cancel', label: vscode.l10n.t('Stop measuring') }
      : { action: 'measure', label: vscode.l10n.t('Measure again') },
    { action: 'reveal', label: vscode.l10n.t('Reveal in Layers') },
  ];
}

function slab(
  state: StackState,
  layer: Layer,
  measurement: Measurement | undefined,
  largest: number,
  found: LayersProvenanceResult | undefined,
): Slab {
  const size = sizeOf(measurement);
  const step = stepText(layer);
  const lit = found?.layers.find((one) => one.layer === layer.index);
  return {
    layer: layer.index,
    role: layer.role,
    name: layerName(state.overlay, layer),
    ...(step === undefined ? {} : { step }),
    id: layer.digest === undefined ? pathText(layer.directory) : shortDigest(layer.digest),
    size: {
      state: layer.unreadable !== undefined ? 'failed' : (measurement?.state ?? 'unmeasured'),
      text: measuredSizeText(layer, measurement),
      share: (size?.allocatedBytes ?? 0) / largest,
      wasted:
        size === undefined || size.allocatedBytes === 0 ? 0 : Math.min(1, size.wastedAllocatedBytes / size.allocatedBytes),
    },
    ...(size === undefined ? {} : { entries: entriesText(size.entries) }),
    changes: size === undefined ? [] : changes(size),
    notes: notes(state, layer, measurement),
    ...(found === undefined || lit === undefined ? {} : { lit: litBy(found, lit) }),
  };
}

function measuredSizeText(layer: Layer, measurement: Measurement | undefined): string {
  if (layer.unreadable !== undefined) return unknownText(layer.unreadable);
  switch (measurement?.state) {
    case undefined:
      return vscode.l10n.t('not measured');
    case 'failed':
      return vscode.l10n.t('size unknown');
    case 'measured':
      return measuredText({ ...measurement.size, outdated: measurement.outdated });
    case 'measuring':
      return measurement.progress === undefined
        ? vscode.l10n.t('measuring…')
        : vscode.l10n.t('measuring… {0}', sizeText(measurement.progress));
  }
}

function changes({ added, modified, perhapsModified, deleted }: LayerSize): Slab['changes'] {
  const all: Slab['changes'] = [
    { kind: 'added', text: countText(added), label: vscode.l10n.t('{0} added', countText(added)) },
    { kind: 'modified', text: countText(modified), label: vscode.l10n.t('{0} replaced', countText(modified)) },
    {
      kind: 'perhapsModified',
      text: countText(perhapsModified),
      label: vscode.l10n.t('{0} perhaps replaced', countText(perhapsModified)),
    },
    { kind: 'deleted', text: countText(deleted), label: vscode.l10n.t('{0} deleted', countText(deleted)) },
  ];
  const counts = { added, modified, perhapsModified, deleted };
  return all.filter(({ kind }) => counts[kind] > 0);
}

function notes(state: StackState, layer: Layer, measurement: Measurement | undefined): Slab['notes'] {
  const list: Slab['notes'] = [];
  const size = sizeOf(measurement);
  if (layer.sharedWith.length > 0) list.push({ kind: 'shared', text: sharing(state, layer, size) });
  if (size !== undefined && size.wastedBytes > 0)
    list.push({ kind: 'wasted', text: vscode.l10n.t('{0} wasted: replaced or deleted above', sizeText(wastedOf(size))) });
  if (measurement?.state === 'failed') list.push({ kind: 'unknown', text: pathText(measurement.message) });
  return list;
}

function sharing({ model, other }: StackState, layer: Layer, size: LayerSize | undefined): string {
  const users = sharers(layer) + 1;
  const containers = layer.sharedWith.every((key) => {
    const overlay = other(key);
    return overlay !== undefined && overlayContainer(model, overlay) !== undefined;
  });
  const who = containers ? vscode.l10n.t('shared by {0} containers', users) : vscode.l10n.t('shared by {0} mounts', users);
  const saved = size === undefined ? undefined : savedSize(layer, size);
  return saved === undefined || saved.sizeBytes === 0 ? who : vscode.l10n.t('{0}, saves {1}', who, sizeText(saved));
}

function litBy(found: LayersProvenanceResult, one: LayersProvenanceResult['layers'][number]): NonNullable<Slab['lit']> {
  const lights: Record<typeof one.has, Light> = {
    provides: 'provides',
    merges: 'merges',
    hidden: 'hidden',
    whiteout: 'hides',
    opaque: 'hides',
    hiddenByParent: 'hidden',
    nothing: 'dark',
    unknown: 'unknown',
  };
  if (found.coveredBy !== undefined && lights[one.has] !== 'dark') {
    return { light: 'hidden', text: vscode.l10n.t('{0}, covered by a mount', hasText(one)) };
  }
  const entry = entryOf(found, one.layer);
  const detail = entry === undefined || entry.type === 'whiteout' ? undefined : entryFacts(entry);
  return { light: lights[one.has], text: hasText(one), ...(detail === undefined ? {} : { detail }) };
}

function answerOf(overlay: Overlay, answer: LayersProvenanceResult | { failure: string }): NonNullable<Stack['answer']> {
  if ('failure' in answer) return { tone: 'unknown', text: pathText(answer.failure), notes: [] };
  const path = pathText(answer.resolved);
  const links = answer.followed.map(({ path: link, target }) =>
    vscode.l10n.t('{0} is a link to {1}', pathText(link), pathText(target)),
  );
  if (answer.coveredBy !== undefined) return coveredAnswer(answer, answer.coveredBy, path, links);
  const decides = answer.layers.find(({ has }) => has === 'provides' || has === 'merges' || has === 'whiteout');
  // What lies below the layer that decides changes nothing.
  const unread = answer.layers.filter(
    ({ layer, has, because }) =>
      has === 'unknown' && because === undefined && layer < (decides?.layer ?? Number.POSITIVE_INFINITY),
  );
  if (typeof answer.exists !== 'boolean') return unknownAnswer(answer, answer.exists, unread.length, path, links);
  const by = decides === undefined ? undefined : overlay.layers[decides.layer];
  if (!answer.exists) {
    const text =
      by === undefined
        ? vscode.l10n.t('{0} does not exist in any layer.', path)
        : vscode.l10n.t('{0} was deleted by: {1}.', path, layerName(overlay, by));
    return { tone: 'missing', text, notes: links };
  }
  return { tone: 'plain', text: providedText(overlay, answer, path), notes: links };
}

/** Whether the container sees anything there nobody can tell from what was read. */
function unknownAnswer(
  { layers }: LayersProvenanceResult,
  why: Unknown,
  unread: number,
  path: string,
  links: string[],
): NonNullable<Stack['answer']> {
  const text =
    unread > 0
      ? vscode.l10n.t('Whether {0} exists is unknown: {1} of the layers could not be read.', path, unread)
      : vscode.l10n.t('Whether {0} exists is unknown: {1}.', path, reasonText(why.unknown));
  const because = layers.find((one) => one.has === 'unknown' && one.because !== undefined)?.because;
  const notes =
    because === undefined
      ? links
      : [
          vscode.l10n.t('Whether {0} hides or moves what layers below have is shown only to root.', pathText(because)),
          ...links,
        ];
  return { tone: 'unknown', text, notes };
}

/** What is mounted is what counts; what the layers have there nobody sees. */
function coveredAnswer(
  { exists, seen }: LayersProvenanceResult,
  cover: LayerCover,
  path: string,
  links: string[],
): NonNullable<Stack['answer']> {
  const below = exists === true ? [vscode.l10n.t('What the layers have there is covered: the container does not see it.')] : [];
  const notes = [...below, ...links];
  const at = pathText(cover.mountPoint);
  if (seen === undefined) {
    return { tone: 'missing', text: vscode.l10n.t('{0} does not exist on what is mounted at {1}.', path, at), notes };
  }
  const text = vscode.l10n.t('{0} comes from what is mounted at {1} ({2}).', path, at, coverText(cover));
  if ('name' in seen) return { tone: 'plain', text, notes };
  return {
    tone: 'unknown',
    text,
    notes: [vscode.l10n.t('Whether it exists there is unknown: {0}.', unknownText(seen)), ...notes],
  };
}

function providedText(overlay: Overlay, answer: LayersProvenanceResult, path: string): string {
  const provider = answer.layers.find(({ has }) => has === 'provides' || has === 'merges');
  const layer = provider === undefined ? undefined : overlay.layers[provider.layer];
  if (layer === undefined) return vscode.l10n.t('{0} exists; which layer provides it is unknown.', path);
  const merged = answer.layers.filter(({ has }) => has === 'merges' || has === 'provides').length;
  if (answer.entry?.type === 'directory' && merged > 1)
    return vscode.l10n.t(
      '{0} is a directory merged from {1} layers; its attributes come from: {2}.',
      path,
      merged,
      layerName(overlay, layer),
    );
  const hidden = answer.layers.filter(
    ({ has, entry }) => (has === 'hidden' || has === 'hiddenByParent') && entry !== undefined,
  ).length;
  const text = vscode.l10n.t('{0} comes from: {1}.', path, layerName(overlay, layer));
  if (hidden === 0) return text;
  return hidden === 1
    ? vscode.l10n.t('{0} It hides 1 copy below.', text)
    : vscode.l10n.t('{0} It hides {1} copies below.', text, hidden);
}
