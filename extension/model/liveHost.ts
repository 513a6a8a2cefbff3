/**
 * Keeps the model of the host current while something visible shows it, and only then: asks the helper for what it says
 * has changed, one round at a time, and tells the trees which rows that touches.
 */
import * as vscode from 'vscode';
import { ContainersList } from '../../helper/protocol/containers.ts';
import type { HostPart } from '../../helper/protocol/host.ts';
import { type NamespaceRef, NamespacesList } from '../../helper/protocol/namespaces.ts';
import { NetworkInspect, type NetworkInspectResult } from '../../helper/protocol/network.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import type { Asked, Method, Params, Result } from '../../helper/protocol/requests.ts';
import type { CommandContribution } from '../base/contributions.ts';
import { Disposable } from '../base/disposable.ts';
import { IN_ANY_VIEW } from '../base/when.ts';
import type { ConnectionState, HelperConnection } from '../connection/connection.ts';
import { isUnanswered } from '../connection/helperError.ts';
import { onFirstAct } from '../connection/personActs.ts';
import { disconnected } from '../connection/requestError.ts';
import type { Log } from '../plain/logChannel.ts';
import { ClientModel, emptyDelta, type HostDelta, isEmpty, keyOf, type NamespaceKey } from './clientModel.ts';
import { Cgroups } from './liveCgroups.ts';
import { Rounds } from './rounds.ts';
import { Viewers } from './viewers.ts';

export const refreshCommand: CommandContribution = {
  id: 'isoscope.view.refresh',
  title: 'Refresh',
  icon: 'refresh',
  menus: {
    'view/title': [{ group: 'navigation@3', when: IN_ANY_VIEW }],
  },
};

/** Those that the model is made of. */
const LISTS: readonly HostPart[] = ['processes', 'namespaces', 'containers'];
const PARTS: readonly HostPart[] = ['processes', 'namespaces', 'containers', 'network'];

/** More than a person has open at a time; those looked into last are kept current. */
const MOST_NETWORKS = 50;

export class Host extends Disposable {
  readonly model = new ClientModel();
  /** Read only while something shows cgroups: there may be thousands. */
  readonly cgroups: Cgroups;
  private readonly connection: HelperConnection;
  private readonly log: Log;
  private readonly changeEmitter = this.register(new vscode.EventEmitter<HostDelta>());
  private readonly statusEmitter = this.register(new vscode.EventEmitter<void>());
  /** Of the net namespaces that were looked into. */
  private readonly networks = new Map<NamespaceKey, Promise<NetworkInspectResult>>();
  /** The last answers of these. */
  private readonly networkAnswers = new Map<NamespaceKey, NetworkInspectResult>();
  private readonly due = new Set<HostPart>();
  private readonly rounds = this.register(
    new Rounds({
      mayRead: () => this.state.kind === 'ready' && !this.disposed,
      isWanted: () => this.viewers.any,
      read: () => this.readDue(),
      failed: (error) => this.fail(error),
    }),
  );
  private readonly viewers = this.register(new Viewers(() => this.begin()));
  private revision: number | undefined;
  /** Counts helpers, so that an answer of an earlier one is not taken for the present one's. */
  private generation = 0;
  private everLoaded = false;
  /** Parts that this helper has told of. */
  private readonly known = new Set<HostPart>();
  private lastProblem: string | undefined;
  private lastFailure: unknown;

  /** Fires after the model changed. */
  readonly onDidChange = this.changeEmitter.event;
  /** Fires when `state`, `loaded`, `stale` or `problem` may have changed. */
  readonly onDidChangeStatus = this.statusEmitter.event;

  constructor(connection: HelperConnection, log: Log) {
    super();
    this.log = log;
    this.connection = connection;
    this.cgroups = this.register(new Cgroups(connection, log));
    this.register(connection.onDidChangeState(() => this.onState()));
    this.register(connection.onDidChangeHost((parts) => this.onChanged(parts)));
    // What was shown before, a page of a window that was reloaded, could not start it.
    this.register(onFirstAct(() => this.viewers.any && this.startIfStopped()));
    this.register(vscode.workspace.onDidGrantWorkspaceTrust(() => this.viewers.any && this.startIfStopped()));
  }

  get state(): ConnectionState {
    return this.connection.state;
  }

  /** The model has been filled once. */
  get loaded(): boolean {
    return this.everLoaded;
  }

  /** The model is of a helper that is no more: it is shown, but as something of the past. */
  get stale(): boolean {
    return this.everLoaded && this.state.kind !== 'ready';
  }

  /** Whether the present helper has told of a part of the host: before, that there is nothing of it says nothing. */
  knows(part: HostPart): boolean {
    return this.known.has(part);
  }

  /** Why the last reading of the host failed, in the helper's words. */
  get problem(): string | undefined {
    return this.lastProblem;
  }

  get privileged(): boolean {
    const { state } = this;
    return state.kind !== 'ready' || state.host.mode === 'privileged';
  }

  /** Keeps the model current until disposed of. The first to do so starts the helper. */
  watch(): vscode.Disposable {
    return this.viewers.add();
  }

  private begin(): vscode.Disposable {
    const watching = this.connection.watch(PARTS);
    this.startIfStopped();
    // Anything may have changed while nothing was visible.
    this.onChanged(PARTS);
    return watching;
  }

  private startIfStopped(): void {
    if (this.state.kind === 'stopped') void this.connection.start().catch(() => undefined);
  }

  /** Reads everything afresh. Resolves when the model has it, or when it could not be read. */
  async refresh(): Promise<void> {
    if (this.state.kind !== 'ready') await this.connection.start().catch(() => undefined);
    this.revision = undefined;
    for (const part of PARTS) this.due.add(part);
    await Promise.all([this.rounds.ask(), this.cgroups.loaded ? this.cgroups.refresh() : undefined]);
  }

  /** Resolves when the model is filled, for commands that need it before any view was opened. Rejects when it cannot be. */
  async load(): Promise<void> {
    if (!this.isKnown) await this.refresh();
    if (!this.isKnown) throw this.lastFailure ?? disconnected();
  }

  private get isKnown(): boolean {
    return LISTS.every((part) => this.known.has(part));
  }

  private onState(): void {
    if (this.state.kind !== 'ready') {
      this.generation += 1;
      this.revision = undefined;
      this.networks.clear();
      this.networkAnswers.clear();
      this.known.clear();
      this.lastProblem = undefined;
    } else if (this.viewers.any) {
      this.onChanged(PARTS);
    }
    this.statusEmitter.fire();
  }

  private onChanged(parts: readonly HostPart[]): void {
    for (const part of parts) if (PARTS.includes(part)) this.due.add(part);
    if (this.state.kind === 'ready' && this.due.size > 0) void this.rounds.ask();
  }

  /** Changes that come in meanwhile are asked for together in the next round. What could not be read stays due; the rest counts. */
  private async readDue(): Promise<void> {
    const parts = new Set(this.due);
    this.due.clear();
    const { generation, connection, model } = this;
    const failures: unknown[] = [];
    const read = async <T>(part: HostPart, ask: () => Promise<T>): Promise<T | undefined> => {
      if (!parts.has(part)) return undefined;
      try {
        return await ask();
      } catch (error) {
        failures.push(error);
        if (generation === this.generation) this.due.add(part);
        return undefined;
      }
    };
    const [processes, namespaces, containers, networks] = await Promise.all([
      read('processes', () => connection.request(ProcessesList, this.revision === undefined ? {} : { since: this.revision })),
      read('namespaces', () => connection.request(NamespacesList, { members: false })),
      read('containers', () => connection.request(ContainersList, {})),
      read('network', () => this.changedNetworks()),
    ]);
    if (generation !== this.generation) return;
    const delta = emptyDelta();
    if (containers !== undefined) model.applyContainers(containers, delta);
    if (namespaces !== undefined) model.applyNamespaces(namespaces, delta);
    if (processes !== undefined) {
      model.applyProcesses(processes, delta);
      this.revision = processes.revision;
    }
    for (const key of networks ?? []) delta.networks.add(key);
    const isNew = this.learn({ processes, namespaces, containers });
    if (processes !== undefined) this.everLoaded = true;
    if (isNew || !isEmpty(delta)) this.changeEmitter.fire(delta);
    if (isNew) this.statusEmitter.fire();
    if (failures.length > 0) throw failures.find((error) => !isUnanswered(error)) ?? failures[0];
    this.setProblem(undefined);
  }

  private fail(error: unknown): void {
    if (isUnanswered(error)) return;
    const problem = error instanceof Error ? error.message : String(error);
    this.lastFailure = error;
    this.log.error(`reading the host: ${problem}`);
    this.setProblem(problem);
  }

  /** Whether one of the answers is the first of its part. */
  private learn(answers: Partial<Record<HostPart, unknown>>): boolean {
    const before = this.known.size;
    for (const part of LISTS) if (answers[part] !== undefined) this.known.add(part);
    return this.known.size > before;
  }

  private setProblem(problem: string | undefined): void {
    if (this.lastProblem === problem) return;
    this.lastProblem = problem;
    this.statusEmitter.fire();
  }

  /** Looks again into the net namespaces that were looked into. Most changes of the host's network are not of these. */
  private async changedNetworks(): Promise<NamespaceKey[]> {
    const known = [...this.networks].slice(-MOST_NETWORKS);
    this.networks.clear();
    const keys = new Set(known.map(([key]) => key));
    for (const key of this.networkAnswers.keys()) if (!keys.has(key)) this.networkAnswers.delete(key);
    const changed = await Promise.all(
      known.map(async ([key, before]) => {
        const namespace = this.model.namespaces.get(key);
        if (namespace === undefined) return undefined;
        const [old, now] = await Promise.allSettled([before, this.network(namespace)]);
        return JSON.stringify(old) === JSON.stringify(now) ? undefined : key;
      }),
    );
    return changed.filter((key) => key !== undefined);
  }

  /** Asks the helper about one thing that is not kept in a model. Rejects with a `HelperError`. */
  request<M extends Method>(request: Asked<M>, params: Params<M>): Promise<Result<M>> {
    return this.connection.request(request, params);
  }

  /** Interfaces, routes and sockets of a net namespace; asked once until they change. Rejects with a `HelperError`. */
  network(namespace: NamespaceRef): Promise<NetworkInspectResult> {
    const key = keyOf(namespace);
    const known = this.networks.get(key);
    if (known !== undefined) return known;
    const { kind, dev, ino } = namespace;
    const asked = this.connection.request(NetworkInspect, { namespace: { kind, dev, ino } });
    this.networks.set(key, asked);
    const isLast = () => this.networks.get(key) === asked;
    asked.then(
      (answer) => isLast() && this.networkAnswers.set(key, answer),
      // A failure is not kept: the next look asks again.
      () => isLast() && this.forgetNetwork(key),
    );
    return asked;
  }

  private forgetNetwork(key: NamespaceKey): void {
    this.networks.delete(key);
    this.networkAnswers.delete(key);
  }

  /** What is known of a net namespace without asking: undefined until something looked into it. */
  knownNetwork(namespace: NamespaceRef): NetworkInspectResult | undefined {
    return this.networkAnswers.get(keyOf(namespace));
  }
}
