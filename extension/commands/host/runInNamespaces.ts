import * as vscode from 'vscode';
import { type ProgramParams, ProgramsRun, type ProgramsRunResult } from '../../../helper/protocol/programs.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { CONTAINER_ROW, IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { ProgramOutputs } from '../../documents/programOutput.ts';
import { showSyscalls } from '../../documents/syscallDocuments.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { ask } from '../../plain/box.ts';
import { during } from '../../plain/notify.ts';
import { shellWord } from '../../plain/plainText.ts';
import { splitCommandLine } from '../../programs/commandLine.ts';
import { askForEntry, type Proposal } from '../../programs/entryQuestions.ts';
import { showStartFailure } from '../../programs/hostTools.ts';
import { orWithoutFilter } from '../../programs/unfiltered.ts';

export const runInNamespacesCommand: CommandContribution = {
  id: 'isoscope.program.runInNamespaces',
  title: 'Run Command in Namespaces…',
  icon: 'play',
  menus: {
    'view/item/context': [
      { group: '1_enter@3', when: [IN_ANY_VIEW, { anyOf: [CONTAINER_ROW, { row: 'namespace' }] }, ONE_ROW] },
      { group: '1_enter@3', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }] },
    ],
  },
};

/** Runs a program to its end in a subset of a target's namespaces, and shows what it wrote and its exit status. */
export async function runInNamespaces(
  connection: HelperConnection,
  outputs: ProgramOutputs,
  target: CommandTarget = {},
  proposal: Proposal = 'usual',
): Promise<void> {
  const entry = await askForEntry(connection, target, proposal);
  if (entry === undefined) return;
  const command = await askForCommand(entry.name);
  if (command === undefined) return;
  if (entry.explain) return showSyscalls(entry.name, { ...entry.params, command });
  try {
    await outputs.show(entry.name, command, await run(connection, { ...entry.params, command }));
  } catch (error) {
    await showStartFailure(error, () => runInNamespaces(connection, outputs, entry.target, 'hostTools'));
  }
}

async function askForCommand(where: string): Promise<string[] | undefined> {
  const question = {
    of: where,
    prompt: vscode.l10n.t('Program and arguments. No shell reads them; quotes keep words together.'),
    placeHolder: 'ip addr',
  };
  const line = await ask(question, (text) =>
    splitCommandLine(text) === undefined ? vscode.l10n.t('A quote is not closed.') : undefined,
  );
  const words = line === undefined ? undefined : splitCommandLine(line);
  return words === undefined || words.length === 0 ? undefined : words;
}

function run(connection: HelperConnection, params: ProgramParams & { command: string[] }): Promise<ProgramsRunResult> {
  const title = vscode.l10n.t('Running {0}', params.command.map(shellWord).join(' '));
  const request = (asked: typeof params) =>
    during({ title }, (_report, token) => connection.request(ProgramsRun, asked, token));
  return orWithoutFilter(params, request);
}
