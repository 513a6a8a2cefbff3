import * as vscode from 'vscode';
import { ContextKey, type ContextKeyId } from '../base/ids.ts';
import type { ConnectionState, HelperConnection } from './connection.ts';

/**
 * Keeps the context keys that menus, views and welcome texts are bound to in step with the connection. A state that nothing has
 * changed yet is left untold: the view whose opening activated this is about to start the helper, and must not offer to.
 */
export function followWithContextKeys(connection: HelperConnection): vscode.Disposable {
  setContext(ContextKey.unsupportedPlatform, process.platform !== 'linux');
  return connection.onDidChangeState(publish);
}

function publish(state: ConnectionState): void {
  setContext(ContextKey.state, state.kind);
  setContext(ContextKey.mode, state.kind === 'ready' ? state.host.mode : undefined);
}

function setContext(key: ContextKeyId, value: string | boolean | undefined): void {
  void vscode.commands.executeCommand('setContext', key, value);
}
