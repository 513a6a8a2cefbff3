/** The one question before root runs a specification: a file may say anything, and may say something else than when it was last run. */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import * as vscode from 'vscode';
import { SandboxesExplain, type SandboxParams, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import type { Said, TextCode } from '../../helper/protocol/sentences.ts';
import { Disposable } from '../base/disposable.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { isUnprivileged } from '../connection/privilege.ts';
import { askModally } from '../plain/notify.ts';
import { saidText } from '../plain/saidText.ts';
import { asWritten, SUFFIX, specificationOf } from './sandboxParams.ts';

const MEMORY = 'isoscope.sandboxRuns';
const MOST_KEPT = 300;

/** How one was run last, and what its person then knew of it. */
interface Run {
  key: string;
  /** Of the file: a digest of what it said. */
  content?: string;
  /** What they knew, by `kindOf`. */
  weaker: readonly string[];
}

/** What is to be run. Without a file it is that of a sandbox, or of a form. */
export interface ToRun {
  params: SandboxParams;
  file?: vscode.Uri | undefined;
  /** What is known of a sandbox that is there, where it cannot be explained a second time. */
  notes?: readonly Said[];
}

export class RunConsent extends Disposable {
  private readonly connection: HelperConnection;
  private readonly memory: vscode.Memento;
  /** What the person saved in this window, by the file: of that they know. */
  private readonly saved = new Map<string, string>();

  constructor(connection: HelperConnection, memory: vscode.Memento) {
    super();
    this.connection = connection;
    this.memory = memory;
    this.register(vscode.workspace.onDidSaveTextDocument((document) => this.onSave(document)));
  }

  /** Whether it is to be run. Rejects with a `HelperError` when it could not be. */
  async given(toRun: ToRun): Promise<boolean> {
    await this.connection.start();
    if (isUnprivileged(this.connection)) return true;
    const { file, params } = toRun;
    const weaker = await this.weaknessesOf(toRun);
    const document = file === undefined ? undefined : await vscode.workspace.openTextDocument(file);
    // Of what is to run, which the document may not have heard of yet.
    const content = document === undefined ? undefined : digestOf(asWritten(params) ?? specificationOf(document));
    const keys = keysOf(toRun);
    const last = this.runs().find(({ key }) => key === keys[0]);
    const isOwnChange = document?.isDirty === true || (file !== undefined && this.saved.get(file.toString()) === content);
    const hasChanged = content !== undefined && last?.content !== undefined && last.content !== content && !isOwnChange;
    const agreed = new Set(last?.weaker);
    const isKnown = weaker.every((note) => agreed.has(kindOf(note)));
    if ((hasChanged || !isKnown) && !(await isAgreed(nameOf(file, params.spec), weaker, hasChanged))) return false;
    await this.remember(
      keys.map((key) => ({ key, weaker: weaker.map(kindOf), ...(content === undefined ? {} : { content }) })),
    );
    return true;
  }

  private async weaknessesOf({ params, notes }: ToRun): Promise<readonly Said[]> {
    try {
      return (await this.connection.request(SandboxesExplain, params)).weaker;
    } catch (error) {
      if (notes === undefined) throw error;
      return notes;
    }
  }

  private runs(): readonly Run[] {
    return this.memory.get<Run[]>(MEMORY, []);
  }

  private async remember(runs: readonly Run[]): Promise<void> {
    const others = this.runs().filter(({ key }) => runs.every((run) => run.key !== key));
    await this.memory.update(MEMORY, [...others, ...runs].slice(-MOST_KEPT));
  }

  private onSave(document: vscode.TextDocument): void {
    if (!document.uri.path.endsWith(SUFFIX)) return;
    try {
      this.saved.set(document.uri.toString(), digestOf(specificationOf(document)));
    } catch {
      this.saved.delete(document.uri.toString());
    }
  }
}

/** By what it was chosen; the sandbox that comes of it is known by its name. */
function keysOf({ file, params }: ToRun): string[] {
  const { name } = params.spec;
  const named = name === undefined ? [] : [`name ${name}`];
  return file === undefined ? named : [`file ${file.toString()}`, ...named];
}

/** Of these what they list counts for nothing: what listens on sockets is another list at any time. */
const LISTING: ReadonlySet<TextCode> = new Set([
  'weakSocketsOfEngines',
  'weakSocketsReached',
  'weakOtherMachines',
  'weakLeadsOut',
]);

function kindOf(note: Said): string {
  return LISTING.has(note.code) ? note.code : JSON.stringify([note.code, ...(note.args ?? [])]);
}

function digestOf(spec: SandboxSpec): string {
  return createHash('sha256').update(JSON.stringify(spec)).digest('hex');
}

function nameOf(file: vscode.Uri | undefined, spec: SandboxSpec): string {
  return file === undefined ? (spec.name ?? vscode.l10n.t('the sandbox')) : posix.basename(file.path);
}

async function isAgreed(name: string, weaker: readonly Said[], hasChanged: boolean): Promise<boolean> {
  const run = vscode.l10n.t('Run');
  const lines = [
    ...(hasChanged ? [vscode.l10n.t('It has changed since you last ran it.')] : []),
    ...(weaker.length > 0 ? [vscode.l10n.t('It protects less than a sandbox does by default:')] : []),
    ...weaker.map((note) => `• ${saidText(note)}`),
  ];
  const message = vscode.l10n.t('Run {0} as root?', name);
  return (await askModally({ message, detail: lines.join('\n'), choices: [run], grave: true })) === run;
}
