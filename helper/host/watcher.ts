/**
 * Keeps the model up to date while something visible shows it. Events say which processes to read again; what raises no event
 * (setns, unshare) is found by a slow scan. Without events the pids are compared about once a second. When nothing is
 * visible nothing runs.
 */
import { closeProcessEvents, openProcessEvents } from '../kernel/processEvents.ts';
import { logError } from '../log.ts';
import type { HostPart } from '../protocol/host.ts';
import { FreezerWatch } from './freezerWatch.ts';
import type { HostModel, ModelChanges, SocketRound } from './hostModel.ts';
import { type KernelNews, KernelWatch } from './kernelWatch.ts';

/** A program is executed right after its fork: reading a moment later reads once instead of twice. */
const SETTLE_MILLIS = 4;
/** At most five notifications a second. */
const NOTIFY_MILLIS = 200;
/**
 * New processes are read again, each time after so long: some enter their namespaces only after they started, late on a busy host, and no event
 * says so.
 */
const LOOKS_MILLIS = [250, 2000, 10_000];
/** From this one on a process is taken to have opened its sockets, and they are asked for their net namespaces. */
const SETTLED_LOOK = 1;
/** A zombie is waited for by its parent soon, or not for long; no event says so. */
const ZOMBIE_LOOKS_MILLIS = [30, 250, 1000, 5000, 30_000];
/** Of one processor at most this share goes to scans: a scan of 5 ms every 5 s. */
const SCAN_SHARE = 0.001;
const MIN_SCAN_MILLIS = 2000;
const MIN_COMPARE_MILLIS = 1000;
/** In place of events it is all there is, so it may cost more: 2 ms for 5,000 pids, every second. */
const COMPARE_SHARE = 0.01;
/** Of sockets hundreds of thousands may have to be asked when something is first visible, and then few: some 2,000 a second. */
const SOCKET_SHARE = 0.05;

export interface WatcherCallbacks {
  notify(parts: HostPart[]): void;
  /** The mounts of the helper's own mount namespace changed. */
  mountsChanged(): void;
  /** Processes came, went or changed. */
  processesChanged(): void;
  /** Which processes came, went or changed up to now is not known. */
  processesLost(): void;
  /** Files whose change tells that a container was paused or resumed. */
  freezerFiles(): Iterable<string>;
}

/** Whether this kernel and user get process events: asked by trying. */
export function hasProcessEvents(): boolean {
  const socket = openProcessEvents();
  if (socket !== undefined) closeProcessEvents(socket);
  return socket !== undefined;
}

export class Watcher {
  private readonly model: HostModel;
  private readonly callbacks: WatcherCallbacks;
  private parts = new Set<HostPart>();
  private kernel: KernelWatch | undefined;
  private freezers: FreezerWatch | undefined;
  private readonly pending = new Set<number>();
  /** To be read again, by how often that was done. */
  private readonly young = LOOKS_MILLIS.map(() => new Set<number>());
  private readonly changed = new Set<HostPart>();
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private lastNotified = -NOTIFY_MILLIS;
  /** The host was read once since something is visible. */
  private primed = false;
  /** Events were lost, or could not be heard: what the model has of the host may be of before, until it is read as a whole again. */
  private behind = false;
  /** How often that happened: a reading that began before the last time has not seen everything. */
  private losses = 0;
  private reconciling = false;

  constructor(model: HostModel, callbacks: WatcherCallbacks) {
    this.model = model;
    this.callbacks = callbacks;
    // A thread in poll(2) would keep the process from ending.
    process.on('exit', () => this.stop());
  }

  get isWatching(): boolean {
    return this.parts.size > 0;
  }

  /** True while the model follows the host, so that it need not be scanned to answer. */
  get isFollowing(): boolean {
    return this.parts.size > 0 && this.primed && !this.behind;
  }

  /** True while an event tells of every process that begins or ends, so that what no event named is as it was. */
  get hearsProcesses(): boolean {
    return this.isFollowing && this.kernel?.hearsProcesses === true;
  }

  watch(parts: readonly HostPart[]): void {
    const wasWatching = this.parts.size > 0;
    this.parts = new Set(parts);
    if (this.parts.size > 0 && !wasWatching) this.startOrNothing();
    if (this.parts.size === 0 && wasWatching) this.stop();
  }

  /** Reads what events named but what was not read yet, so that an answer holds all that happened before it. */
  flush(): void {
    this.kernel?.drain();
    const pids = [...this.pending];
    this.pending.clear();
    this.cancel('settle');
    if (pids.length > 0) this.orLose(() => this.markChanges(this.model.reread(pids)));
  }

  /** What a scan found that was not known: the client hears of it, but not of the first one, which found everything. */
  noteScan(changes: ModelChanges): void {
    if (this.parts.size > 0 && this.primed) this.markChanges(changes);
  }

  /** What another watch found: told together with the rest, if the client watches that part. */
  note(part: HostPart): void {
    if (this.parts.size > 0) this.mark([part]);
  }

  /** What could only be begun in part is not begun, so that whoever asks again begins anew. */
  private startOrNothing(): void {
    try {
      this.start();
    } catch (error) {
      this.parts.clear();
      this.stop();
      throw error;
    }
  }

  private start(): void {
    const socket = openProcessEvents();
    this.kernel = new KernelWatch(socket, {
      onNews: (news) => this.receive(news),
      onDeaf: (error) => this.onDeaf(error),
    });
    this.freezers = new FreezerWatch(() => this.mark(['containers']));
    this.reconcile();
    if (socket === undefined) this.comparePids();
  }

  private stop(): void {
    this.kernel?.stop();
    this.kernel = undefined;
    this.freezers?.dispose();
    this.freezers = undefined;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    this.pending.clear();
    for (const pids of this.young) pids.clear();
    this.changed.clear();
    this.primed = false;
    this.behind = false;
    this.losses += 1;
  }

  /** Nothing that happened up to now is known to have been told: everything is read again, at once, and lists are made of that only. */
  private lose(): void {
    this.behind = true;
    this.losses += 1;
    this.callbacks.processesLost();
    this.cancel('reconcile');
    this.reconcile();
  }

  /** What events named and could not be read is found with all the rest, when the host is read again. */
  private orLose(read: () => void): void {
    try {
      read();
    } catch (error) {
      if (this.parts.size > 0) this.lose();
      throw error;
    }
  }

  private onDeaf(error: unknown): void {
    if (this.parts.size === 0) return;
    logError('the kernel tells of processes no more; they are compared instead', error);
    this.lose();
    this.later('compare', 0, () => this.comparePids());
  }

  private receive(news: KernelNews): void {
    if (this.parts.size === 0) return;
    if (news.overflow) this.lose();
    if (news.mounts) {
      this.callbacks.mountsChanged();
      this.mark(['mounts', 'namespaces']);
    }
    // What began and ended in between was never seen, and need not be looked for.
    for (const pid of news.changed) if (!news.exited.has(pid) || this.model.process(pid)) this.pending.add(pid);
    for (const pid of news.exited) if (this.model.process(pid)) this.noteExit(pid);
    if (this.pending.size > 0) this.later('settle', SETTLE_MILLIS, () => this.applyPending());
  }

  /** Its children have another parent now. */
  private noteExit(pid: number): void {
    this.pending.add(pid);
    for (const child of this.model.childrenOf(pid)) this.pending.add(child);
    this.lookAgainAtZombie(pid, 0);
  }

  private applyPending(): void {
    const again = [...this.pending];
    this.flush();
    this.lookAgainAt(again, 0);
  }

  private lookAgainAt(pids: readonly number[], look: number): void {
    const young = this.young[look];
    if (young === undefined) return;
    for (const pid of pids) if (this.model.process(pid) !== undefined) young.add(pid);
    if (young.size > 0) this.later(`look ${look}`, LOOKS_MILLIS[look]!, () => this.lookAgain(young, look));
  }

  private lookAgain(young: Set<number>, look: number): void {
    const pids = [...young];
    young.clear();
    this.markChanges(this.model.reread(pids));
    if (look >= SETTLED_LOOK) this.beginSocketRound(pids);
    this.lookAgainAt(pids, look + 1);
  }

  private lookAgainAtZombie(pid: number, look: number): void {
    const wait = ZOMBIE_LOOKS_MILLIS[look];
    if (wait === undefined) return;
    this.later(`zombie ${pid}`, wait, () => {
      if (this.model.process(pid) === undefined) return;
      this.markChanges(this.model.reread([pid]));
      if (this.model.process(pid)?.state === 'Z') this.lookAgainAtZombie(pid, look + 1);
    });
  }

  /** Everything, as seldom as its cost demands; at once again when events were lost meanwhile, or it failed. */
  private reconcile(): void {
    if (this.reconciling) return;
    this.reconciling = true;
    const { losses } = this;
    void this.model.scan().then(
      (changes) => {
        this.reconciling = false;
        if (this.parts.size === 0) return;
        if (losses !== this.losses) return this.reconcile();
        this.noteScan(changes);
        this.primed = true;
        this.behind = false;
        this.callbacks.mountsChanged();
        this.freezers?.watch(this.callbacks.freezerFiles());
        this.beginSocketRound();
        this.later('reconcile', Math.max(MIN_SCAN_MILLIS, changes.costMillis / SCAN_SHARE), () => this.reconcile());
      },
      (error) => {
        this.reconciling = false;
        logError('the processes of the host could not be read', error);
        if (this.parts.size > 0) this.later('reconcile', MIN_SCAN_MILLIS, () => this.reconcile());
      },
    );
  }

  /** Of these processes or of all, unless others are being asked. */
  private beginSocketRound(pids?: Iterable<number>): void {
    if (this.timers.has('sockets')) return;
    const round = this.model.beginSocketRound(pids);
    if (round.queue.size > 0 || pids === undefined) this.askSockets(round);
  }

  /** Little by little; what they tell is taken in when all have answered. */
  private askSockets(round: SocketRound): void {
    const begin = performance.now();
    if (this.model.askSomeSockets(round)) {
      this.later('sockets', (performance.now() - begin) / SOCKET_SHARE, () => this.askSockets(round));
    } else this.markChanges(this.model.endSocketRound(round));
  }

  /** In place of events: which pids there are, and are no more. */
  private comparePids(): void {
    const before = performance.now();
    try {
      if (this.primed) this.markChanges(this.model.rereadDifferentPids());
    } finally {
      const cost = performance.now() - before;
      this.later('compare', Math.max(MIN_COMPARE_MILLIS, cost / COMPARE_SHARE), () => this.comparePids());
    }
  }

  private markChanges({ processes, namespaces, containers }: ModelChanges): void {
    const parts: HostPart[] = [];
    if (processes) {
      parts.push('processes');
      this.callbacks.processesChanged();
    }
    if (namespaces) parts.push('namespaces', 'network');
    if (containers) {
      parts.push('containers');
      this.later('freezers', NOTIFY_MILLIS, () => this.freezers?.watch(this.callbacks.freezerFiles()));
    }
    this.mark(parts);
  }

  noteChanged(parts: readonly HostPart[]): void {
    this.mark(parts);
  }

  private mark(parts: readonly HostPart[]): void {
    for (const part of parts) if (this.parts.has(part)) this.changed.add(part);
    if (this.changed.size === 0) return;
    const wait = this.lastNotified + NOTIFY_MILLIS - performance.now();
    if (wait <= 0) this.sendNotification();
    else this.later('notify', wait, () => this.sendNotification());
  }

  private sendNotification(): void {
    this.cancel('notify');
    this.lastNotified = performance.now();
    const parts = [...this.changed];
    this.changed.clear();
    if (parts.length > 0) this.callbacks.notify(parts);
  }

  /** One timer a name; the first one set is kept. */
  private later(name: string, millis: number, action: () => void): void {
    if (this.timers.has(name)) return;
    const timer = setTimeout(() => {
      this.timers.delete(name);
      try {
        this.orLose(action);
      } catch (error) {
        logError('what changed on the host could not be read', error);
      }
    }, millis);
    // A timer never keeps a helper alive whose client has gone.
    timer.unref();
    this.timers.set(name, timer);
  }

  private cancel(name: string): void {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
  }
}
