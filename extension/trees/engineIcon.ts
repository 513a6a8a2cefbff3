import * as vscode from 'vscode';
import type { Engine } from '../../helper/protocol/containers.ts';

/** An engine's icon, from `media/engines` of the installed extension. */
export function engineIcon(extensionUri: vscode.Uri, engine: Engine): { light: vscode.Uri; dark: vscode.Uri } {
  const file = (theme: string) => vscode.Uri.joinPath(extensionUri, 'media', 'engines', theme, `${engine}.svg`);
  return { light: file('light'), dark: file('dark') };
}
