/**
 * What the overview of a container is made of, as far as it has come in: each part for itself, so that a slow one holds up none, and the
 * figures of the last minutes.
 */
import { performance } from 'node:perf_hooks';
import * as vscode from 'vscode';
import { CgroupsInspect, type CgroupsInspectResult, type Figure } from '../../helper/protocol/cgroups.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import type { Overlay } from '../../helper/protocol/layers.ts';
import { MountsList, type MountsListResult } from '../../helper/protocol/mounts.ts';
import type { NamespaceRef } from '../../helper/protocol/namespaces.ts';
import {
  type InterfaceCounters,
  NetworkCounters,
  NetworkInspect,
  type NetworkInspectResult,
} from '../../helper/protocol/network.ts';
import { ProcessesInspect, type ProcessesInspectResult } from '../../helper/protocol/processes.ts';
import { Disposable } from '../base/disposable.ts';
import { cgroupsOf } from '../changes/cgroupPicks.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import { namespaceKey } from '../model/clientModel.ts';
import type { Host } from '../model/liveHost.ts';
import type { Layers } from '../model/liveLayers.ts';
import { type CgroupAnswers, number, together } from './cgroupFacts.ts';

/** Something that is asked for by itself. */
export type Part<T> = { state: 'reading' } | { state: 'known'; value: T } | { state: 'failed'; error: unknown };

/** The figures at one moment. What is absent is not known, or the kernel has no such thing. */
export interface Moment {
  atMillis: number;
  cores?: number;
  /** Of the periods since the moment before, those that the limit cut short: 0 to 1. */
  throttled?: number;
  memoryBytes?: number;
  tasks?: number;
  readBytes?: number;
  writtenBytes?: number;
  receivedBytes?: number;
  sentBytes?: number;
}

/** At two seconds each, two minutes. */
const MOST_MOMENTS = 60;
/** What changes rarely is asked for in every so many rounds. */
const RARELY = 5;
const LOOPBACK = 'lo';

export interface ReadingParts {
  connection: HelperConnection;
  host: Host;
  layers: Layers;
}

export class OverviewReading extends Disposable {
  readonly key: string;
  private readonly parts: ReadingParts;
  private readonly emitter = this.register(new vscode.EventEmitter<void>());
  /** Fires after a part came in that nobody waited for. */
  readonly onDidChange = this.emitter.event;

  /** As it was last seen. */
  container: Container | undefined;
  process: Part<ProcessesInspectResult> = { state: 'reading' };
  cgroups: Part<CgroupAnswers> = { state: 'reading' };
  network: Part<NetworkInspectResult> = { state: 'reading' };
  mounts: Part<MountsListResult> = { state: 'reading' };
  /** Those of the container, its root first; none when no overlay is in sight. */
  overlays: Part<readonly Overlay[]> = { state: 'reading' };
  moments: readonly Moment[] = [];

  private readonly running = new Set<string>();
  private round = 0;
  private counters: Counters | undefined;
  private carried: readonly InterfaceCounters[] | undefined;

  constructor(key: string, parts: ReadingParts) {
    super();
    this.key = key;
    this.parts = parts;
  }

  /** Reads what is due. Resolves when what matters first is there. Rejects with `gone` when the container is. */
  async read(token: vscode.CancellationToken): Promise<this> {
    const { host, connection, layers } = this.parts;
    await host.load();
    const container = host.model.containers.get(this.key);
    if (container === undefined) throw new HelperError('gone', vscode.l10n.t('The container is gone.'));
    const isAnother = this.container?.leader.pid !== container.leader.pid;
    this.container = container;
    const { pid, startTime } = container.leader;
    const process = { pid, startTime };
    const isDue = isAnother || this.round % RARELY === 0;
    this.round += 1;
    const found = netOf(host, container);
    const net: NamespaceRef | undefined = found && { kind: found.kind, dev: found.dev, ino: found.ino };
    if (isDue) {
      void this.fill('network', () => connection.request(NetworkInspect, net === undefined ? { process } : { namespace: net }));
      void this.fill('mounts', () => connection.request(MountsList, { process }));
      void this.fill('overlays', async () => {
        await layers.reload();
        if (layers.problem !== undefined) throw layers.problem;
        return layers.ofContainer(this.key);
      });
    }
    const counted = net === undefined || found?.host === true ? undefined : this.count(net, token);
    await Promise.all([
      isDue ? this.fill('process', () => connection.request(ProcessesInspect, { process }, token)) : undefined,
      this.fill('cgroups', () => this.inspectCgroups(container, token)),
      counted,
    ]);
    this.remember();
    return this;
  }

  /** One at a time of each part. What is known stays while it is read again, and when that was not answered. */
  private async fill<K extends PartName>(name: K, ask: () => Promise<PartValue<K>>): Promise<void> {
    if (this.running.has(name)) return;
    this.running.add(name);
    try {
      this.set(name, { state: 'known', value: await ask() });
    } catch (error) {
      const isCancelled = error instanceof HelperError && error.reason === 'cancelled';
      if (!isCancelled) this.set(name, { state: 'failed', error });
    } finally {
      this.running.delete(name);
    }
  }

  private set<K extends PartName>(name: K, part: Part<PartValue<K>>): void {
    const before = this[name] as Part<PartValue<K>>;
    (this as Record<PartName, unknown>)[name] = part;
    const isSeen = name === 'network' || name === 'mounts' || name === 'overlays';
    if (isSeen && !this.disposed && JSON.stringify(before) !== JSON.stringify(part)) this.emitter.fire();
  }

  private async inspectCgroups(container: Container, token: vscode.CancellationToken): Promise<CgroupAnswers> {
    const { host, connection } = this.parts;
    const refs = (await cgroupsOf(host, { container })) ?? [];
    const asked = await Promise.allSettled(refs.map((cgroup) => connection.request(CgroupsInspect, { cgroup }, token)));
    const [first, ...rest] = asked.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
    if (first !== undefined) return [first, ...rest];
    throw (
      asked.find((one) => one.status === 'rejected')?.reason ?? new HelperError('gone', vscode.l10n.t('The cgroup is gone.'))
    );
  }

  /** Without the rates of its network the page is whole all the same. */
  private async count(namespace: NamespaceRef, token: vscode.CancellationToken): Promise<void> {
    const { host, connection } = this.parts;
    // Without root a process has to be started for it each time.
    if (!host.privileged && this.round % RARELY !== 1) return;
    const answer = await connection.request(NetworkCounters, { namespace }, token).catch(() => undefined);
    this.carried = answer?.interfaces.filter(({ name }) => name !== LOOPBACK);
  }

  private remember(): void {
    if (this.cgroups.state !== 'known') return;
    const now = countersOf(this.cgroups.value, this.carried, performance.now());
    const moment = momentOf(this.counters, now);
    if (moment === undefined) return;
    this.counters = now;
    this.moments = [...this.moments, moment].slice(-MOST_MOMENTS);
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

function netOf(host: Host, container: Container) {
  const ino = container.namespaces.net;
  return typeof ino === 'number' ? host.model.namespaces.get(namespaceKey('net', ino)) : undefined;
}

interface Counters {
  atMillis: number;
  cpuMicros: number | undefined;
  periods: number | undefined;
  throttledPeriods: number | undefined;
  memoryBytes: number | undefined;
  tasks: number | undefined;
  readBytes: number | undefined;
  writtenBytes: number | undefined;
  receivedBytes: number | undefined;
  sentBytes: number | undefined;
}

export function countersOf(
  answers: readonly [CgroupsInspectResult, ...CgroupsInspectResult[]],
  carried: readonly InterfaceCounters[] | undefined,
  atMillis: number,
): Counters {
  const all = answers as CgroupAnswers;
  const cpu = together(all, (answer) => answer.cpu);
  const memory = together(all, (answer) => answer.memory);
  const pids = together(all, (answer) => answer.pids);
  const devices = together(all, (answer) => answer.io)?.devices;
  const disks = Array.isArray(devices) && devices.every(({ uncounted }) => uncounted === undefined) ? devices : undefined;
  const figure = (value: Figure<number> | undefined) => (value === undefined ? undefined : number(value));
  return {
    atMillis,
    cpuMicros: figure(cpu?.usageMicros),
    periods: figure(cpu?.periods),
    throttledPeriods: figure(cpu?.throttledPeriods),
    memoryBytes: figure(memory?.usageBytes),
    tasks: figure(pids?.tasks),
    readBytes: disks?.reduce((sum, { readBytes = 0 }) => sum + readBytes, 0),
    writtenBytes: disks?.reduce((sum, { writtenBytes = 0 }) => sum + writtenBytes, 0),
    receivedBytes: carried?.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
    sentBytes: carried?.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
  };
}

/** Two readings closer together than this tell no rate; further apart no moment that is now. */
const SHORTEST_MILLIS = 500;
const LONGEST_MILLIS = 15_000;

/** Undefined when it is too early for another one. */
export function momentOf(before: Counters | undefined, now: Counters): Moment | undefined {
  const elapsed = before === undefined ? Number.POSITIVE_INFINITY : now.atMillis - before.atMillis;
  if (elapsed < SHORTEST_MILLIS) return undefined;
  const earlier = elapsed > LONGEST_MILLIS ? undefined : before;
  const increase = (name: Exclude<keyof Counters, 'atMillis'>) => {
    const [from, to] = [earlier?.[name], now[name]];
    return from === undefined || to === undefined || to < from ? undefined : to - from;
  };
  const rate = (name: Exclude<keyof Counters, 'atMillis'>) => {
    const more = increase(name);
    return more === undefined ? undefined : (more / elapsed) * 1000;
  };
  const [cpu, periods, throttled] = [rate('cpuMicros'), increase('periods'), increase('throttledPeriods')];
  return present({
    atMillis: now.atMillis,
    cores: cpu === undefined ? undefined : cpu / 1e6,
    throttled:
      periods === undefined || throttled === undefined ? undefined : periods === 0 ? 0 : Math.min(1, throttled / periods),
    memoryBytes: now.memoryBytes,
    tasks: now.tasks,
    readBytes: rate('readBytes'),
    writtenBytes: rate('writtenBytes'),
    receivedBytes: rate('receivedBytes'),
    sentBytes: rate('sentBytes'),
  });
}

function present(moment: { [K in keyof Moment]: Moment[K] | undefined }): Moment {
  return Object.fromEntries(Object.entries(moment).filter(([, value]) => value !== undefined)) as unknown as Moment;
}
