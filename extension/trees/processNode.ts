import * as vscode from 'vscode';
import type { Process, ProcessRef } from '../../helper/protocol/processes.ts';
import type { HostDelta } from '../model/clientModel.ts';
import { childProcesses, containerOf } from '../model/hierarchy.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { argumentsText, containerName, isUnknown, namespaceId, parts, processTitle, unknownText } from '../words/hostWords.ts';
import { type TreeContext, TreeNode } from './treeNode.ts';

/** Whether a process's row has below it the processes that it started, or stands alone in a list of members. */
export type ProcessShape = 'tree' | 'row';

export class ProcessNode extends TreeNode {
  private last: Process;
  private readonly shape: ProcessShape;
  /** Show all processes below, because what they are in was itself found by the filter. */
  private readonly all: () => boolean;

  constructor(tree: TreeContext, id: string, parent: TreeNode, process: Process, shape: ProcessShape, all: () => boolean) {
    super(tree, id, parent);
    this.last = process;
    this.shape = shape;
    this.all = all;
  }

  static key(process: ProcessRef): string {
    return `process ${process.pid} ${process.startTime}`;
  }

  override get process(): ProcessRef {
    return { pid: this.last.pid, startTime: this.last.startTime };
  }

  private present(): Process {
    this.last = this.model.process(this.last) ?? this.last;
    return this.last;
  }

  private below(): Process[] {
    if (this.shape === 'row') return [];
    const { findings } = this.tree;
    const processes = childProcesses(this.model, this.present());
    return findings === undefined || this.all() ? processes : processes.filter((process) => findings.processOrBelow(process));
  }

  override children(): TreeNode[] {
    return this.rows(this.below(), (process) =>
      this.child(ProcessNode.key(process), (id) => new ProcessNode(this.tree, id, this, process, this.shape, this.all)),
    );
  }

  override item(): vscode.TreeItem {
    const process = this.present();
    const { None, Expanded } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(processTitle(process), this.below().length > 0 ? Expanded : None);
    item.description = this.description(process);
    item.iconPath = icon(process);
    item.contextValue = this.context(process);
    item.accessibilityInformation = { label: this.spoken(process) };
    return item;
  }

  private spoken(process: Process): string {
    const who = vscode.l10n.t('Process {0}, pid {1}, user {2}', processTitle(process), process.pid, process.user);
    const rest = [stateText(process), enteredText(process), argumentsText(process)];
    return [who, ...rest].filter((words) => words !== undefined).join(', ');
  }

  private context(process: Process): string {
    const words = ['process'];
    if (process.container !== undefined) words.push('contained');
    if (containerOf(this.model, process)?.engine === 'isoscope') words.push('sandboxed');
    if (process.kernelThread) words.push('kernelThread');
    return words.join(' ');
  }

  private description(process: Process): string {
    const container = this.shape === 'row' ? containerOf(this.model, process) : undefined;
    return parts(
      container === undefined ? undefined : containerName(container),
      argumentsText(process),
      String(process.pid),
      process.user,
      stateText(process),
      enteredText(process),
    );
  }

  override tooltip(): vscode.MarkdownString {
    const process = this.present();
    const container = containerOf(this.model, process);
    const line = isUnknown(process.arguments) ? unknownText(process.arguments) : process.arguments.join(' ');
    const namespaces = Object.entries(process.namespaces).map(([kind, ino]) =>
      ino === null ? `${kind}: ${unknownText({ unknown: 'permission' })}` : namespaceId({ kind, ino } as never),
    );
    return factsTooltip(processTitle(process), [
      [vscode.l10n.t('Command'), line],
      [vscode.l10n.t('Pid'), String(process.pid)],
      [vscode.l10n.t('Pids inside'), process.nestedPids.join(' › ')],
      [vscode.l10n.t('Parent'), String(process.parentPid)],
      [vscode.l10n.t('User'), `${process.user} (${process.uid})`],
      [vscode.l10n.t('Threads'), String(process.threads)],
      [vscode.l10n.t('State'), stateText(process) ?? schedulerState(process)],
      [vscode.l10n.t('Container'), container?.name],
      [vscode.l10n.t('Started'), enteredText(process)],
      [vscode.l10n.t('Namespaces'), namespaces.join(', ')],
    ]);
  }

  override touchedBy(delta: HostDelta): boolean {
    return delta.processes.has(this.last.pid);
  }
}

function icon(process: Process): vscode.ThemeIcon {
  if (process.state === 'Z') return new vscode.ThemeIcon('circle-slash', new vscode.ThemeColor('disabledForeground'));
  return new vscode.ThemeIcon(process.kernelThread ? 'chip' : 'server-process');
}

/** Of what was not started where it is. */
function enteredText({ entered }: Process): string | undefined {
  if (entered === undefined) return undefined;
  return entered === 'isoscope' ? vscode.l10n.t('entered by Isoscope') : vscode.l10n.t('entered from outside');
}

/** Only what is out of the ordinary: whether a process runs or sleeps changes all the time and tells little. */
function stateText(process: Process): string | undefined {
  if (process.state === 'Z') return vscode.l10n.t('ended, not yet reaped');
  if (process.state === 'T' || process.state === 't') return vscode.l10n.t('stopped');
  return process.kernelThread ? vscode.l10n.t('kernel thread') : undefined;
}

/** The state letter of proc_pid_stat(5) in words. */
function schedulerState(process: Process): string {
  const words: Record<string, string> = {
    R: vscode.l10n.t('running'),
    S: vscode.l10n.t('sleeping'),
    D: vscode.l10n.t('waiting, cannot be interrupted'),
    I: vscode.l10n.t('idle'),
  };
  return words[process.state] ?? process.state;
}
