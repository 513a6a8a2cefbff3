import { constants } from 'node:os';
import * as vscode from 'vscode';
import { HostChanged, type HostPart, HostWatch, type InitializeResult } from '../../helper/protocol/host.ts';
import type { NotificationMethod, Told } from '../../helper/protocol/notifications.ts';
import type { Asked, Method, Params, Result } from '../../helper/protocol/requests.ts';
import { Disposable } from '../base/disposable.ts';
import { type Log, logHelperLine } from '../plain/logChannel.ts';
import { warn } from '../plain/notify.ts';
import type { Preference } from './elevation.ts';
import { HelperError } from './helperError.ts';
import type { Ending, HelperProcess } from './helperProcess.ts';
import { showPasswordBox } from './passwordBox.ts';
import type { PasswordQuestion } from './passwordServer.ts';
import { mayStartHelper } from './personActs.ts';
import { cancelled, disconnected, notAskedFor, requestErrorFrom, unsupportedPlatform } from './requestError.ts';
import { StartFailure, type StartOptions, startHelper, type WithoutRoot } from './startHelper.ts';

export type ConnectionState =
  /** Not started yet, because no view was opened, or stopped on purpose. */
  | { kind: 'stopped' }
  | { kind: 'starting' }
  | { kind: 'ready'; host: InitializeResult; withoutRoot?: WithoutRoot }
  /** It crashed, or could not start. */
  | { kind: 'failed'; message: string; detail?: string };

export interface ConnectionOptions {
  log: Log;
  /** What it takes to start the helper; who is asked for a password is decided here. */
  start: Omit<StartOptions, 'preference' | 'askForPassword' | 'onLogLine'>;
  /** What the setting says now. */
  preference: () => Preference;
}

/** One start of the helper: from the wish to have it until it is replaced or has ended. */
interface Session {
  abandon: AbortController;
  ready: Promise<HelperProcess>;
}

/** The extension's one connection to the helper: starts it when it is first asked, and says when it ends. */
const WATCH_RETRY_MILLIS = 1000;

export class HelperConnection extends Disposable {
  private readonly stateEmitter = this.register(new vscode.EventEmitter<ConnectionState>());
  private readonly hostEmitter = this.register(new vscode.EventEmitter<readonly HostPart[]>());
  private readonly options: ConnectionOptions;
  private readonly watched = new Set<readonly HostPart[]>();
  /** Who listens to which notification, by method. */
  private readonly listeners = new Map<string, vscode.EventEmitter<unknown>>();
  private current: ConnectionState = { kind: 'stopped' };
  private session: Session | undefined;
  /** What was chosen with a command; holds until the window is closed, or the password box is. */
  private chosen: Preference | undefined;
  private watchScheduled = false;
  /** What the helper was told to watch; undefined when it is not known whether it was. */
  private sentParts: string | undefined = '';
  private watchRetry: NodeJS.Timeout | undefined;

  readonly onDidChangeState = this.stateEmitter.event;
  /** Fires with the parts of the host that changed, as `host/changed` says; only watched parts are told. */
  readonly onDidChangeHost: vscode.Event<readonly HostPart[]> = this.hostEmitter.event;

  constructor(options: ConnectionOptions) {
    super();
    this.options = options;
  }

  get state(): ConnectionState {
    return this.current;
  }

  /** Asks the helper, starting it when it is stopped and may be started (personActs.ts). Rejects with a `HelperError`. */
  async request<M extends Method>(
    { method }: Asked<M>,
    params: Params<M>,
    token?: vscode.CancellationToken,
  ): Promise<Result<M>> {
    if (this.current.kind === 'failed') throw disconnected();
    const helper = await this.helper();
    if (token?.isCancellationRequested === true) throw cancelled();
    try {
      // A token that is there but undefined would be taken for a second parameter.
      const tokens = token === undefined ? [] : [token];
      return await helper.connection.sendRequest<Result<M>>(method, params, ...tokens);
    } catch (error) {
      throw requestErrorFrom(method, error, token);
    }
  }

  /** Calls `listener` with every notification of this type, of whichever helper is running, until disposed of. */
  onNotification<M extends NotificationMethod>(
    { method }: { readonly method: M },
    listener: (params: Told<M>) => void,
  ): vscode.Disposable {
    let emitter = this.listeners.get(method);
    if (emitter === undefined) {
      emitter = this.register(new vscode.EventEmitter<unknown>());
      this.listeners.set(method, emitter);
    }
    return emitter.event((params) => listener(params as Told<M>));
  }

  /** Tells the helper that `parts` are visible, until disposed of. What it watches is the union over all holders. */
  watch(parts: readonly HostPart[]): vscode.Disposable {
    const held = [...parts];
    this.watched.add(held);
    this.scheduleWatch();
    return new vscode.Disposable(() => {
      if (this.watched.delete(held)) this.scheduleWatch();
    });
  }

  /** Starts the helper if it is stopped or failed. Rejects with a `HelperError` when it cannot be started. */
  async start(): Promise<void> {
    await this.helper();
  }

  /** Ends the helper and starts another: as root, as the user, or as was chosen last. */
  async restart(how?: Preference): Promise<void> {
    this.chosen = how ?? this.chosen;
    this.endSession();
    await this.helper();
  }

  override dispose(): void {
    clearTimeout(this.watchRetry);
    this.endSession();
    super.dispose();
  }

  private helper(): Promise<HelperProcess> {
    if (process.platform !== 'linux') return Promise.reject(unsupportedPlatform());
    if (this.disposed) return Promise.reject(disconnected());
    if (this.session === undefined && !mayStartHelper()) return Promise.reject(notAskedFor());
    this.session ??= this.beginSession();
    return this.session.ready;
  }

  private beginSession(): Session {
    this.setState({ kind: 'starting' });
    const abandon = new AbortController();
    const ready = this.bringUp(abandon.signal);
    // Whoever asked is told; when nobody did, the state tells.
    ready.catch(() => undefined);
    return { abandon, ready };
  }

  private async bringUp(abandoned: AbortSignal): Promise<HelperProcess> {
    const { log } = this.options;
    try {
      const { helper, host, withoutRoot } = await startHelper(
        {
          ...this.options.start,
          preference: this.chosen ?? this.options.preference(),
          askForPassword: (question) => this.askForPassword(question),
          onLogLine: (line) => logHelperLine(log, line),
        },
        abandoned,
      );
      if (abandoned.aborted) {
        helper.stop();
        throw disconnected();
      }
      this.adopt(helper, abandoned);
      log.info(`helper ${host.version} runs as ${host.user} (${host.mode}), pid ${host.pid}, kernel ${host.kernelRelease}`);
      if (withoutRoot?.why === 'refused') this.reportRefusal(withoutRoot.detail);
      this.setState({ kind: 'ready', host, ...(withoutRoot === undefined ? {} : { withoutRoot }) });
      this.scheduleWatch();
      return helper;
    } catch (error) {
      if (abandoned.aborted) throw disconnected();
      throw this.fail(startFailureMessage(error), error instanceof Error ? error.message : String(error));
    }
  }

  private adopt(helper: HelperProcess, abandoned: AbortSignal): void {
    this.sentParts = '';
    helper.connection.onNotification(HostChanged, ({ parts }) => {
      if (!abandoned.aborted) this.hostEmitter.fire(parts);
    });
    helper.connection.onNotification((method: string, params: unknown) => {
      if (!abandoned.aborted) this.listeners.get(method)?.fire(params);
    });
    abandoned.addEventListener('abort', () => helper.stop(), { once: true });
    void helper.ended.then((ending) => {
      if (!abandoned.aborted)
        this.fail(vscode.l10n.t('The helper ended unexpectedly ({0}).', endingWords(ending)), ending.lastWords);
    });
  }

  private endSession(): void {
    this.session?.abandon.abort();
    this.session = undefined;
    this.setState({ kind: 'stopped' });
  }

  private fail(message: string, detail: string): HelperError {
    this.options.log.error(message);
    // Only a person starts another: requests are refused while the state is `failed`.
    this.session = undefined;
    this.setState({ kind: 'failed', message, ...(detail === '' ? {} : { detail }) });
    return new HelperError('disconnected', message, vscode.l10n.t('Restart it; the log says why it ended.'));
  }

  /** A person who closes the box is not asked again before they choose once more to become root. */
  private async askForPassword(question: PasswordQuestion): Promise<string | undefined> {
    const password = await showPasswordBox(question);
    if (password === undefined) this.chosen = undefined;
    return password;
  }

  private reportRefusal(detail: string): void {
    const showLog = vscode.l10n.t('Show Log');
    const message = vscode.l10n.t(
      'The helper could not become root, and runs as you. {0}',
      detail.split('\n').slice(-3).join(' '),
    );
    void warn(message, showLog).then((choice) => {
      if (choice === showLog) this.options.log.show();
    });
  }

  private scheduleWatch(): void {
    if (this.watchScheduled) return;
    this.watchScheduled = true;
    // Views that hide and show in one go need not stop what they start again at once.
    queueMicrotask(() => {
      this.watchScheduled = false;
      void this.sendWatch();
    });
  }

  private async sendWatch(): Promise<void> {
    if (this.current.kind !== 'ready') return;
    const parts = [...new Set([...this.watched].flat())].sort();
    if (parts.join() === this.sentParts) return;
    this.sentParts = parts.join();
    try {
      await this.request(HostWatch, { parts });
    } catch (error) {
      this.options.log.warn(`watching ${parts.join()}: ${String(error)}`);
      // The helper does not know of it: until it does, nothing is told of these parts.
      this.sentParts = undefined;
      clearTimeout(this.watchRetry);
      this.watchRetry = setTimeout(() => this.scheduleWatch(), WATCH_RETRY_MILLIS);
    }
  }

  private setState(state: ConnectionState): void {
    if (this.current.kind === 'stopped' && state.kind === 'stopped') return;
    this.current = state;
    this.stateEmitter.fire(state);
  }
}

function startFailureMessage(error: unknown): string {
  if (!(error instanceof StartFailure)) return vscode.l10n.t('The helper could not be started.');
  if (error.ending === 'timeout') return vscode.l10n.t('The helper did not answer in time.');
  if (error.ending === 'abandoned') return vscode.l10n.t('The start of the helper was given up.');
  return vscode.l10n.t('The helper could not be started ({0}).', endingWords(error.ending));
}

function endingWords(ending: Ending): string {
  if (ending.spawnError !== undefined) return ending.spawnError;
  const signal = ending.signal ?? signalOf(ending.code);
  if (signal !== undefined) return vscode.l10n.t('signal {0}', signal);
  return ending.code === null ? vscode.l10n.t('it closed its connection') : vscode.l10n.t('exit status {0}', ending.code);
}

/** sudo ends with 128 and the signal's number when a signal ended its program. */
function signalOf(code: number | null): string | undefined {
  if (code === null || code <= 128) return undefined;
  return Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
}
