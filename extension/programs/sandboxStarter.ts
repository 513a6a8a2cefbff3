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
import { Disposable } from '../base/disposable.ts';
import type { HelperConnection } from '../connection/connection.ts';
import type { ProgramOutputs } from '../documents/programOutput.ts';
import { during, warn } from '../plain/notify.ts';
import { oneLine } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';
import { commandWords } from '../words/sandboxWords.ts';
import { RunConsent, type ToRun } from './runConsent.ts';
import { showSandboxFailure } from './sandboxFailure.ts';
import { SandboxNotes } from './sandboxNotes.ts';
import { fileOf } from './sandboxParams.ts';
import type { TerminalOpener } from './terminalOpener.ts';

export class SandboxStarter extends Disposable {
  private readonly connection: HelperConnection;
  private readonly terminals: TerminalOpener;
  private readonly outputs: ProgramOutputs;
  private readonly notes: SandboxNotes;
  private readonly consent: RunConsent;
  /** Which sandbox each of its terminals is in, by its id. */
  private readonly opened = new Map<vscode.Terminal, string>();

  constructor(
    connection: HelperConnection,
    terminals: TerminalOpener,
    outputs: ProgramOutputs,
    memory: vscode.ExtensionContext,
  ) {
    super();
    this.notes = new SandboxNotes(memory.workspaceState);
    this.consent = this.register(new RunConsent(connection, memory.globalState));
    this.connection = connection;
    this.terminals = terminals;
    this.outputs = outputs;
    this.register(vscode.window.onDidCloseTerminal((terminal) => this.opened.delete(terminal)));
    this.register(connection.onNotification(SandboxesEnded, (ended) => this.onEnded(ended)));
  }

  /** Asks first, where that is needed. All that runs a specification comes by here. A failure is shown with the step that failed. */
  async start(toRun: ToRun): Promise<void> {
    await this.whenGiven(toRun, () => this.startNow(toRun.params));
  }

  /** Of one that the person has put together of answers just now: there is nothing to ask that was not answered. */
  async startAsAnswered(params: SandboxParams): Promise<void> {
    await this.shown(params, () => this.startNow(params));
  }

  async restart({ id, spec, notes }: Sandbox): Promise<void> {
    const params = { spec };
    await this.whenGiven({ params, notes }, async () => {
      const made = this.connection.request(SandboxesRestart, { sandbox: id });
      this.closeTerminals(id);
      this.show(await made, params);
    });
  }

  private async whenGiven(toRun: ToRun, run: () => Promise<void>): Promise<void> {
    await this.shown(toRun.params, async () => {
      if (await this.consent.given(toRun)) await run();
    });
  }

  private async shown(params: SandboxParams, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      await showSandboxFailure(error, params, {
        start: (mended) => this.start({ params: mended, file: fileOf(mended) }),
        replace: (sandbox, changed) => this.replace(sandbox, changed),
      });
    }
  }

  /** Opens its terminal, or shows its output when it has none. */
  private async startNow(params: SandboxParams): Promise<void> {
    if (params.spec.process?.terminal === false && params.spec.persistent !== true) await this.run(params);
    else this.show(await this.connection.request(SandboxesCreate, params), params);
  }

  /** Removes a sandbox and makes this one in its place. */
  private async replace(sandbox: string, params: SandboxParams): Promise<void> {
    await this.whenGiven({ params, file: fileOf(params) }, async () => {
      const removed = this.connection.request(SandboxesRemove, { sandbox });
      this.closeTerminals(sandbox);
      await removed;
      await this.startNow(params);
    });
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
    await this.outputs.show(name, params.spec.process?.args ?? [], result, {
      end: saidText(exit.message),
      notes: notes.map(saidText),
    });
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
      void warn(`${oneLine(name)}: ${saidText(exit.message)}`);
    }
  }
}
