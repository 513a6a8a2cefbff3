/** What a sandbox is made of, in a few words. Pure. */
import * as vscode from 'vscode';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { Sandbox, SandboxRoot, SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { oneLine, shellWord } from '../plain/plainText.ts';

export function rootWords(root: SandboxRoot | undefined): string {
  switch (root?.type) {
    case undefined:
      return vscode.l10n.t("the host's files, read-only");
    case 'host':
      return accessWords(vscode.l10n.t("the host's files"), root.access ?? 'readOnly', root.upper);
    case 'directory':
      return accessWords(oneLine(root.path, 60), root.access ?? 'readWrite', root.upper);
    case 'tmpfs':
      return root.size === undefined ? vscode.l10n.t('empty tmpfs') : vscode.l10n.t('empty tmpfs of {0}', String(root.size));
    case 'programs':
      return vscode.l10n.t('only {0}', oneLine(root.programs.join(' '), 60));
    case 'image':
      return vscode.l10n.t('image {0}', oneLine('path' in root.image ? root.image.path : root.image.reference, 60));
  }
}

/** Whether it is an overlay, so that the Layers view shows it. */
export function isOverlay(root: SandboxRoot | undefined): boolean {
  return root?.type === 'image' || ((root?.type === 'host' || root?.type === 'directory') && root.access === 'overlay');
}

function accessWords(what: string, access: 'readOnly' | 'readWrite' | 'overlay', upper: string | undefined): string {
  if (access === 'readOnly') return vscode.l10n.t('{0}, read-only', what);
  if (access === 'readWrite') return vscode.l10n.t('{0}, writable', what);
  return upper === undefined
    ? vscode.l10n.t('{0}, changes thrown away', what)
    : vscode.l10n.t('{0}, changes kept in {1}', what, oneLine(upper, 60));
}

/** The command line as a person would type it. */
export function commandWords(spec: SandboxSpec): string {
  const args = spec.process?.args;
  return args === undefined || args.length === 0 ? vscode.l10n.t('a shell') : oneLine(args.map(shellWord).join(' '), 80);
}

/** Kinds of namespaces that are its own. */
export function ownKinds(sandbox: Sandbox): string {
  return NAMESPACE_KINDS.filter((kind) => sandbox.namespaces[kind] !== undefined).join(' ');
}
