import type * as vscode from 'vscode';
import type { Sandbox } from '../helper/protocol/sandboxes.ts';
import type { Container, Namespace, ProcessRef } from '../helper/protocol.ts';

/** What a command acts on: the node of a tree, or any object that names a process, a container or a namespace. */
export interface CommandTarget {
  process?: ProcessRef | undefined;
  container?: Container | undefined;
  namespace?: Namespace | undefined;
}

/** What a command on a sandbox acts on: one that the helper knows, or a file with a specification. */
export interface SandboxTarget {
  sandbox?: Sandbox | undefined;
  file?: vscode.Uri | undefined;
}
