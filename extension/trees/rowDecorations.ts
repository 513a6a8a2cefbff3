import * as vscode from 'vscode';
import type { CgroupBadge } from '../../helper/protocol/cgroups.ts';
import { Disposable } from '../base/disposable.ts';
import { ROW_SCHEME } from '../base/ids.ts';
import type { Host } from '../model/liveHost.ts';
import { badgeText } from '../words/cgroupWords.ts';
import type { TreeNode } from './treeNode.ts';

/** The URI that stands for a row, only so that the row can be coloured and get a file's icon; nothing opens it. */
export function rowUri(serial: number, decoration: TreeNode['decoration'], fileName?: string): vscode.Uri {
  const path = fileName === undefined ? `/${serial}` : `/${serial}/${fileName}`;
  return vscode.Uri.from({ scheme: ROW_SCHEME, path, query: decoration ?? '' });
}

/** Colours rows: all grey while what they show is of a helper that is no more, and grey what a container shares with the host. */
export class RowDecorations extends Disposable implements vscode.FileDecorationProvider {
  private readonly host: Host;
  private readonly emitter = this.register(new vscode.EventEmitter<undefined>());
  private wasStale = false;
  readonly onDidChangeFileDecorations = this.emitter.event;

  constructor(host: Host) {
    super();
    this.host = host;
    this.register(vscode.window.registerFileDecorationProvider(this));
    this.register(host.onDidChangeStatus(() => this.onStatus()));
  }

  private onStatus(): void {
    if (this.wasStale === this.host.stale) return;
    this.wasStale = this.host.stale;
    this.emitter.fire(undefined);
  }

  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    if (uri.scheme !== ROW_SCHEME) return undefined;
    const paused = uri.query === 'paused';
    if (uri.query === 'notice') return undefined;
    if (uri.query.startsWith('badges ') && !this.host.stale) return cgroupDecoration(uri.query.split(' ').slice(1));
    const color = this.host.stale ? 'disabledForeground' : uri.query === 'muted' ? 'descriptionForeground' : undefined;
    if (color === undefined && !paused) return undefined;
    return new vscode.FileDecoration(
      paused ? 'Ⅱ' : undefined,
      paused ? vscode.l10n.t('Paused') : undefined,
      color === undefined ? undefined : new vscode.ThemeColor(color),
    );
  }
}

interface Badge {
  letter: string;
  color?: string;
}

/** Letters, as source control marks its files. */
const BADGES: Record<CgroupBadge, Badge | undefined> = {
  escapeRisk: { letter: '!', color: 'list.errorForeground' },
  escapeUnknown: { letter: '?' },
  oomKilled: { letter: 'K', color: 'list.errorForeground' },
  nearLimit: { letter: 'L', color: 'list.warningForeground' },
  throttled: { letter: 'T', color: 'list.warningForeground' },
  invalidPartition: { letter: 'P', color: 'list.warningForeground' },
  frozen: { letter: 'Ⅱ' },
  delegated: { letter: 'D' },
  empty: undefined,
};

function isBadge(text: string): text is CgroupBadge {
  return text in BADGES;
}

function cgroupDecoration(names: string[]): vscode.FileDecoration | undefined {
  const badges = names.filter(isBadge).filter((name) => BADGES[name] !== undefined);
  // VS Code shows two characters.
  const letters = badges.slice(0, 2).map((badge) => BADGES[badge]?.letter);
  const color = badges.map((badge) => BADGES[badge]?.color).find((found) => found !== undefined);
  return new vscode.FileDecoration(
    letters.join(''),
    badges.map(badgeText).join(', '),
    color === undefined ? undefined : new vscode.ThemeColor(color),
  );
}
