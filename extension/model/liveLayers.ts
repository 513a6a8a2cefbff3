/** The overlay mounts of the host, kept current while something visible shows them, and only then. */
import * as vscode from 'vscode';
import type { HostPart } from '../../helper/protocol/host.ts';
import { LayersList, type LayersListResult, type Overlay, type OverlayRef } from '../../helper/protocol/layers.ts';
import { Disposable } from '../base/disposable.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { isUnanswered } from '../connection/helperError.ts';
import { Rounds } from './rounds.ts';
import { Viewers } from './viewers.ts';

/** What tells that an overlay came, went, or became a container's. */
const PARTS: readonly HostPart[] = ['mounts', 'containers'];
/** Containers change often in ways that do not matter here. */
const CONTAINERS_MILLIS = 1000;

export class Layers extends Disposable {
  private readonly connection: HelperConnection;
  private readonly emitter = this.register(new vscode.EventEmitter<void>());
  private answer: LayersListResult = { overlays: [], unreadable: { count: 0 } };
  private byKey = new Map<string, Overlay>();
  private everLoaded = false;
  private isOfPresent = false;
  private lastProblem: unknown;
  private readonly viewers = this.register(new Viewers(() => this.begin()));
  private readonly rounds = this.register(
    new Rounds({
      mayRead: () => !this.disposed,
      isWanted: () => this.viewers.any && this.connection.state.kind === 'ready',
      read: () => this.read(),
      failed: (error) => this.fail(error),
    }),
  );
  private timer: NodeJS.Timeout | undefined;
  /** Fires after the list, or why there is none, changed. */
  readonly onDidChange = this.emitter.event;

  constructor(connection: HelperConnection) {
    super();
    this.connection = connection;
    this.register(connection.onDidChangeHost((parts) => this.onChanged(parts)));
    this.register(
      connection.onDidChangeState(({ kind }) => {
        if (kind !== 'ready') this.isOfPresent = false;
        else if (this.viewers.any) void this.reload();
      }),
    );
  }

  get overlays(): readonly Overlay[] {
    return this.answer.overlays;
  }

  /** Mount namespaces whose mounts could not be read. */
  get unreadable(): number {
    return this.answer.unreadable.count;
  }

  get loaded(): boolean {
    return this.everLoaded;
  }

  /** Whether it is what the present helper says: what one of before said of an empty list says nothing. */
  get known(): boolean {
    return this.isOfPresent;
  }

  /** Why the list could not be read the last time; undefined when it could. */
  get problem(): unknown {
    return this.lastProblem;
  }

  overlay(key: string): Overlay | undefined {
    return this.byKey.get(key);
  }

  /** The overlays of a container: its root first. */
  ofContainer(container: string): Overlay[] {
    const own = this.overlays.filter((overlay) => overlay.container === container);
    return own.sort((one, other) => Number(other.isRoot) - Number(one.isRoot));
  }

  find(ref: OverlayRef): Overlay | undefined {
    return this.overlays.find(
      ({ mountId, device, mountNamespace, key }) =>
        mountId === ref.mountId &&
        device === ref.device &&
        mountNamespace.ino === ref.mountNamespace.ino &&
        // An address of before the key was in it has none.
        (ref.key === undefined || ref.key === key),
    );
  }

  /** Keeps the list current until disposed of. */
  hold(): vscode.Disposable {
    return this.viewers.add();
  }

  private begin(): vscode.Disposable {
    const watching = this.connection.watch(PARTS);
    if (this.connection.state.kind === 'ready') void this.reload();
    return vscode.Disposable.from(watching, { dispose: () => this.forgetTimer() });
  }

  private forgetTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Resolves when the list was read once, or could not be. */
  async load(): Promise<void> {
    if (!this.everLoaded) await this.reload();
  }

  /** Reads the list afresh. Never rejects: `problem` tells. */
  reload(): Promise<void> {
    return this.rounds.ask();
  }

  private async read(): Promise<void> {
    const answer = await this.connection.request(LayersList, {});
    const same = JSON.stringify(answer) === JSON.stringify(this.answer);
    if (same && this.isOfPresent && this.lastProblem === undefined) return;
    this.answer = answer;
    this.byKey = new Map(answer.overlays.map((overlay) => [overlay.key, overlay]));
    this.everLoaded = true;
    this.isOfPresent = true;
    this.lastProblem = undefined;
    this.emitter.fire();
  }

  private fail(error: unknown): void {
    if (isUnanswered(error)) return;
    this.lastProblem = error;
    this.emitter.fire();
  }

  private onChanged(parts: readonly HostPart[]): void {
    if (!this.viewers.any) return;
    if (parts.includes('mounts')) void this.reload();
    else if (parts.includes('containers')) this.timer ??= setTimeout(() => this.onTimer(), CONTAINERS_MILLIS);
  }

  private onTimer(): void {
    this.timer = undefined;
    void this.reload();
  }
}
