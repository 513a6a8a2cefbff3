/**
 * The files of cgroups as files of VS Code: an editor shows what the kernel says, and saving writes the kernel's file. Which cgroup it is, with
 * its inode number, is in the URI, so that a file of a later cgroup of the same name is never written.
 */
import { posix } from 'node:path';
import * as vscode from 'vscode';
import {
  type CgroupChange,
  type CgroupFileRef,
  CgroupsExplain,
  CgroupsReadFile,
  CgroupsWriteFile,
} from '../../helper/protocol/cgroups.ts';
import { Disposable } from '../base/disposable.ts';
import { Scheme } from '../base/ids.ts';
import { confirmed } from '../changes/confirmation.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import { wellFormedName, wireName } from '../plain/fileNameText.ts';
import { say } from '../plain/notify.ts';
import { shortIds } from '../words/cgroupWords.ts';
import { failureText, showFailure } from '../words/failureMessage.ts';
import { safeFileName } from './safeFileName.ts';

/** Counters have no event; an editor that is open need not be faster than one reads. */
const POLL_MILLIS = 2000;

interface Seen {
  text: string;
  writable: boolean;
  /** When its text was first seen to be this: the kernel keeps no such time. */
  mtime: number;
  /** What editors have: read last, or saved last. The kernel may have made something else of it. */
  shown?: string;
}

/**
 * The URI of a file: its last segment is the file, its folder what people call the cgroup, and its query the cgroup itself, short, because
 * VS Code names the whole URI in its messages.
 */
export function cgroupFileUri({ cgroup, file }: CgroupFileRef, title: string): vscode.Uri {
  const { hierarchy, ino, path } = cgroup;
  const query = JSON.stringify([hierarchy, ino, path]);
  return vscode.Uri.from({ scheme: Scheme.cgroup, path: `/${safeFileName(title)}/${wellFormedName(file)}`, query });
}

function refOf(uri: vscode.Uri): CgroupFileRef {
  try {
    const [hierarchy, ino, path] = JSON.parse(uri.query) as unknown[];
    if (typeof hierarchy === 'string' && typeof ino === 'number' && typeof path === 'string')
      return { cgroup: { hierarchy, ino, path }, file: wireName(posix.basename(uri.path)) };
  } catch {
    // A URI that somebody made by hand.
  }
  throw vscode.FileSystemError.FileNotFound(uri);
}

export class CgroupFiles extends Disposable implements vscode.FileSystemProvider {
  private readonly connection: HelperConnection;
  private readonly seen = new Map<string, Seen>();
  private readonly watched = new Map<string, vscode.Uri>();
  private readonly emitter = this.register(new vscode.EventEmitter<vscode.FileChangeEvent[]>());
  private timer: NodeJS.Timeout | undefined;
  readonly onDidChangeFile = this.emitter.event;

  constructor(connection: HelperConnection) {
    super();
    this.connection = connection;
    this.register(vscode.workspace.registerFileSystemProvider(Scheme.cgroup, this, { isCaseSensitive: true }));
    this.register(vscode.workspace.onDidSaveTextDocument((document) => void this.showSaved(document)));
    this.register(new vscode.Disposable(() => clearTimeout(this.timer)));
  }

  /** Told while an editor has the file open. */
  watch(uri: vscode.Uri): vscode.Disposable {
    const key = uri.toString();
    this.watched.set(key, uri);
    this.schedule();
    return new vscode.Disposable(() => {
      this.watched.delete(key);
      this.seen.delete(key);
    });
  }

  private schedule(): void {
    clearTimeout(this.timer);
    if (this.watched.size === 0 || this.disposed) return;
    this.timer = setTimeout(() => void this.poll().finally(() => this.schedule()), POLL_MILLIS);
  }

  /** Only what can be seen: a tab in the background is read when it comes to the front. */
  private async poll(): Promise<void> {
    const visible = new Set(vscode.window.visibleTextEditors.map(({ document }) => document.uri.toString()));
    for (const [key, uri] of this.watched) if (visible.has(key)) await this.look(uri);
  }

  /** Has editors read anew what is not what they show. */
  private async look(uri: vscode.Uri): Promise<void> {
    const before = this.seen.get(uri.toString());
    try {
      const now = await this.read(uri);
      if (before?.shown === undefined || now.text.trimEnd() === before.shown.trimEnd()) return;
      this.tell(uri, now);
    } catch (error) {
      if (!(error instanceof vscode.FileSystemError) || error.code !== 'FileNotFound' || before === undefined) return;
      this.seen.delete(uri.toString());
      this.emitter.fire([{ type: vscode.FileChangeType.Deleted, uri }]);
    }
  }

  /** Told once: a person who is typing is not disturbed, and asked by VS Code on saving. */
  private tell(uri: vscode.Uri, now: Seen): void {
    // A saved text that the kernel refused or rounded may have been seen with this time already.
    now.mtime += 1;
    now.shown = now.text;
    this.emitter.fire([{ type: vscode.FileChangeType.Changed, uri }]);
  }

  private async read(uri: vscode.Uri): Promise<Seen> {
    try {
      const { text, writable } = await this.connection.request(CgroupsReadFile, refOf(uri));
      const before = this.seen.get(uri.toString());
      if (before?.text === text && before.writable === writable) return before;
      const now: Seen = { ...before, text, writable, mtime: Math.max(Date.now(), (before?.mtime ?? 0) + 1) };
      this.seen.set(uri.toString(), now);
      return now;
    } catch (error) {
      throw fileErrorOf(error);
    }
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const { text, writable, mtime } = await this.read(uri);
    const stat: vscode.FileStat = { type: vscode.FileType.File, ctime: 0, mtime, size: Buffer.byteLength(text) };
    if (!writable) stat.permissions = vscode.FilePermission.Readonly;
    return stat;
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const seen = await this.read(uri);
    seen.shown = seen.text;
    return Buffer.from(seen.text);
  }

  /**
   * Writes the kernel's file with one write(2). A refusal is told here, since VS Code puts the whole URI before an error's words. What the file holds
   * then is shown when the editor has done with saving.
   */
  async writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
    const ref = refOf(uri);
    const text = Buffer.from(content).toString();
    try {
      if (!(await this.write(ref, text))) void say(vscode.l10n.t('Nothing was written to {0}.', ref.file));
    } catch (error) {
      if (!isRefusal(error)) throw fileErrorOf(error);
      const { reason, message, hint } = error;
      const again = { title: vscode.l10n.t('Edit Again'), run: () => editAgain(uri, text) };
      void showFailure(new HelperError(reason, shortIds(message), hint), [again]);
    }
    (await this.read(uri)).shown = text;
  }

  /**
   * What the kernel refused, or made something else of. What a look told of while the editor was saving, VS Code has left alone, so it is the
   * editor's own text that this is compared with.
   */
  private async showSaved(document: vscode.TextDocument): Promise<void> {
    const { uri } = document;
    if (uri.scheme !== Scheme.cgroup) return;
    const now = await this.read(uri).catch(() => undefined);
    if (now === undefined || document.isDirty || now.text.trimEnd() === document.getText().trimEnd()) return;
    this.tell(uri, now);
  }

  /** What the helper warns of is asked about first; false when the person decided otherwise. */
  private async write(ref: CgroupFileRef, text: string): Promise<boolean> {
    const change: CgroupChange = { kind: 'write', file: ref.file, text };
    const explained = await this.connection.request(CgroupsExplain, { cgroup: ref.cgroup, change });
    const { warnings } = explained;
    const title = vscode.l10n.t('Write {0}', ref.file);
    if (warnings.length > 0 && !(await confirmed(title, vscode.l10n.t('Write'), explained))) return false;
    await this.connection.request(CgroupsWriteFile, { ...ref, text, acknowledged: warnings.map(({ id }) => id) });
    return true;
  }

  readDirectory(uri: vscode.Uri): [string, vscode.FileType][] {
    throw vscode.FileSystemError.FileNotADirectory(uri);
  }
  createDirectory(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
  delete(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
}

/** The file is there and was not written. */
function isRefusal(error: unknown): error is HelperError {
  return error instanceof HelperError && !['gone', 'notFound', 'disconnected', 'cancelled'].includes(error.reason);
}

/** The text that was refused, in the editor once more. */
async function editAgain(uri: vscode.Uri, text: string): Promise<void> {
  const editor = await vscode.window.showTextDocument(uri);
  const { document } = editor;
  const whole = new vscode.Range(new vscode.Position(0, 0), document.lineAt(document.lineCount - 1).range.end);
  await editor.edit((edit) => edit.replace(whole, text));
}

/** The words that VS Code shows: what failed, with the accepted format as the helper says it. */
function fileErrorOf(error: unknown): vscode.FileSystemError {
  if (error instanceof vscode.FileSystemError) return error;
  const message = shortIds(failureText(error));
  if (!(error instanceof HelperError)) return new vscode.FileSystemError(message);
  if (error.reason === 'gone' || error.reason === 'notFound') return vscode.FileSystemError.FileNotFound(message);
  if (error.reason === 'permission') return vscode.FileSystemError.NoPermissions(message);
  if (error.reason === 'disconnected') return vscode.FileSystemError.Unavailable(message);
  return new vscode.FileSystemError(message);
}
