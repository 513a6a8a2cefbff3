/** Starting sandboxes, with their terminals, and what is said when one ends or cannot be made. */
import * as vscode from 'vscode';
import {
  type Sandbox,
  SandboxesCreate,
  type SandboxesCreateResult,
  SandboxesEnded,
  type SandboxesEndedParams,
  SandboxesRemove,
  SandboxesRestart,
  SandboxesRun,
  type SandboxParams,
} from '../../helper/protocol/sandboxes.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { Disposable } from '../disposable.ts';
import type { ProgramOutputs } from '../documents/programOutput.ts';
import { oneLine } from '../host/plainText.ts';
import { during, warn } from '../words/notify.ts';
import { showSandboxFailure } from './sandboxFailure.ts';
import type { SandboxNotes } from './sandboxNotes.ts';
import { commandWords } from './sandboxWords.ts';
import type { TerminalOpener } from './terminal.ts';

export class SandboxStarter extends Disposable {
  private readonly connection: HelperConnection;
  private readonly terminals: TerminalOpener;
  private readonly outputs: ProgramOutputs;
  private readonly notes: SandboxNotes;
  /** Which sandbox each of its terminals is in, by its id. */
  private readonly opened = new Map<vscode.Terminal, string>();

  constructor(connection: HelperConnection, terminals: TerminalOpener, outputs: ProgramOutputs, notes: SandboxNotes) {
    super();
    this.notes = notes;
    this.connection = connection;
    this.terminals = terminals;
    this.outputs = outputs;
    this.register(vscode.window.onDidCloseTerminal((terminal) => this.opened.delete(terminal)));
    this.register(connection.onNotification(SandboxesEnded, (ended) => this.onEnded(ended)));
  }

  /** Makes and starts one; opens its terminal, or shows its output when it has none. A failure is shown with the step that failed. */
  async start(params: SandboxParams): Promise<void> {
    try {
      if (params.spec.process?.terminal === false && params.spec.persistent !== true) await this.run(params);
      else this.show(await this.connection.request(SandboxesCreate, params), params);
    } catch (error) {
      await showSandboxFailure(error, params, this);
    }
  }

  async restart(sandbox: string, params: SandboxParams): Promise<void> {
    try {
      const made = this.connection.request(SandboxesRestart, { sandbox });
      this.closeTerminals(sandbox);
      this.show(await made, params);
    } catch (error) {
      await showSandboxFailure(error, params, this);
    }
  }

  /** Removes a sandbox and makes this one in its place. */
  async replace(sandbox: string, params: SandboxParams): Promise<void> {
    const removed = this.connection.request(SandboxesRemove, { sandbox });
    this.closeTerminals(sandbox);
    await removed;
    await this.start(params);
  }

  /** Another terminal in a sandbox that runs. */
  async openTerminal({ id, name }: Sandbox): Promise<void> {
    this.opened.set(await this.terminals.open({ sandbox: id }, { name: oneLine(name), icon: 'vm' }), id);
  }

  /** Of a sandbox that is told to end: VS Code would complain of each that its program was killed. */
  closeTerminals(id: string): void {
    for (const [terminal, sandbox] of this.opened) if (sandbox === id) terminal.dispose();
  }

  private async run(params: SandboxParams): Promise<void> {
    const title = vscode.l10n.t('Running {0}', commandWords(params.spec));
    const result = await during({ title }, (_report, token) => this.connection.request(SandboxesRun, params, token));
    const name = params.spec.name ?? 'sandbox';
    const { exit, notes } = result;
    await this.outputs.show(name, params.spec.process?.args ?? [], result, { end: exit.message, notes });
  }

  private show(made: SandboxesCreateResult, params: SandboxParams): void {
    const { sandbox, terminal, notes } = made;
    if (terminal !== undefined) {
      this.opened.set(this.terminals.attach(terminal, { name: oneLine(sandbox.name), icon: 'vm' }), sandbox.id);
    }
    void this.notes.tell(sandbox.name, notes, params);
  }

  /** An end that nobody asked for and that a terminal does not tell by itself is told. */
  private onEnded({ name, exit }: SandboxesEndedParams): void {
    if (exit.reason === 'oom' || exit.reason === 'timeout') {
      void warn(`${oneLine(name)}: ${exit.message}`);
    }
  }
}
