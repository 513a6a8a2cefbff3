/** From what the helper says about two things to the page that compares them. */
import * as vscode from 'vscode';
import type { MountsListResult } from '../../helper/protocol/mounts.ts';
import type { Button, Page } from '../../webview/messages.ts';
import { type ComparedNames, type MountParts, mountParts } from './mountParts.ts';

/** What is mounted in each of the two. */
export interface MountsOfTwo {
  mine: MountsListResult;
  other: MountsListResult;
}

export function compareMountsPage({ mine, other }: MountsOfTwo, names: ComparedNames, privileged: boolean): Page {
  const found = mountParts(mine, other, names);
  return {
    title: comparisonTitle(names),
    subtitle: mountsSubtitle(found),
    buttons: buttons(privileged),
    sections: found.parts,
  };
}

export function comparisonTitle({ mine, other }: ComparedNames): string {
  return `${mine} ↔ ${other}`;
}

function mountsSubtitle({ unusual, different, isWhole }: MountParts): string {
  if (different === 0 && !isWhole) return vscode.l10n.t('Mounts: whether any place differs is unknown');
  if (different === 0) return vscode.l10n.t('Mounts: no place differs');
  const places =
    different === 1 ? vscode.l10n.t('Mounts: 1 place differs') : vscode.l10n.t('Mounts: {0} places differ', different);
  if (unusual === different) return places;
  if (unusual === 0) return vscode.l10n.t('{0}, all as in every container', places);
  return vscode.l10n.t('{0}, {1} of them not as in every container', places, unusual);
}

function buttons(privileged: boolean): Button[] {
  const list: Button[] = [
    { action: 'refresh', label: vscode.l10n.t('Refresh') },
    { action: 'compareMountsAsText', label: vscode.l10n.t('As text') },
  ];
  if (!privileged) list.push({ action: 'restartAsRoot', label: vscode.l10n.t('Become root…') });
  return list;
}
