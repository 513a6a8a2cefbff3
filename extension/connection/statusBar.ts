import * as vscode from 'vscode';
import type { InitializeResult } from '../../helper/protocol/host.ts';
import { Command } from '../base/commandIds.ts';
import { Disposable } from '../base/disposable.ts';
import { createStatusItem, setStatusText } from '../plain/titled.ts';
import { paragraphs } from '../plain/tooltip.ts';
import type { ConnectionState, HelperConnection } from './connection.ts';
import type { WithoutRoot } from './startHelper.ts';

/** Says in the status bar as whom the helper runs. Hidden until it was started for the first time. */
export class StatusBar extends Disposable {
  private readonly item = this.register(createStatusItem('isoscope.helper', vscode.l10n.t('Isoscope helper')));

  constructor(connection: HelperConnection) {
    super();
    this.item.command = Command.showHelperActions;
    this.register(connection.onDidChangeState((state) => this.show(state)));
    this.show(connection.state);
  }

  private show(state: ConnectionState): void {
    if (state.kind === 'stopped') {
      this.item.hide();
      return;
    }
    const look = lookOf(state);
    setStatusText(this.item, look.icon, look.text);
    this.item.tooltip = look.tooltip;
    this.item.backgroundColor = look.failed === true ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
    this.item.show();
  }
}

interface Look {
  /** A product icon's name. */
  icon: string;
  text: string;
  tooltip: vscode.MarkdownString;
  failed?: boolean;
}

function lookOf(state: Exclude<ConnectionState, { kind: 'stopped' }>): Look {
  switch (state.kind) {
    case 'starting':
      return {
        icon: 'sync~spin',
        text: vscode.l10n.t('Isoscope: starting'),
        tooltip: paragraphs(vscode.l10n.t('The helper is being started.')),
      };
    case 'failed':
      return {
        icon: 'error',
        text: vscode.l10n.t('Isoscope: not running'),
        tooltip: paragraphs(state.message, vscode.l10n.t('Click to restart it or to see its log.')),
        failed: true,
      };
    case 'ready':
      return {
        icon: state.host.uid === 0 ? 'shield' : 'person',
        text: state.host.uid === 0 ? vscode.l10n.t('Isoscope: root') : vscode.l10n.t('Isoscope: user'),
        tooltip: paragraphs(modeWords(state.host), ...withoutRootWords(state.withoutRoot), ...hostWords(state.host)),
      };
  }
}

function modeWords(host: InitializeResult): string {
  if (host.mode === 'privileged')
    return vscode.l10n.t('The helper runs as {0}, with every privilege that Isoscope uses.', host.user);
  if (host.uid === 0) {
    return vscode.l10n.t(
      'The helper runs as {0}, but without all capabilities: what it may not read is shown as unknown.',
      host.user,
    );
  }
  return vscode.l10n.t('The helper runs as {0}, without root: what it may not read is shown as unknown.', host.user);
}

/** Why it is not root, in words for a person. */
function withoutRootWords(reason: WithoutRoot | undefined): string[] {
  switch (reason?.why) {
    case undefined:
      return [];
    case 'chosen':
      return [vscode.l10n.t('Root was not asked for.')];
    case 'passwordNeeded':
      return [vscode.l10n.t('sudo wants a password. Click and choose “Become Root…” to give it.')];
    case 'declined':
      return [vscode.l10n.t('No password was given.')];
    case 'noSudo':
      return [vscode.l10n.t('There is no sudo on this host.')];
    case 'refused':
      return [vscode.l10n.t('sudo refused: {0}', reason.detail.split('\n').at(-1) ?? '')];
  }
}

function hostWords(host: InitializeResult): string[] {
  const changes =
    host.changes === 'events' ? vscode.l10n.t('events of the kernel') : vscode.l10n.t('scanning while a view is visible');
  return [
    vscode.l10n.t('Host {0}, Linux {1}, {2}', host.hostname, host.kernelRelease, host.architecture),
    vscode.l10n.t('Cgroups: {0}', host.cgroups.mode),
    vscode.l10n.t('Changes are noticed by {0}.', changes),
    vscode.l10n.t('Helper {0}, process {1}', host.version, host.pid),
  ];
}
