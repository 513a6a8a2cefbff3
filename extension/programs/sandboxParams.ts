/** Specifications of sandboxes in files of the workspace: reading one, and where its relative paths begin. */
import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { SandboxParams, SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { MendableError, type MessageAction } from '../words/failureMessage.ts';
import { errorPlace } from './jsonPlace.ts';

export const SUFFIX = '.sandbox.json';

/**
 * What the helper is asked with for the specification in a file: its present text, saved or not.
 * @throws MendableError when the text is not a JSON object. What is in it the helper checks.
 */
export async function specificationIn(uri: vscode.Uri): Promise<SandboxParams> {
  const document = await vscode.workspace.openTextDocument(uri);
  return paramsFor(specificationOf(document, await presentText(document)), uri);
}

/** Of what something else has just written to a file, VS Code's document hears some time later. */
async function presentText(document: vscode.TextDocument): Promise<string> {
  if (document.isDirty || document.uri.scheme !== 'file') return document.getText();
  const bytes = await vscode.workspace.fs.readFile(document.uri);
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '');
}

/** What the helper is asked with for a specification that is in a file, or is going to be. */
export function paramsFor(spec: SandboxSpec, uri: vscode.Uri): SandboxParams {
  const name = posix.basename(uri.path).slice(0, -SUFFIX.length);
  // A name that the helper would refuse is left for it to make.
  const named = spec.name === undefined && /^[A-Za-z0-9][\w.-]{0,62}$/.test(name) ? { name, ...spec } : spec;
  const params = uri.scheme === 'file' ? { spec: named, directory: posix.dirname(uri.path) } : { spec: named };
  files.set(params, uri);
  written.set(params, spec);
  return params;
}

/** Of what the helper was asked with: the file that it is from, which is where a person mends what was wrong. */
const files = new WeakMap<SandboxParams, vscode.Uri>();

export function fileOf(params: SandboxParams): vscode.Uri | undefined {
  return files.get(params);
}

const written = new WeakMap<SandboxParams, SandboxSpec>();

/** As it was in the file, without the name that it gets from that. */
export function asWritten(params: SandboxParams): SandboxSpec | undefined {
  return written.get(params);
}

/** A button that opens a file where it is wrong. */
export function openAt(document: vscode.TextDocument, offset: number): MessageAction {
  const position = document.positionAt(offset);
  return {
    title: vscode.l10n.t('Open Line {0}', position.line + 1),
    run: async () => {
      const selection = new vscode.Range(position, position);
      await vscode.window.showTextDocument(document, { selection });
    },
  };
}

/** @throws MendableError when the text, which is the document's or that of its file, is not a JSON object. */
export function specificationOf(document: vscode.TextDocument, text = document.getText()): SandboxSpec {
  const name = posix.basename(document.uri.path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const offset = errorPlace(text) ?? 0;
    const line = document.positionAt(offset).line + 1;
    const message = vscode.l10n.t('{0} is not JSON from line {1} on.', name, line);
    throw new MendableError(message, openAt(document, offset));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MendableError(vscode.l10n.t('{0} is to hold an object, in braces.', name), openAt(document, 0));
  }
  return value as SandboxSpec;
}

/** The text of a file with this specification, indented as `before` is. */
export function specificationText(spec: SandboxSpec, before = ''): string {
  return `${JSON.stringify(spec, undefined, /^([ \t]+)"/m.exec(before)?.[1] ?? 2)}\n`;
}

/** Changes a file to hold this specification: what stays is not touched, nor is the cursor that is there, and it can be undone. */
export async function writeSpecification(document: vscode.TextDocument, spec: SandboxSpec): Promise<void> {
  const before = document.getText();
  const after = specificationText(spec, before);
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const edit = new vscode.WorkspaceEdit();
  const range = new vscode.Range(document.positionAt(start), document.positionAt(before.length - end));
  edit.replace(document.uri, range, after.slice(start, after.length - end));
  await vscode.workspace.applyEdit(edit);
}

/** As a new document, which the person saves where they like. */
export async function openAsFile(spec: SandboxSpec): Promise<void> {
  const document = await vscode.workspace.openTextDocument({ language: 'json', content: specificationText(spec) });
  await vscode.window.showTextDocument(document);
}
