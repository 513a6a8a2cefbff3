/** Keeps the model of the cgroups current while something visible shows it: at once when the helper says so, and slowly for the figures. */
import { performance } from 'node:perf_hooks';
import * as vscode from 'vscode';
import { CgroupsList } from '../../helper/protocol/cgroups.ts';
import type { HostPart } from '../../helper/protocol/host.ts';
import { Disposable } from '../base/disposable.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError, isUnanswered } from '../connection/helperError.ts';
import type { Log } from '../plain/logChannel.ts';
import { CgroupModel } from './cgroupModel.ts';
import { emptyDelta, type HostDelta, isEmpty } from './clientModel.ts';
import { Rounds } from './rounds.ts';
import { Viewers } from './viewers.ts';

const PARTS: readonly HostPart[] = ['cgroups'];
/** No event tells that a counter went on. */
const FIGURES_MILLIS = 2000;

export class Cgroups extends Disposable {
  readonly model = new CgroupModel();
  private readonly connection: HelperConnection;
  private readonly log: Log;
  private readonly emitter = this.register(new vscode.EventEmitter<HostDelta>());
  private readonly rounds = this.register(
    new Rounds({
      mayRead: () => this.connection.state.kind === 'ready' && !this.disposed,
      isWanted: () => this.viewers.any,
      read: () => this.read(),
      failed: (error) => this.fail(error),
    }),
  );
  private readonly viewers = this.register(new Viewers(() => this.begin()));
  private timer: NodeJS.Timeout | undefined;
  private everLoaded = false;
  private isOfPresent = false;
  private lastProblem: HelperError | undefined;

  /** Fires after the model changed, and when `problem` did. */
  readonly onDidChange = this.emitter.event;

  constructor(connection: HelperConnection, log: Log) {
    super();
    this.connection = connection;
    this.log = log;
    this.register(connection.onDidChangeHost((parts) => parts.includes('cgroups') && void this.refresh()));
    this.register(
      connection.onDidChangeState(({ kind }) => {
        if (kind !== 'ready') this.isOfPresent = false;
        else if (this.viewers.any) void this.refresh();
      }),
    );
  }

  get loaded(): boolean {
    return this.everLoaded;
  }

  /** Whether it is what the present helper says: what one of before said of an empty list says nothing. */
  get known(): boolean {
    return this.isOfPresent;
  }

  /** Why the last reading failed. */
  get problem(): HelperError | undefined {
    return this.lastProblem;
  }

  /** Keeps the model current until disposed of. */
  watch(): vscode.Disposable {
    return this.viewers.add();
  }

  private begin(): vscode.Disposable {
    const watching = this.connection.watch(PARTS);
    void this.refresh();
    return vscode.Disposable.from(watching, { dispose: () => clearTimeout(this.timer) });
  }

  /** Resolves when the model has been filled. Rejects with why it cannot be. */
  async load(): Promise<void> {
    if (this.everLoaded && this.viewers.any) return;
    await this.connection.start();
    await this.refresh();
    if (this.lastProblem !== undefined) throw this.lastProblem;
  }

  /** Reads everything afresh. Never rejects: `problem` says why it failed. */
  refresh(): Promise<void> {
    return this.rounds.ask();
  }

  private async read(): Promise<void> {
    clearTimeout(this.timer);
    const answer = await this.connection.request(CgroupsList, {});
    const delta = this.model.apply(answer, performance.now());
    const first = !this.isOfPresent || this.lastProblem !== undefined;
    this.everLoaded = true;
    this.isOfPresent = true;
    this.lastProblem = undefined;
    if (first) delta.cgroupList = true;
    if (!isEmpty(delta)) this.emitter.fire(delta);
    if (this.viewers.any && !this.disposed) this.timer = setTimeout(() => void this.refresh(), FIGURES_MILLIS);
  }

  private fail(error: unknown): void {
    if (!(error instanceof HelperError) || isUnanswered(error)) return;
    this.log.error(`reading the cgroups: ${error.message}`);
    this.lastProblem = error;
    this.emitter.fire({ ...emptyDelta(), cgroupList: true });
  }
}
