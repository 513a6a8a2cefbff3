/** Specifications of sandboxes in files of the workspace: reading one, and where its relative paths begin. */
import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { SandboxParams, SandboxSpec } from '../../helper/protocol/sandboxes.ts';

export const SUFFIX = '.sandbox.json';

/**
 * What the helper is asked with for the specification in a file: its present text, saved or not.
 * @throws Error when the text is not a JSON object. What is in it the helper checks.
 */
export async function specificationIn(uri: vscode.Uri): Promise<SandboxParams> {
  return paramsFor(specificationOf(await vscode.workspace.openTextDocument(uri)), uri);
}

/** What the helper is asked with for a specification that is in a file, or is going to be. */
export function paramsFor(spec: SandboxSpec, uri: vscode.Uri): SandboxParams {
  const name = posix.basename(uri.path).slice(0, -SUFFIX.length);
  // A name that the helper would refuse is left for it to make.
  const named = spec.name === undefined && /^[A-Za-z0-9][\w.-]{0,62}$/.test(name) ? { name, ...spec } : spec;
  return uri.scheme === 'file' ? { spec: named, directory: posix.dirname(uri.path) } : { spec: named };
}

/** @throws Error when the document's text is not a JSON object. */
export function specificationOf(document: vscode.TextDocument): SandboxSpec {
  const name = posix.basename(document.uri.path);
  let value: unknown;
  try {
    value = JSON.parse(document.getText());
  } catch (error) {
    throw new Error(vscode.l10n.t('{0} is not JSON: {1}', name, error instanceof Error ? error.message : String(error)));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(vscode.l10n.t('{0} is to hold an object, in braces.', name));
  }
  return value as SandboxSpec;
}

/** The text of a file with this specification, indented as `before` is. */
export function specificationText(spec: SandboxSpec, before = ''): string {
  return `${JSON.stringify(spec, undefined, /^([ \t]+)"/m.exec(before)?.[1] ?? 2)}\n`;
}

/** As a new document, which the person saves where they like. */
export async function openAsFile(spec: SandboxSpec): Promise<void> {
  const document = await vscode.workspace.openTextDocument({ language: 'json', content: specificationText(spec) });
  await vscode.window.showTextDocument(document);
}
