/**
 * Whether a person has asked for Isoscope in this window: by a command, or by opening one of its views. What a workspace brings, a folder of one of our file
 * systems, an editor that it associates with a file, is no such act, though VS Code starts the extension for it.
 */
import * as vscode from 'vscode';

const acted = new vscode.EventEmitter<void>();
let hasActed = false;

/** Once, at the first act. */
export const onFirstAct = acted.event;

export function noteAct(): void {
  if (hasActed) return;
  hasActed = true;
  acted.fire();
}

/** In a workspace that is not trusted the helper is started only for a person. */
export function mayStartHelper(): boolean {
  return hasActed || vscode.workspace.isTrusted;
}
