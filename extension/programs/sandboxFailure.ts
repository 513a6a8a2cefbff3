/** Why a sandbox could not be made, with the button that does what is to be done about it. */
import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { SandboxParams } from '../../helper/protocol/sandboxes.ts';
import { HelperError } from '../connection/helperError.ts';
import { showExplanation } from '../documents/sandboxExplanation.ts';
import { failureText, type MessageAction, showFailure } from '../words/failureMessage.ts';
import { placeOf } from './jsonPlace.ts';
import { fileOf, openAt, specificationOf, writeSpecification } from './sandboxParams.ts';

/** What can be done about a failure beside looking at it. */
export interface Remedies {
  /** Makes it, after what was wrong has been mended. */
  start(params: SandboxParams): Promise<void>;
  /** Makes it in the place of the sandbox that has its name. */
  replace(sandbox: string, params: SandboxParams): Promise<void>;
}

/** Shows why a sandbox could not be made: a step that failed can be looked at among the others, a field in its file. */
export async function showSandboxFailure(error: unknown, params: SandboxParams, remedies: Remedies): Promise<void> {
  if (!(error instanceof HelperError)) return showFailure(error);
  const { data } = error;
  const actions: MessageAction[] = [];
  if (data?.taken !== undefined) {
    const { taken } = data;
    actions.push({ title: vscode.l10n.t('Restart with the Changes'), run: () => remedies.replace(taken, params) });
  }
  const program = missingProgram(error, params);
  if (program !== undefined) {
    const title = vscode.l10n.t('Add {0} to the Root', program);
    actions.push({ title, run: () => addProgram(program, params, remedies) });
  }
  if (data?.step !== undefined) {
    const failed = { step: data.step, text: failureText(error), errno: data.errno };
    actions.push({ title: vscode.l10n.t('Show the Step'), run: () => showExplanation(params, failed) });
  }
  const field = data?.field?.[0] === 'spec' ? data.field.slice(1) : [];
  const inFile = field.length === 0 ? undefined : await placeInFile(error, field, params);
  if (inFile === undefined) await showFailure(error, actions);
  else await showFailure(inFile.error, [...actions, inFile.open]);
}

/** Says which line of the file is wrong, with what opens it there; undefined when it is of no file. */
async function placeInFile(
  error: HelperError,
  field: readonly (string | number)[],
  params: SandboxParams,
): Promise<{ error: HelperError; open: MessageAction } | undefined> {
  const file = fileOf(params);
  if (file === undefined) return undefined;
  const document = await vscode.workspace.openTextDocument(file);
  const offset = placeOf(document.getText(), field);
  const line = document.positionAt(offset).line + 1;
  const text = vscode.l10n.t('{0}, line {1}: {2}', posix.basename(file.path), line, error.message);
  return { error: new HelperError(error.reason, text, error.hint, error.data), open: openAt(document, offset) };
}

/** The program that a root of named programs lacks. */
function missingProgram({ reason, data }: HelperError, { spec }: SandboxParams): string | undefined {
  const isLacking = reason === 'notFound' && data?.step !== undefined && data.errno === 'ENOENT';
  if (!isLacking || spec.root?.type !== 'programs' || data.path === undefined) return undefined;
  return spec.root.programs.includes(data.path) ? undefined : data.path;
}

/** In the file, if it is of one, and in what is made of it. */
async function addProgram(program: string, params: SandboxParams, remedies: Remedies): Promise<void> {
  const { spec } = params;
  if (spec.root?.type !== 'programs') return;
  const root = { ...spec.root, programs: [...spec.root.programs, program] };
  const file = fileOf(params);
  if (file !== undefined) {
    const document = await vscode.workspace.openTextDocument(file);
    await writeSpecification(document, { ...specificationOf(document), root });
  }
  await remedies.start({ ...params, spec: { ...spec, root } });
}
