/**
 * What the overview of a container is made of, as far as it has come in: each part for itself, so that a slow one holds up none, and the
 * figures of the last minutes.
 */
import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import { type CgroupRef, CgroupsSampled, type CgroupsSampledParams, CgroupsSubscribe } from '../../helper/protocol/cgroups.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import type { Overlay } from '../../helper/protocol/layers.ts';
import { MountsList, type MountsListResult } from '../../helper/protocol/mounts.ts';
import type { NamespaceRef } from '../../helper/protocol/namespaces.ts';
import { NetworkCounters, NetworkInspect, type NetworkInspectResult } from '../../helper/protocol/network.ts';
import { ProcessesInspect, type ProcessesInspectResult } from '../../helper/protocol/processes.ts';
import { Disposable } from '../base/disposable.ts';
import { cgroupsOf } from '../changes/cgroupPicks.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import { namespaceKey } from '../model/clientModel.ts';
import { refOf } from '../model/commandTarget.ts';
import type { Host } from '../model/liveHost.ts';
import type { Layers } from '../model/liveLayers.ts';
import type { CgroupAnswers } from './cgroupFacts.ts';
import { inspectCgroups } from './inspectCgroups.ts';
import { merged } from './monitorHistory.ts';
import { hasFigures } from './monitorSubjects.ts';
import { type Carried, type Moment, Moments } from './overviewMoments.ts';

/** Something that is asked for by itself. */
export type Part<T> = { state: 'reading' } | { state: 'known'; value: T } | { state: 'failed'; error: unknown };

/** So often figures are sampled while the page can be seen. */
const SAMPLE_MILLIS = 2000;
/** Without root a process has to be started for each look into a network: so many samples have one. */
const NETWORK_EACH = 5;
const LOOPBACK = 'lo';
/** Reasons for which what is known of a part is kept. */
const KEEPING: readonly string[] = ['cancelled', 'gone', 'notFound'];

export interface ReadingParts {
  connection: HelperConnection;
  host: Host;
  layers: Layers;
}

export class OverviewReading extends Disposable {
  readonly key: string;
  private readonly parts: ReadingParts;
  private readonly emitter = this.register(new vscode.EventEmitter<void>());
  /** Fires after something came in that nobody waited for. */
  readonly onDidChange = this.emitter.event;

  /** As it was last seen. */
  container: Container | undefined;
  process: Part<ProcessesInspectResult> = { state: 'reading' };
  cgroups: Part<CgroupAnswers> = { state: 'reading' };
  network: Part<NetworkInspectResult> = { state: 'reading' };
  mounts: Part<MountsListResult> = { state: 'reading' };
  /** Those of the container, its root first; none when no overlay is in sight. */
  overlays: Part<readonly Overlay[]> = { state: 'reading' };

  private readonly kept = new Moments();
  private readonly running = new Set<PartName>();
  private readonly due = new Map<PartName, () => Promise<void>>();
  private subscription: { name: string; cgroups: readonly CgroupRef[] } | undefined;
  private samples = 0;
  private carried: Carried | undefined;

  constructor(key: string, parts: ReadingParts) {
    super();
    const { connection, host } = parts;
    this.key = key;
    this.parts = parts;
    this.register(connection.onNotification(CgroupsSampled, (sampled) => void this.onSampled(sampled)));
    // What was sampled for an earlier helper is sampled no more.
    this.register(connection.onDidChangeState(({ kind }) => kind !== 'ready' && this.forget()));
    this.register(host.onDidChange((delta) => delta.containerProcesses.has(key) && this.changed()));
    this.register(new vscode.Disposable(() => this.rest()));
  }

  get moments(): readonly Moment[] {
    return this.kept.all;
  }

  /** Asks for every part, each of which is told of when it is there. Rejects with `gone` when the container is. */
  async read(): Promise<this> {
    const { host, connection, layers } = this.parts;
    await host.load();
    const container = host.model.containers.get(this.key);
    if (container === undefined) {
      this.rest();
      throw new HelperError('gone', vscode.l10n.t('The container is gone.'));
    }
    this.container = container;
    const process = refOf(container.leader);
    const net = netOf(host, container)?.ref;
    void this.fill('process', () => connection.request(ProcessesInspect, { process }));
    void this.fill('cgroups', () => this.inspectCgroups(container));
    void this.fill('network', () => connection.request(NetworkInspect, net === undefined ? { process } : { namespace: net }));
    void this.fill('mounts', () => connection.request(MountsList, { process }));
    void this.fill('overlays', async () => {
      await layers.reload();
      if (layers.problem !== undefined) throw layers.problem;
      return layers.ofContainer(this.key);
    });
    return this;
  }

  /** Whether the container is another, or none any more, in what the parts are of: how many processes it has changes all the time. */
  hasChanged(): boolean {
    const now = this.parts.host.model.containers.get(this.key);
    return now === undefined || identityOf(now) !== (this.container && identityOf(this.container));
  }

  /** Nothing is sampled while nobody looks. */
  rest(): void {
    const { subscription, parts } = this;
    this.forget();
    if (subscription === undefined || parts.connection.state.kind !== 'ready') return;
    // A helper that is gone samples nothing.
    parts.connection.request(CgroupsSubscribe, { subscription: subscription.name, cgroups: [] }).catch(() => undefined);
  }

  private forget(): void {
    this.subscription = undefined;
    this.kept.interrupt();
  }

  private changed(): void {
    if (!this.disposed) this.emitter.fire();
  }

  /** One at a time of each part: what is asked for meanwhile is asked afterwards. What is known stays while it is read again. */
  private async fill<K extends PartName>(name: K, ask: () => Promise<PartValue<K>>): Promise<void> {
    if (this.running.has(name)) {
      this.due.set(name, () => this.fill(name, ask));
      return;
    }
    this.running.add(name);
    try {
      this.set(name, { state: 'known', value: await ask() });
    } catch (error) {
      // What was last seen of something that is gone stays.
      const keeps = this[name].state === 'known' ? KEEPING : ['cancelled'];
      if (!(error instanceof HelperError && keeps.includes(error.reason))) this.set(name, { state: 'failed', error });
    } finally {
      this.running.delete(name);
    }
    const next = this.due.get(name);
    this.due.delete(name);
    if (!this.disposed) await next?.();
  }

  private set<K extends PartName>(name: K, part: Part<PartValue<K>>): void {
    const parts = this as unknown as Record<PartName, Part<PartValue<K>>>;
    const before = parts[name];
    parts[name] = part;
    if (JSON.stringify(before) !== JSON.stringify(part)) this.changed();
  }

  private async inspectCgroups(container: Container): Promise<CgroupAnswers> {
    const { host, connection } = this.parts;
    const refs = (await cgroupsOf(host, { container })) ?? [];
    const { model } = host.cgroups;
    const measured = model.hierarchies.filter(hasFigures).map(({ hierarchy }) => hierarchy);
    void this.sample(refs.filter(({ hierarchy }) => measured.includes(hierarchy)));
    return await inspectCgroups(connection, refs);
  }

  private async sample(cgroups: readonly CgroupRef[]): Promise<void> {
    if (this.disposed || JSON.stringify(this.subscription?.cgroups) === JSON.stringify(cgroups)) return;
    this.rest();
    const mine = { name: randomUUID(), cgroups };
    this.subscription = mine;
    try {
      const params = { subscription: mine.name, cgroups: [...cgroups], intervalMillis: SAMPLE_MILLIS };
      await this.parts.connection.request(CgroupsSubscribe, params);
      // It was no longer wanted while it was being made.
      if (this.subscription !== mine) await this.parts.connection.request(CgroupsSubscribe, { ...params, cgroups: [] });
    } catch {
      // The page is whole without its lines; the next reading tries again.
      if (this.subscription === mine) this.subscription = undefined;
    }
  }

  private async onSampled({ subscription, monotonicMillis, samples }: CgroupsSampledParams): Promise<void> {
    if (this.subscription?.name !== subscription) return;
    const sample = merged(samples);
    await this.count();
    if (sample === undefined || this.subscription?.name !== subscription) return;
    this.kept.add(monotonicMillis, sample, this.carried);
    this.changed();
  }

  /** Without the rates of its network the page is whole all the same. */
  private async count(): Promise<void> {
    const { host, connection } = this.parts;
    const net = this.container === undefined ? undefined : netOf(host, this.container);
    this.samples += 1;
    if (net === undefined || net.isHost || (!host.privileged && this.samples % NETWORK_EACH !== 1)) return;
    const answer = await connection.request(NetworkCounters, { namespace: net.ref }).catch(() => undefined);
    const own = answer?.interfaces.filter(({ name }) => name !== LOOPBACK);
    this.carried = own && {
      receivedBytes: own.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
      sentBytes: own.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
    };
  }
}

interface PartValues {
  process: ProcessesInspectResult;
  cgroups: CgroupAnswers;
  network: NetworkInspectResult;
  mounts: MountsListResult;
  overlays: readonly Overlay[];
}
type PartName = keyof PartValues;
type PartValue<K extends PartName> = PartValues[K];

function identityOf({ name, image, state, leader, cgroups, namespaces }: Container): string {
  return JSON.stringify([name, image, state, leader, cgroups, namespaces]);
}

function netOf(host: Host, container: Container): { ref: NamespaceRef; isHost: boolean } | undefined {
  const ino = container.namespaces.net;
  const found = typeof ino === 'number' ? host.model.namespaces.get(namespaceKey('net', ino)) : undefined;
  return found && { ref: { kind: found.kind, dev: found.dev, ino: found.ino }, isHost: found.host };
}
