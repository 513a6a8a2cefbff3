/**
 * Every change of a cgroup goes through here: it is explained by the helper, shown to the person with the files that would be written and
 * what stands there now, made when the person agrees, and can be undone.
 */
import { posix } from 'node:path';
import * as vscode from 'vscode';
import {
  type CgroupChange,
  type CgroupRef,
  CgroupsChange,
  type CgroupsChangeResult,
  CgroupsExplain,
  type CgroupsExplainResult,
  CgroupsInspect,
  type CgroupsInspectResult,
  CgroupsReadFile,
} from '../../helper/protocol/cgroups.ts';
import { Command } from '../base/commandIds.ts';
import type { CommandContribution } from '../base/contributions.ts';
import { Disposable } from '../base/disposable.ts';
import { ContextKey } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import type { Host } from '../model/liveHost.ts';
import { say } from '../plain/notify.ts';
import { oneLine } from '../plain/plainText.ts';
import { cgroupTitle, changeOutcome, changeTitle } from '../words/cgroupWords.ts';
import { confirmed } from './confirmation.ts';

export const undoCgroupChangeCommand: CommandContribution = {
  id: 'isoscope.cgroups.undo',
  title: 'Undo Last Cgroup Change',
  icon: 'discard',
  enablement: { context: 'cgroupUndo' },
  menus: {
    'view/title': [{ group: '1_filter@2', when: [{ view: 'cgroups' }, { context: 'cgroupUndo' }] }],
  },
};

interface Undoable {
  title: string;
  steps: CgroupsChangeResult['undo'];
}

/** More than a person goes back. */
const MOST_UNDOABLE = 50;

export class CgroupChanges extends Disposable {
  readonly connection: HelperConnection;
  readonly host: Host;
  private readonly undoable: Undoable[] = [];

  constructor(connection: HelperConnection, host: Host) {
    super();
    this.connection = connection;
    this.host = host;
  }

  inspect(cgroup: CgroupRef): Promise<CgroupsInspectResult> {
    return this.connection.request(CgroupsInspect, { cgroup });
  }

  /** Explains, asks, changes and tells. Undefined when the person decided otherwise. Rejects with a `HelperError`. */
  async make(cgroup: CgroupRef, change: CgroupChange): Promise<CgroupsChangeResult | undefined> {
    const name = this.nameOf(cgroup);
    const explained = await this.connection.request(CgroupsExplain, { cgroup, change });
    const title = vscode.l10n.t('{0}: {1}', name, changeTitle(change));
    if (!(await confirmed(title, verbOf(change), explained))) return undefined;
    const result = await this.send(cgroup, change, explained);
    void this.tell(name, cgroup, change, explained, result);
    return result;
  }

  private nameOf(cgroup: CgroupRef): string {
    return cgroupTitle(this.host.cgroups.model.cgroup(cgroup) ?? cgroup);
  }

  private async send(
    cgroup: CgroupRef,
    change: CgroupChange,
    { warnings }: CgroupsExplainResult,
  ): Promise<CgroupsChangeResult> {
    const acknowledged = warnings.map(({ id }) => id);
    const result = await this.connection.request(CgroupsChange, { cgroup, change, acknowledged });
    void this.host.cgroups.refresh();
    return result;
  }

  /** Says what holds now, as the kernel's files read, and offers to undo it. */
  private async tell(
    name: string,
    cgroup: CgroupRef,
    change: CgroupChange,
    explained: CgroupsExplainResult,
    result: CgroupsChangeResult,
  ): Promise<void> {
    const outcome = vscode.l10n.t('{0}: {1}.', name, outcomeOf(change, result));
    const message = [outcome, ...(await this.readBack(cgroup, change, explained))].join(' ');
    if (result.undo.length === 0) {
      void say(message);
      return;
    }
    const entry: Undoable = { title: vscode.l10n.t('{0}: {1}', name, changeTitle(change)), steps: result.undo };
    this.push(entry);
    const undo = vscode.l10n.t('Undo');
    const choice = await say(message, undo);
    if (choice === undo) await vscode.commands.executeCommand(Command.undoCgroupChange, entry);
  }

  /** "cpu.cfs_quota_us is now 50000.", for each file that was written with a value that stays. */
  private async readBack(cgroup: CgroupRef, change: CgroupChange, { steps }: CgroupsExplainResult): Promise<string[]> {
    if (change.kind === 'kill' || change.kind === 'move') return [];
    const files = [...new Set(steps.flatMap((step) => (step.do === 'write' ? [posix.basename(step.file)] : [])))];
    const texts = files.map(async (file) => {
      try {
        const { text } = await this.connection.request(CgroupsReadFile, { cgroup, file });
        return vscode.l10n.t('{0} is now {1}.', file, oneLine(text.trim(), 60));
      } catch {
        // It is told that the change was made; what cannot be read back is not claimed.
        return '';
      }
    });
    return (await Promise.all(texts)).filter((text) => text !== '');
  }

  private push(entry: Undoable): void {
    this.undoable.push(entry);
    if (this.undoable.length > MOST_UNDOABLE) this.undoable.shift();
    this.tellContext();
  }

  private tellContext(): void {
    void vscode.commands.executeCommand('setContext', ContextKey.cgroupUndo, this.undoable.length > 0);
  }

  /** Puts back what the given change, or else the last one, found. What has been undone is no longer offered. */
  async undo(given?: Undoable): Promise<void> {
    const entry = given ?? this.undoable.at(-1);
    if (entry === undefined || !this.undoable.includes(entry)) {
      void say(vscode.l10n.t('There is no change of a cgroup left to undo.'));
      return;
    }
    try {
      const restored = await this.restore(entry);
      if (restored === undefined) return;
      this.forget(entry);
      const done = vscode.l10n.t('Undone: {0}.', entry.title);
      void say([done, ...restored].join(' '));
    } catch (error) {
      // What is gone can never be put back, and must not stand before what can.
      if (error instanceof HelperError && (error.reason === 'gone' || error.reason === 'notFound')) this.forget(entry);
      throw error;
    }
  }

  /** What holds now, a sentence a file; undefined when the person decided otherwise. */
  private async restore({ title, steps }: Undoable): Promise<string[] | undefined> {
    const explained = await Promise.all(steps.map((params) => this.connection.request(CgroupsExplain, params)));
    const all: CgroupsExplainResult = {
      steps: explained.flatMap((one) => one.steps),
      warnings: explained.flatMap(({ warnings }) => warnings),
    };
    const question = vscode.l10n.t('Undo “{0}”', title);
    if (all.warnings.length > 0 && !(await confirmed(question, vscode.l10n.t('Undo'), all))) return undefined;
    const restored: string[] = [];
    for (const [position, { cgroup, change }] of steps.entries()) {
      await this.send(cgroup, change, all);
      restored.push(...(await this.readBack(cgroup, change, explained[position] ?? all)));
    }
    return restored;
  }

  private forget(entry: Undoable): void {
    const position = this.undoable.indexOf(entry);
    if (position >= 0) this.undoable.splice(position, 1);
    this.tellContext();
  }
}

/** What the button of the question says. */
function verbOf(change: CgroupChange): string {
  switch (change.kind) {
    case 'freeze':
      return change.frozen ? vscode.l10n.t('Freeze') : vscode.l10n.t('Thaw');
    case 'kill':
      return vscode.l10n.t('Kill');
    case 'create':
      return vscode.l10n.t('Create');
    case 'remove':
      return vscode.l10n.t('Remove');
    case 'move':
      return vscode.l10n.t('Move');
    default:
      return vscode.l10n.t('Write');
  }
}

function outcomeOf(change: CgroupChange, { killed }: CgroupsChangeResult): string {
  if (change.kind !== 'kill' || killed === undefined) return changeOutcome(change);
  return killed === 1 ? vscode.l10n.t('1 process killed') : vscode.l10n.t('{0} processes killed', killed);
}
