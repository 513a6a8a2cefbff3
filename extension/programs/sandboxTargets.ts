/** From what a command was given to the sandbox, or the specification, that it acts on. */
import * as vscode from 'vscode';
import type { Sandbox, SandboxParams } from '../../helper/protocol/sandboxes.ts';
import type { SandboxTarget } from '../model/commandTarget.ts';
import type { Sandboxes } from '../model/liveSandboxes.ts';
import { say } from '../plain/notify.ts';
import { pick } from '../plain/pick.ts';
import { oneLine } from '../plain/plainText.ts';
import { commandWords, rootWords } from '../words/sandboxWords.ts';
import type { ToRun } from './runConsent.ts';
import { SUFFIX, specificationIn } from './sandboxParams.ts';

/** The target's sandbox, or the one that the person picks. Undefined when there is none to pick, which is said, or they stopped. */
export async function sandboxOf(
  sandboxes: Sandboxes,
  target: SandboxTarget,
  which: (sandbox: Sandbox) => boolean = () => true,
): Promise<Sandbox | undefined> {
  if (target.sandbox !== undefined) return target.sandbox;
  const found = (await sandboxes.load()).filter(which);
  if (found.length === 0) {
    void say(vscode.l10n.t('There is no such sandbox.'));
    return undefined;
  }
  const items = found.map((sandbox) => ({
    sandbox,
    label: oneLine(sandbox.name),
    description: rootWords(sandbox.spec.root),
    detail: commandWords(sandbox.spec),
  }));
  return (await pick(items, { matchOnDescription: true, matchOnDetail: true }))?.sandbox;
}

/** The specification of a file, of a sandbox, of the active editor, or of a file that the person picks. */
export async function paramsOf(target: SandboxTarget | vscode.Uri): Promise<SandboxParams | undefined> {
  return (await toRunOf(target))?.params;
}

/** The same, with where it comes from. */
export async function toRunOf(target: SandboxTarget | vscode.Uri): Promise<ToRun | undefined> {
  if (!vscode.workspace.isTrusted) {
    throw new Error(vscode.l10n.t('A sandbox file is run only in a trusted workspace: what it says is executed.'));
  }
  if (!(target instanceof vscode.Uri) && target.sandbox !== undefined) {
    const { spec, notes } = target.sandbox;
    return { params: { spec }, notes };
  }
  const file = target instanceof vscode.Uri ? target : (target.file ?? (await activeOrPicked()));
  return file === undefined ? undefined : { params: await specificationIn(file), file };
}

async function activeOrPicked(): Promise<vscode.Uri | undefined> {
  const active = vscode.window.activeTextEditor?.document.uri;
  if (active?.path.endsWith(SUFFIX) === true) return active;
  const files = await vscode.workspace.findFiles(`**/*${SUFFIX}`);
  if (files.length === 0) {
    void say(vscode.l10n.t('The workspace holds no file whose name ends with {0}.', SUFFIX));
    return undefined;
  }
  const items = files.map((file) => ({ file, label: oneLine(vscode.workspace.asRelativePath(file)) }));
  return (await pick(items))?.file;
}
