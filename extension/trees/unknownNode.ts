import * as vscode from 'vscode';
import type { Unknown } from '../../helper/protocol/errors.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { Command } from '../base/commandIds.ts';
import { HelperError } from '../connection/helperError.ts';
import type { ClientModel } from '../model/clientModel.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { PERMISSION, processName, reasonText, UNKNOWN_ICON } from '../words/hostWords.ts';
import { TreeNode } from './treeNode.ts';

/** Something that could not be read, and why. Where root could read it, choosing the row asks to become root. */
export class UnknownNode extends TreeNode {
  label = '';
  description = '';
  permission = false;
  /** What a tooltip adds: which processes, for example. */
  detail = '';

  override item(): vscode.TreeItem {
    const needsRoot = this.permission && !this.tree.host.privileged;
    const item = new vscode.TreeItem(this.label);
    item.description = needsRoot ? vscode.l10n.t('{0}; become root…', this.description) : this.description;
    item.iconPath = UNKNOWN_ICON;
    item.contextValue = needsRoot ? 'unknown needsRoot' : 'unknown';
    if (needsRoot) item.command = { command: Command.restartHelperAsRoot, title: vscode.l10n.t('Become Root') };
    return item;
  }

  override tooltip(): vscode.MarkdownString {
    return factsTooltip(this.label, [
      ['', this.description],
      [vscode.l10n.t('Which'), this.detail],
    ]);
  }
}

/** The row below `parent` that says that `what` is unknown. */
export function unknownRow(parent: TreeNode, key: string, what: string, unknown: Unknown): UnknownNode {
  const node = parent.child(`unknown ${key}`, (id) => new UnknownNode(parent.tree, id, parent));
  node.label = what;
  node.description = vscode.l10n.t('unknown: {0}', reasonText(unknown.unknown));
  node.permission = unknown.unknown === 'permission';
  return node;
}

/** The row below `parent` that says that `what` could not be asked for, in the helper's words. */
export function failureRow(parent: TreeNode, what: string, error: unknown): UnknownNode {
  const node = parent.child('failure', (id) => new UnknownNode(parent.tree, id, parent));
  node.label = what;
  const reason = error instanceof HelperError ? error.reason : 'kernel';
  node.permission = reason === 'permission';
  if (reason === 'disconnected' || reason === 'cancelled')
    node.description = vscode.l10n.t('unknown: the helper is not running');
  else node.description = vscode.l10n.t('unknown: {0}', reasonText(reason));
  return node;
}

/** The row below `parent` for what the processes that may not be examined hold, or are in. */
export function unreadableRow(parent: TreeNode, what: string): UnknownNode {
  const { model } = parent.tree;
  const node = unknownRow(parent, 'unreadable', what, PERMISSION);
  node.detail = processNames(model, model.unreadable.processes);
  return node;
}

/** The first of them, as a tooltip tells them. */
export function processNames(model: ClientModel, processes: readonly ProcessRef[]): string {
  const named = processes.slice(0, 20).map(({ pid }) => processName({ pid, name: model.processes.get(pid)?.name ?? '?' }));
  return named.join(', ');
}
