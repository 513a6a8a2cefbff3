/**
 * "Explain": what a specification would do, as a read-only document: the notes, every step of the syscall program, and the nearest
 * command lines. Its content is made from its URI, whose query is the request's parameters.
 */
import * as vscode from 'vscode';
import {
  SandboxesExplain,
  type SandboxesExplainResult,
  type SandboxParams,
  type SandboxStep,
} from '../../helper/protocol/sandboxes.ts';
import { Scheme } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { saidText } from '../plain/saidText.ts';
import { failureText } from '../words/failureMessage.ts';
import { commandWords, rootWords } from '../words/sandboxWords.ts';
import { comment, paragraph } from './comment.ts';
import { safeFileName } from './safeFileName.ts';

/** Column at which the purposes of the steps begin. */
const PURPOSE_COLUMN = 60;

export interface FailedStep {
  /** Its index among the steps. */
  step: number;
  errno: string | undefined;
  /** What it means, and what to do. */
  text: string;
}

const FAILED = vscode.window.createTextEditorDecorationType({
  isWholeLine: true,
  backgroundColor: new vscode.ThemeColor('diffEditor.removedLineBackground'),
  overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.errorForeground'),
});

export class SandboxExplanations implements vscode.TextDocumentContentProvider {
  private readonly connection: HelperConnection;

  constructor(connection: HelperConnection) {
    this.connection = connection;
  }

  async provideTextDocumentContent(uri: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    try {
      const { failed, ...params } = JSON.parse(uri.query) as SandboxParams & { failed?: FailedStep };
      return explanationText(await this.connection.request(SandboxesExplain, params, token), failed);
    } catch (error) {
      return `${comment(failureText(error))}\n`;
    }
  }
}

/** Opens the document, beside the active editor if there is one, at the line of the step that failed when one did. */
export async function showExplanation(params: SandboxParams, failed?: FailedStep): Promise<void> {
  const uri = vscode.Uri.from({
    scheme: Scheme.sandbox,
    path: `/${safeFileName(params.spec.name ?? 'sandbox')}.syscalls`,
    query: JSON.stringify({ ...params, failed }),
  });
  const document = await vscode.workspace.openTextDocument(uri);
  const viewColumn = vscode.window.activeTextEditor === undefined ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
  const editor = await vscode.window.showTextDocument(document, { viewColumn, preview: true });
  const line = failed === undefined ? undefined : lineOfStep(document.getText(), failed.step);
  if (line === undefined) return;
  const { range } = document.lineAt(line);
  editor.setDecorations(FAILED, [range]);
  editor.selection = new vscode.Selection(range.start, range.start);
  editor.revealRange(range, vscode.TextEditorRevealType.InCenter);
}

/** Steps are the lines that are neither blank nor a comment. */
function lineOfStep(text: string, step: number): number | undefined {
  const lines = text.split('\n').flatMap((line, at) => (line === '' || line.startsWith('#') ? [] : [at]));
  return lines[step];
}

export function explanationText(explained: SandboxesExplainResult, failed?: FailedStep): string {
  const { spec, steps, notes, equivalents } = explained;
  const parts = [
    comment(
      failed === undefined
        ? vscode.l10n.t('Runs {0}. Nothing of this has been done yet.', commandWords(spec))
        : vscode.l10n.t('Was to run {0}. A step failed, and nothing of it is left.', commandWords(spec)),
      vscode.l10n.t('Root: {0}.', rootWords(spec.root)),
      ...notes.flatMap((note) => paragraph('- ', saidText(note))),
    ),
    `${comment(vscode.l10n.t('The system calls, in this order:'))}\n${steps.map((step, index) => stepLine(step, index === failed?.step ? failed : undefined)).join('\n')}`,
    ...equivalents.map(({ tool, command, differences }) =>
      comment(
        vscode.l10n.t('The nearest {0} command line:', `${tool}(1)`),
        ...command.split('\n').map((line) => `  ${line}`),
        ...differences.flatMap((one) => paragraph('- ', saidText(one))),
      ),
    ),
    comment(
      vscode.l10n.t('The specification with every default filled in:'),
      ...JSON.stringify(spec, undefined, 2).split('\n'),
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

function stepLine(step: SandboxStep, failed: FailedStep | undefined): string {
  const optional = step.optional ? `, ${vscode.l10n.t('if that is possible')}` : '';
  const line = `${step.call.padEnd(PURPOSE_COLUMN)} # ${saidText(step.purpose)}${optional}`;
  if (failed === undefined) return line;
  const heading =
    failed.errno === undefined ? vscode.l10n.t('It failed here.') : vscode.l10n.t('It failed here: {0}.', failed.errno);
  return `${line}\n${comment(`  ^ ${heading}`, ...paragraph('    ', failed.text))}`;
}
