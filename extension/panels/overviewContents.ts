/** What a container is made of, on its overview: the layers of its root, and what is mounted in it beside them. */
import * as vscode from 'vscode';
import type { Overlay } from '../../helper/protocol/layers.ts';
import type { MountsListResult } from '../../helper/protocol/mounts.ts';
import type { Block, LayerBar, Section, Value } from '../../webview/messages.ts';
import { parts, unknownText } from '../words/hostWords.ts';
import { layerName, pathText, stepText } from '../words/layerWords.ts';
import { isOverlay, mountView, type SeenMount, usualPart } from '../words/mountComparison.ts';
import { code, none } from './cgroupFacts.ts';
import { fact, knownValue, type OverviewSubject, unreadBlock } from './overviewParts.ts';

/** More are for the pages on them. */
const MOST_LAYERS = 8;
const MOST_MOUNTS = 8;

export function madeSection({ reading }: OverviewSubject): Section {
  const heading = vscode.l10n.t('What it is made of');
  const blocks: Block[] = [];
  const unread = unreadBlock(reading.overlays);
  const root = knownValue(reading.overlays)?.find(({ isRoot }) => isRoot);
  if (unread !== undefined) blocks.push(unread);
  else if (root === undefined)
    blocks.push({
      kind: 'text',
      tone: 'muted',
      text: vscode.l10n.t('Its root is no overlay mount in sight: its files are in no layers.'),
    });
  else blocks.push(...layerBlocks(root));
  const mounts = knownValue(reading.mounts);
  if (mounts !== undefined) blocks.push(...volumeBlocks(mounts));
  return { heading, blocks };
}

function layerBlocks(overlay: Overlay): Block[] {
  if (overlay.unknownLayers !== undefined) {
    return [{ kind: 'text', tone: 'unknown', text: vscode.l10n.t('Its layers: {0}', unknownText(overlay.unknownLayers)) }];
  }
  const shown = overlay.layers.slice(0, MOST_LAYERS).map((layer): LayerBar => {
    const step = stepText(layer);
    const kind = layer.role === 'readWrite' ? 'readWrite' : layer.role === 'image' ? 'image' : 'other';
    return step === undefined
      ? { kind, text: layerName(overlay, layer) }
      : { kind, text: step, note: layerName(overlay, layer) };
  });
  const more = overlay.layers.length - shown.length;
  const blocks: Block[] = [{ kind: 'layers', label: vscode.l10n.t('Layers, from the top'), layers: shown }];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('and {0} layers below', more) });
  return blocks;
}

/** File systems that the kernel makes up: they hold nothing of anybody. A tmpfs may be the host's. */
const OF_KERNEL = new Set([
  ...['proc', 'sysfs', 'devtmpfs', 'devpts', 'mqueue', 'cgroup', 'cgroup2', 'securityfs', 'debugfs', 'tracefs', 'bpf'],
  ...['pstore', 'nsfs', 'configfs', 'fusectl', 'efivarfs', 'binfmt_misc', 'hugetlbfs'],
]);
/** What podman binds into every container, beside the files in /etc. */
const OF_PODMAN = ['/run/.containerenv', '/run/secrets'];

/** What somebody wished to be in it: no doing of the kernel's or of an engine's. */
function isVolume(seen: SeenMount): boolean {
  const { mount } = seen;
  if (mount.mountPoint === '/' || OF_KERNEL.has(mount.type) || isOverlay(mount)) return false;
  return !OF_PODMAN.includes(mount.mountPoint) && usualPart(seen) === undefined;
}

function volumeBlocks({ mounts, complete, omitted }: MountsListResult): Block[] {
  const bound = [...mountView(mounts).seen.values()].filter(isVolume).map(({ mount }) => mount);
  const isWhole = complete && omitted === 0;
  const label = vscode.l10n.t('Volumes');
  if (bound.length === 0) {
    const value: Value = isWhole
      ? none(vscode.l10n.t('none'))
      : { text: vscode.l10n.t('unknown: not all of its mounts can be read'), tone: 'unknown' };
    return [{ kind: 'facts', facts: [fact(label, value)] }];
  }
  const facts = bound.slice(0, MOST_MOUNTS).map(({ mountPoint, root, options, source, type }) => {
    const note = parts(options.includes('ro') ? vscode.l10n.t('read-only') : undefined, type);
    return fact(pathText(mountPoint), { ...code(root === '/' ? source : root, 200), note });
  });
  const more = bound.length - facts.length;
  const blocks: Block[] = [{ kind: 'facts', facts }];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('and {0} mounts more', more) });
  if (!isWhole)
    blocks.push({
      kind: 'text',
      tone: 'unknown',
      text: vscode.l10n.t('There may be more: not all of its mounts can be read.'),
    });
  return blocks;
}
