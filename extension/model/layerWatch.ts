import type * as vscode from 'vscode';
import { type LayerPath, LayersChanged, LayersWatch } from '../../helper/protocol/layers.ts';
import { Disposable } from '../base/disposable.ts';
import type { HelperConnection } from '../connection/connection.ts';
import type { Log } from '../plain/logChannel.ts';
import { overlayRef, placeKey } from './overlayStack.ts';

const SUBSCRIPTION = 'extension';
/** The protocol's bound; those that were watched last are the ones that somebody looks at. */
const MOST_DIRECTORIES = 256;

interface Watched {
  place: LayerPath;
  recursive: boolean;
  listeners: Set<() => void>;
}

function keyOf(place: LayerPath, recursive: boolean): string {
  return `${placeKey(place)} ${recursive}`;
}

/** Watches the directories of layers that something visible shows: one watch for all who ask, sent anew when it changes. */
export class LayerWatch extends Disposable {
  private readonly connection: HelperConnection;
  private readonly log: Log;
  private readonly watched = new Map<string, Watched>();
  private sending = false;
  private dirty = false;
  private sent = '[]';

  constructor(connection: HelperConnection, log: Log) {
    super();
    this.connection = connection;
    this.log = log;
    this.register(
      connection.onNotification(LayersChanged, (change) => this.onChanged(change.subscription, change.directories)),
    );
    this.register(connection.onDidChangeState((state) => this.onState(state.kind)));
  }

  /** Calls `listener` after something changed in a directory, which need not exist yet, or anywhere below it, until disposed of. */
  watch(place: LayerPath, listener: () => void, recursive = false): vscode.Disposable {
    const key = keyOf(place, recursive);
    const known = this.watched.get(key);
    const entry = known ?? { place, recursive, listeners: new Set<() => void>() };
    // Another function each time, so that the same one can be registered twice.
    const call = () => listener();
    entry.listeners.add(call);
    this.watched.delete(key);
    this.watched.set(key, entry);
    if (known === undefined) this.schedule();
    return { dispose: () => this.unwatch(key, call) };
  }

  private unwatch(key: string, call: () => void): void {
    const entry = this.watched.get(key);
    if (entry?.listeners.delete(call) !== true || entry.listeners.size > 0) return;
    this.watched.delete(key);
    this.schedule();
  }

  private onState(kind: string): void {
    this.sent = '[]';
    if (kind === 'ready' && this.watched.size > 0) this.schedule();
  }

  private onChanged(subscription: string, directories: LayerPath[]): void {
    if (subscription !== SUBSCRIPTION) return;
    for (const place of directories)
      for (const recursive of [false, true])
        for (const call of [...(this.watched.get(keyOf(place, recursive))?.listeners ?? [])]) call();
  }

  private schedule(): void {
    this.dirty = true;
    if (this.sending) return;
    this.sending = true;
    // Rows that are drawn in one go ask one after the other.
    setTimeout(() => void this.send(), 0);
  }

  private async send(): Promise<void> {
    while (this.dirty && !this.disposed && this.connection.state.kind === 'ready') {
      this.dirty = false;
      const directories = [...this.watched.values()].slice(-MOST_DIRECTORIES).map(paramsOf);
      const text = JSON.stringify(directories);
      if (text === this.sent) continue;
      this.sent = text;
      try {
        await this.connection.request(LayersWatch, { subscription: SUBSCRIPTION, directories });
      } catch (error) {
        this.log.warn(`watching ${directories.length} directories of layers: ${String(error)}`);
      }
    }
    this.sending = false;
  }
}

function paramsOf({ place: { overlay, layer, path }, recursive }: Watched): LayerPath & { recursive?: boolean } {
  return { overlay: overlayRef(overlay), layer, path, ...(recursive ? { recursive } : {}) };
}
