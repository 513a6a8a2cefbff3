/** What layers and their directories take, measured in the background when somebody wants to see it. */
import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import { type LayerPath, type LayerSize, LayersMeasure, LayersMeasuring } from '../../helper/protocol/layers.ts';
import { Disposable } from '../base/disposable.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import type { LayerWatch } from './layerWatch.ts';
import { childPath, overlayRef, placeKey } from './overlayStack.ts';

export interface MeasureProgress {
  entries: number;
  sizeBytes: number;
  allocatedBytes: number;
  path: string;
}

export type Measurement =
  | { state: 'measuring'; progress: MeasureProgress | undefined }
  /** `outdated`: something has changed since. */
  | { state: 'measured'; size: LayerSize; outdated: boolean }
  | { state: 'failed'; message: string };

/** Of an entry of a directory that was measured: what it takes with all that is in it. */
export interface EntrySize {
  sizeBytes: number;
  allocatedBytes: number;
  entries: number;
  outdated: boolean;
}

/** Watched for changes, all with what is below them. */
const MOST_FOLLOWED = 32;

/** Mount and device have numbers that the next overlay is given at once: what was measured of one is not to be shown of another. */
function sizeKey(place: LayerPath): string {
  return `${place.overlay.key ?? ''} ${placeKey(place)}`;
}

interface Waiting {
  place: LayerPath;
  token: vscode.CancellationToken;
  /** False: it was given up. */
  done: (known: boolean) => void;
}

/** One at a time: two walks of one disk are no faster than one after the other. */
export class LayerSizes extends Disposable {
  private readonly connection: HelperConnection;
  private readonly emitter = this.register(new vscode.EventEmitter<LayerPath>());
  private readonly busyEmitter = this.register(new vscode.EventEmitter<boolean>());
  private readonly measured = new Map<string, Measurement>();
  /** With the key of the directory that was measured. */
  private readonly entries = new Map<string, Omit<EntrySize, 'outdated'> & { within: string }>();
  /** Watches of what was measured, the oldest first. */
  private readonly followed = new Map<string, { place: LayerPath; watch: vscode.Disposable }>();
  private readonly changedMeanwhile = new Set<string>();
  private readonly watch: LayerWatch;
  private readonly queue: Waiting[] = [];
  private readonly progress = new Map<string, LayerPath>();
  private busy = false;
  /** Of the one that is under way. */
  private current: vscode.CancellationTokenSource | undefined;
  /** Fires with whether anything is being measured, when that changes. */
  readonly onDidChangeBusy = this.busyEmitter.event;
  /** Fires with the place whose measurement began, went on, ended or was given up. */
  readonly onDidChange = this.emitter.event;

  constructor(connection: HelperConnection, watch: LayerWatch) {
    super();
    this.connection = connection;
    this.watch = watch;
    this.register(new vscode.Disposable(() => this.forget()));
    this.register(
      connection.onNotification(LayersMeasuring, ({ progress, ...counted }) => {
        const place = this.progress.get(progress);
        if (place !== undefined) this.set(place, { state: 'measuring', progress: counted });
      }),
    );
    this.register(connection.onDidChangeState((state) => state.kind === 'stopped' && this.forget()));
  }

  of(place: LayerPath): Measurement | undefined {
    return this.measured.get(sizeKey(place));
  }

  /** What an entry takes, when the directory that it is in was measured, or itself. */
  ofEntry(place: LayerPath): EntrySize | undefined {
    const own = this.measured.get(sizeKey(place));
    if (own?.state === 'measured' && !own.outdated) return { ...own.size, outdated: false };
    const known = this.entries.get(sizeKey(place));
    const within = known && this.measured.get(known.within);
    const outdated = within?.state === 'measured' && within.outdated;
    // The directory above may have been measured since.
    if (own?.state === 'measured' && (known === undefined || outdated)) return { ...own.size, outdated: true };
    return known && { ...known, outdated };
  }

  /** Measures a directory and each of its entries, unless that is known as it is now, or under way. Resolves when it is known, failed or given up. */
  async measure(place: LayerPath, token: vscode.CancellationToken): Promise<void> {
    const known = this.of(place);
    if (known?.state === 'measuring' || (known?.state === 'measured' && !known.outdated)) return;
    await this.remeasure(place, token);
  }

  /** Measures also what is known, since files may have changed. Resolves with false when it was given up. */
  async remeasure(place: LayerPath, token: vscode.CancellationToken): Promise<boolean> {
    this.set(place, { state: 'measuring', progress: undefined });
    return await new Promise<boolean>((done) => {
      this.queue.push({ place, token, done });
      if (!this.busy) void this.work();
    });
  }

  /** Gives up what is under way, and all that waits. */
  stop(): void {
    for (const { place, done } of this.queue.splice(0)) {
      this.unset(place);
      done(false);
    }
    this.current?.cancel();
  }

  private async work(): Promise<void> {
    this.setBusy(true);
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      const { isCancellationRequested } = next.token;
      if (isCancellationRequested) this.unset(next.place);
      next.done(!isCancellationRequested && (await this.askFor(next)));
    }
    this.setBusy(false);
  }

  private setBusy(busy: boolean): void {
    this.busy = busy;
    this.busyEmitter.fire(busy);
  }

  private async askFor({ place, token }: Waiting): Promise<boolean> {
    const source = new vscode.CancellationTokenSource();
    const listening = token.onCancellationRequested(() => source.cancel());
    this.current = source;
    const known = await this.ask(place, source.token);
    listening.dispose();
    source.dispose();
    return known;
  }

  private async ask(place: LayerPath, token: vscode.CancellationToken): Promise<boolean> {
    const { overlay, layer, path } = place;
    const progress = randomUUID();
    this.progress.set(progress, place);
    this.follow(place);
    // The watch is asked for in a moment: it is to be there first.
    await new Promise((resolve) => setTimeout(resolve, 0));
    try {
      const params = { overlay: overlayRef(overlay), layer, path, progress, children: true };
      const { children = [], ...size } = await this.connection.request(LayersMeasure, params, token);
      for (const { name, sizeBytes, allocatedBytes, entries } of children) {
        this.entries.set(sizeKey({ overlay, layer, path: childPath(path, name) }), {
          sizeBytes,
          allocatedBytes,
          entries,
          within: sizeKey(place),
        });
      }
      this.set(place, { state: 'measured', size, outdated: this.changedMeanwhile.has(sizeKey(place)) });
    } catch (error) {
      if (error instanceof HelperError && error.reason === 'cancelled') {
        this.unset(place);
        return false;
      }
      this.set(place, { state: 'failed', message: error instanceof Error ? error.message : String(error) });
    } finally {
      this.progress.delete(progress);
    }
    return true;
  }

  /** Until the first change, by which all is said. Nothing may change the layers below. */
  private follow(place: LayerPath): void {
    const key = sizeKey(place);
    this.unfollow(key);
    this.changedMeanwhile.delete(key);
    if (place.layer !== 0 && place.layer !== 'merged') return;
    this.followed.set(key, { place, watch: this.watch.watch(place, () => this.outdate(place), true) });
    const [oldest] = this.followed.values();
    if (this.followed.size > MOST_FOLLOWED && oldest !== undefined) this.outdate(oldest.place);
  }

  private unfollow(key: string): void {
    this.followed.get(key)?.watch.dispose();
    this.followed.delete(key);
  }

  private outdate(place: LayerPath): void {
    const key = sizeKey(place);
    this.unfollow(key);
    const known = this.measured.get(key);
    if (known?.state === 'measured') this.set(place, { ...known, outdated: true });
    else this.changedMeanwhile.add(key);
  }

  private set(place: LayerPath, measurement: Measurement): void {
    this.measured.set(sizeKey(place), measurement);
    this.emitter.fire(place);
  }

  private unset(place: LayerPath): void {
    this.measured.delete(sizeKey(place));
    this.unfollow(sizeKey(place));
    this.emitter.fire(place);
  }

  /** Another helper may be one that may read more, or less. */
  private forget(): void {
    for (const key of [...this.followed.keys()]) this.unfollow(key);
    this.changedMeanwhile.clear();
    this.measured.clear();
    this.entries.clear();
  }
}
