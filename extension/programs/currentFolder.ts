import { statSync } from 'node:fs';
import * as vscode from 'vscode';
import type { RootAccess, SandboxSpec } from '../../helper/protocol/sandboxes.ts';

export interface CurrentFolder {
  path: string;
  /** A person pointed at it, rather than only working in it. */
  isGiven: boolean;
}

/**
 * The folder that a command is about: the one it was given in the explorer, that of the terminal whose menu it was chosen in, or the
 * workspace's. Undefined when there is none on this host.
 */
export function currentFolder(given: unknown): CurrentFolder | undefined {
  const pointedAt = given instanceof vscode.Uri ? given : given === undefined ? undefined : terminalFolder();
  const uri = pointedAt ?? workspaceFolder();
  return uri?.scheme === 'file' ? { path: uri.fsPath, isGiven: pointedAt !== undefined } : undefined;
}

function workspaceFolder(): vscode.Uri | undefined {
  const active = vscode.window.activeTextEditor?.document.uri;
  const ofEditor = active === undefined ? undefined : vscode.workspace.getWorkspaceFolder(active);
  return (ofEditor ?? vscode.workspace.workspaceFolders?.[0])?.uri;
}

/** Known where the shell tells it, else as the terminal was opened. */
function terminalFolder(): vscode.Uri | undefined {
  const terminal = vscode.window.activeTerminal;
  if (terminal === undefined) return undefined;
  if (terminal.shellIntegration?.cwd !== undefined) return terminal.shellIntegration.cwd;
  const { creationOptions } = terminal;
  const cwd = 'cwd' in creationOptions ? creationOptions.cwd : undefined;
  return typeof cwd === 'string' ? vscode.Uri.file(cwd) : cwd;
}

/** What a sandbox has of its own in place of the host's. */
const OWN = ['/run', '/tmp', '/var/tmp'];

/**
 * `spec` with `folder` as its directory. Where the root does not have it, it is mounted there read-only: of the host's files always, of another
 * root when a person pointed at the folder.
 */
export function inFolder(spec: SandboxSpec, folder: CurrentFolder | undefined): SandboxSpec {
  if (folder === undefined) return spec;
  const { path } = folder;
  const isThere = spec.namespaces?.mnt !== 'new' || (spec.root?.type === 'host' && isOfHost(path, spec.root.access));
  if (!isThere && !folder.isGiven && spec.root?.type !== 'host') return spec;
  return {
    ...spec,
    ...(isThere ? {} : { mounts: [{ destination: path, type: 'bind', source: path }] }),
    process: { ...spec.process, cwd: path },
  };
}

function isOfHost(path: string, access: RootAccess | undefined): boolean {
  if (access !== 'readWrite' && OWN.some((own) => path === own || path.startsWith(`${own}/`))) return false;
  // An overlay on the host's root has nothing of the file systems that are mounted below it.
  return access !== 'overlay' || statSync(path, { throwIfNoEntry: false })?.dev === statSync('/').dev;
}
