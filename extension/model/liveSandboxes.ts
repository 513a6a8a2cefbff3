/**
 * The client's copy of what there is of sandboxes: those that the helper runs or keeps, and the specifications in the workspace. Kept
 * current while something visible shows them, and only then.
 */
import { isDeepStrictEqual } from 'node:util';
import * as vscode from 'vscode';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { type Sandbox, SandboxesList } from '../../helper/protocol/sandboxes.ts';
import type { OtherContribution } from '../base/contributions.ts';
import { Disposable } from '../base/disposable.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { isUnanswered } from '../connection/helperError.ts';
import { disconnected } from '../connection/requestError.ts';
import type { Log } from '../plain/logChannel.ts';
import { Rounds } from './rounds.ts';
import { Viewers } from './viewers.ts';

export const specificationSchema: OtherContribution = {
  jsonValidation: [{ fileMatch: '*.sandbox.json', url: './media/sandbox.schema.json' }],
};

export const SPECIFICATIONS = '**/*.sandbox.json';
/** More than anybody keeps in a workspace; what is beyond is opened from the explorer. */
const MOST_FILES = 500;

export class Sandboxes extends Disposable {
  private readonly connection: HelperConnection;
  private readonly log: Log;
  private readonly emitter = this.register(new vscode.EventEmitter<void>());
  private known: readonly Sandbox[] = [];
  private everLoaded = false;
  private lastFailure: unknown;
  private found: readonly vscode.Uri[] = [];
  private readonly viewers = this.register(new Viewers(() => this.begin()));
  private readonly rounds = this.register(
    new Rounds({
      mayRead: () => this.connection.state.kind === 'ready' && !this.disposed,
      isWanted: () => this.viewers.any,
      read: () => this.readList(),
      failed: (error) => this.fail(error),
    }),
  );

  /** Fires when `list` or `files` changed. */
  readonly onDidChange = this.emitter.event;

  constructor(connection: HelperConnection, log: Log) {
    super();
    this.connection = connection;
    this.log = log;
    this.register(connection.onDidChangeState(() => this.onState()));
    this.register(connection.onDidChangeHost((parts) => parts.includes('sandboxes') && void this.read()));
    const watcher = this.register(vscode.workspace.createFileSystemWatcher(SPECIFICATIONS, false, true, false));
    this.register(watcher.onDidCreate(() => void this.findFiles()));
    this.register(watcher.onDidDelete(() => void this.findFiles()));
    this.register(vscode.workspace.onDidGrantWorkspaceTrust(() => void this.findFiles()));
  }

  /** Whether the present helper has told of them. */
  get loaded(): boolean {
    return this.everLoaded;
  }

  get list(): readonly Sandbox[] {
    return this.known;
  }

  /** The one whose first process this is. */
  ledBy(process: ProcessRef | undefined): Sandbox | undefined {
    if (process === undefined) return undefined;
    return this.known.find((one) => one.process?.pid === process.pid && one.process.startTime === process.startTime);
  }

  /** Specifications of the workspace, by path. None while the workspace is not trusted: what is in them would be run. */
  get files(): readonly vscode.Uri[] {
    return this.found;
  }

  /** Keeps both current until disposed of. */
  watch(): vscode.Disposable {
    return this.viewers.add();
  }

  private begin(): vscode.Disposable {
    const watching = this.connection.watch(['sandboxes']);
    void this.read();
    void this.findFiles();
    return watching;
  }

  /** Asks the helper afresh. Resolves when the list is current, or could not be read. */
  read(): Promise<void> {
    return this.rounds.ask();
  }

  /** Resolves with the list afresh. Rejects when it cannot be had. */
  async load(): Promise<readonly Sandbox[]> {
    await this.connection.start();
    await this.read();
    if (!this.everLoaded) throw this.lastFailure ?? disconnected();
    return this.known;
  }

  private async readList(): Promise<void> {
    const { sandboxes } = await this.connection.request(SandboxesList, {});
    const known = [...sandboxes].sort((one, other) => one.createdMillis - other.createdMillis);
    if (this.everLoaded && isDeepStrictEqual(known, this.known)) return;
    this.everLoaded = true;
    this.known = known;
    this.emitter.fire();
  }

  private fail(error: unknown): void {
    if (isUnanswered(error)) return;
    this.lastFailure = error;
    this.log.error(`reading the sandboxes: ${error instanceof Error ? error.message : String(error)}`);
  }

  private onState(): void {
    if (this.connection.state.kind === 'ready') {
      if (this.viewers.any) void this.read();
    } else if (this.everLoaded) {
      // Those that end with the helper have ended; the others are found again by the next one.
      this.everLoaded = false;
      this.known = [];
      this.emitter.fire();
    }
  }

  private async findFiles(): Promise<void> {
    const files = vscode.workspace.isTrusted
      ? await vscode.workspace.findFiles(SPECIFICATIONS, '**/node_modules/**', MOST_FILES)
      : [];
    const found = files.sort((one, other) => one.path.localeCompare(other.path));
    if (found.join('\n') === this.found.join('\n')) return;
    this.found = found;
    this.emitter.fire();
  }
}
