/** What a person picks for a field of the sandbox form in VS Code's own dialogs. */
import * as vscode from 'vscode';
import { CAPABILITIES } from '../../helper/protocol/capabilities.ts';
import { SandboxesImages, SandboxesList } from '../../helper/protocol/sandboxes.ts';
import type { Json, Pick } from '../../webview/sandboxMessages.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { say } from '../plain/notify.ts';
import { pick, pickSeveral } from '../plain/pick.ts';
import { oneLine } from '../plain/plainText.ts';
import { dangerOf } from '../words/dangerousCapabilities.ts';
import { isUnknown, unknownText } from '../words/hostWords.ts';
import { pickProcess } from './targetPicks.ts';

/** More is no filter. */
const MAX_PROFILE_BYTES = 1024 * 1024;

/** Undefined when the person picked nothing. `now` is what the field has. */
export async function pickFor(connection: HelperConnection, what: Pick, now: Json | undefined): Promise<Json | undefined> {
  switch (what) {
    case 'folder':
      return (await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true }))?.[0]?.fsPath;
    case 'file':
      return (await vscode.window.showOpenDialog({ filters: { tar: ['tar', 'gz', 'tgz', 'zst'], '*': ['*'] } }))?.[0]?.fsPath;
    case 'docker':
    case 'podman':
      return pickImage(connection, what);
    case 'join':
      return pickToJoin(connection);
    case 'capabilities':
      return pickCapabilities(Array.isArray(now) ? now.map(String) : []);
    case 'seccomp':
      return pickProfile();
  }
}

async function pickImage(connection: HelperConnection, engine: 'docker' | 'podman'): Promise<string | undefined> {
  const otherwise = engine === 'docker' ? vscode.l10n.t('Image of Docker') : vscode.l10n.t('Image of Podman');
  const { images } = await connection.request(SandboxesImages, { engine });
  if (isUnknown(images)) throw new Error(vscode.l10n.t('The images of {0} are {1}.', engine, unknownText(images)));
  if (images.length === 0) {
    void say(vscode.l10n.t('The storage of {0} on this host has no image.', engine));
    return undefined;
  }
  const items = images.map(({ reference, id }) => ({ label: oneLine(reference), description: id.slice(0, 12), reference }));
  return (await pick(items, { otherwise, matchOnDescription: true }))?.reference;
}

type Joined = { sandbox: string } | { process: { pid: number; startTime: number } };

async function pickToJoin(connection: HelperConnection): Promise<Joined | undefined> {
  const otherwise = vscode.l10n.t('Join the Namespace of');
  const { sandboxes } = await connection.request(SandboxesList, {});
  const running = sandboxes
    .filter(({ state }) => state === 'running')
    .map(({ name }) => ({ label: oneLine(name), iconPath: new vscode.ThemeIcon('vm'), sandbox: name }));
  const process = { label: vscode.l10n.t('A process…'), iconPath: new vscode.ThemeIcon('symbol-event'), sandbox: undefined };
  const picked = await pick([...running, process], { otherwise });
  if (picked === undefined) return undefined;
  if (picked.sandbox !== undefined) return { sandbox: picked.sandbox };
  const chosen = await pickProcess(connection, { otherwise });
  return chosen === undefined ? undefined : { process: chosen };
}

async function pickCapabilities(now: readonly string[]): Promise<string[] | undefined> {
  const has = new Set(now.map((name) => name.toUpperCase().replace(/^(CAP_)?/, 'CAP_')));
  const items = CAPABILITIES.map((label) => {
    const danger = dangerOf(label);
    return { label, picked: has.has(label), ...(danger === undefined ? {} : { description: danger }) };
  });
  const picked = await pickSeveral(items, {
    otherwise: vscode.l10n.t('Capabilities'),
    placeHolder: vscode.l10n.t('What the program may do; none is safest'),
    matchOnDescription: true,
  });
  return picked?.map(({ label }) => label);
}

/** A filter as the OCI specification has it. What is in it the helper checks. */
async function pickProfile(): Promise<Json | undefined> {
  const [file] = (await vscode.window.showOpenDialog({ filters: { JSON: ['json'] } })) ?? [];
  if (file === undefined) return undefined;
  const { size } = await vscode.workspace.fs.stat(file);
  if (size > MAX_PROFILE_BYTES) throw new Error(vscode.l10n.t('{0} is too large for a seccomp profile.', file.fsPath));
  const value: unknown = JSON.parse(new TextDecoder().decode(await vscode.workspace.fs.readFile(file)));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(vscode.l10n.t('{0} is to hold an object, in braces.', file.fsPath));
  }
  return value as Json;
}
