/** What pages remember over a reload of the window. It was stored, and is checked as anything that was. */
import * as vscode from 'vscode';
import type { CgroupRef } from '../../helper/protocol/cgroups.ts';
import type { Overlay } from '../../helper/protocol/layers.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import type { PageTypeId } from '../base/ids.ts';

/** Has pages of this kind come back: `restore` gets the empty panel, and what its page stored. A page that tells nothing is closed. */
export function restorePages(
  type: PageTypeId,
  restore: (panel: vscode.WebviewPanel, state: Record<string, unknown>) => boolean,
): vscode.Disposable {
  return vscode.window.registerWebviewPanelSerializer(type, {
    deserializeWebviewPanel: async (panel, state: unknown) => {
      if (!isRecord(state) || !restore(panel, state)) panel.dispose();
    },
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isProcessRef(value: unknown): value is ProcessRef {
  return isRecord(value) && typeof value.pid === 'number' && typeof value.startTime === 'number';
}

export function isCgroupRef(value: unknown): value is CgroupRef {
  return (
    isRecord(value) && typeof value.hierarchy === 'string' && typeof value.path === 'string' && typeof value.ino === 'number'
  );
}

export function cgroupRefs(value: unknown): CgroupRef[] {
  return Array.isArray(value) ? value.filter(isCgroupRef) : [];
}

/** Of what is shown before the list tells of it anew. */
export function isOverlay(value: unknown): value is Overlay {
  const texts = ['key', 'device', 'mountPoint', 'type'];
  const lists = ['alsoAt', 'layers', 'options'];
  return (
    isRecord(value) &&
    isRecord(value.mountNamespace) &&
    typeof value.mountId === 'number' &&
    texts.every((name) => typeof value[name] === 'string') &&
    lists.every((name) => Array.isArray(value[name]))
  );
}
