/** Mount tables as read-only documents, made to be compared. Their content is made from their URI, whose query names the process. */
import * as vscode from 'vscode';
import { MountsList, type MountsListParams } from '../../helper/protocol/mounts.ts';
import { Disposable } from '../base/disposable.ts';
import { Scheme } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { failureText } from '../words/failureMessage.ts';
import { mountTableText } from '../words/mountText.ts';
import { comment } from './comment.ts';
import { safeFileName } from './safeFileName.ts';

export class MountTables extends Disposable implements vscode.TextDocumentContentProvider {
  private readonly connection: HelperConnection;
  private readonly emitter = this.register(new vscode.EventEmitter<vscode.Uri>());
  readonly onDidChange = this.emitter.event;

  constructor(connection: HelperConnection) {
    super();
    this.connection = connection;
  }

  async provideTextDocumentContent(uri: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    try {
      return mountTableText(await this.connection.request(MountsList, JSON.parse(uri.query) as MountsListParams, token));
    } catch (error) {
      return `${comment(failureText(error))}\n`;
    }
  }

  /** The document of these mounts. One that is open already is read afresh. */
  uri(name: string, params: MountsListParams): vscode.Uri {
    const uri = vscode.Uri.from({
      scheme: Scheme.mounts,
      path: `/${safeFileName(name)}.mounts`,
      query: JSON.stringify(params),
    });
    this.emitter.fire(uri);
    return uri;
  }
}
