/**
 * "Show the Syscalls": what a program or terminal would do, as a read-only document. Its content is made from its URI, whose query
 * is the request's parameters, so that a document that was open before a reload of the window shows the same again.
 */
import * as vscode from 'vscode';
import { type ProgramParams, ProgramsExplain, type ProgramsExplainResult } from '../../helper/protocol/programs.ts';
import type { OtherContribution } from '../base/contributions.ts';
import { Scheme } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { shellWord } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';
import { failureText } from '../words/failureMessage.ts';
import { comment } from './comment.ts';
import { safeFileName } from './safeFileName.ts';

export const syscallsLanguage: OtherContribution = {
  languages: [
    {
      id: 'isoscope-syscalls',
      aliases: [{ key: 'language.syscalls', english: 'System Calls' }],
      extensions: ['.syscalls'],
      configuration: './media/syscalls.language.json',
    },
  ],
  grammars: [
    { language: 'isoscope-syscalls', scopeName: 'source.isoscope-syscalls', path: './media/syscalls.tmLanguage.json' },
  ],
};

type ExplainParams = ProgramParams & { terminal?: boolean };

export class SyscallDocuments implements vscode.TextDocumentContentProvider {
  private readonly connection: HelperConnection;

  constructor(connection: HelperConnection) {
    this.connection = connection;
  }

  async provideTextDocumentContent(uri: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    try {
      const params = JSON.parse(uri.query) as ExplainParams;
      return syscallText(await this.connection.request(ProgramsExplain, params, token));
    } catch (error) {
      return `${comment(failureText(error))}\n`;
    }
  }
}

/** Opens the document beside the active editor, if there is one. `name` is the target's, for the tab. */
export async function showSyscalls(name: string, params: ExplainParams): Promise<void> {
  const uri = vscode.Uri.from({
    scheme: Scheme.syscalls,
    path: `/${safeFileName(name)}.syscalls`,
    query: JSON.stringify(params),
  });
  const document = await vscode.workspace.openTextDocument(uri);
  const viewColumn = vscode.window.activeTextEditor === undefined ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
  await vscode.window.showTextDocument(document, { viewColumn, preview: true });
}

function syscallText(explained: ProgramsExplainResult): string {
  const command = explained.command.map(shellWord).join(' ');
  const parts = [
    comment(vscode.l10n.t('Runs {0} as {1}. Nothing of this has been done yet.', command, explained.user)),
    `${comment(vscode.l10n.t('The nearest nsenter(1) command line:'))}\n${explained.nsenter}`,
  ];
  if (explained.differences.length > 0) {
    parts.push(
      comment(
        vscode.l10n.t('What nsenter leaves out or does otherwise:'),
        ...explained.differences.map((one) => `- ${saidText(one)}`),
      ),
    );
  }
  parts.push(`${comment(vscode.l10n.t('The system calls, in this order:'))}\n${explained.syscalls.map(saidText).join('\n')}`);
  return `${parts.join('\n\n')}\n`;
}
