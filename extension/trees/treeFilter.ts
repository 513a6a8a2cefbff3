import * as vscode from 'vscode';
import { Disposable } from '../base/disposable.ts';
import { ContextKey } from '../base/ids.ts';
import { Findings } from '../model/filter.ts';
import type { Host } from '../model/liveHost.ts';

/** The one filter of all trees: its text, and what it finds in the model as it is now. */
export class TreeFilter extends Disposable {
  private readonly host: Host;
  private readonly emitter = this.register(new vscode.EventEmitter<void>());
  private current = '';
  private found: Findings | undefined;
  readonly onDidChange = this.emitter.event;

  constructor(host: Host) {
    super();
    this.host = host;
    this.register(
      host.onDidChange(() => {
        this.found = undefined;
      }),
    );
  }

  get text(): string {
    return this.current;
  }

  set text(text: string) {
    if (text.trim() === this.current) return;
    this.current = text.trim();
    this.found = undefined;
    void vscode.commands.executeCommand('setContext', ContextKey.filtered, this.current !== '');
    this.emitter.fire();
  }

  /** Undefined when nothing is filtered. */
  get findings(): Findings | undefined {
    if (this.current === '') return undefined;
    this.found ??= new Findings(this.host.model, this.current);
    return this.found;
  }
}
