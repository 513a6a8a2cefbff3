/** What the sections of an overview are made of: what is known of a container so far, and the words for what is not there yet. */
import * as vscode from 'vscode';
import type { Container } from '../../helper/protocol/containers.ts';
import type { InitializeResult } from '../../helper/protocol/host.ts';
import type { Block, Fact, Value } from '../../webview/messages.ts';
import type { ClientModel } from '../model/clientModel.ts';
import { failureText } from '../words/failureMessage.ts';
import type { OverviewReading, Part } from './overviewReading.ts';

export interface OverviewSubject {
  container: Container;
  reading: Pick<OverviewReading, 'process' | 'cgroups' | 'network' | 'mounts' | 'overlays' | 'moments'>;
  model: ClientModel;
  /** Undefined while no helper answers. */
  host: InitializeResult | undefined;
  /** Of the host, since it was started. */
  uptimeSeconds: number;
}

export function knownValue<T>(part: Part<T>): T | undefined {
  return part.state === 'known' ? part.value : undefined;
}

/** What is not there yet, or could not be had; undefined when it is known. */
export function unreadBlock(part: Part<unknown>): Block | undefined {
  if (part.state === 'reading') return { kind: 'text', tone: 'muted', text: vscode.l10n.t('Reading…') };
  if (part.state === 'failed') return { kind: 'text', tone: 'unknown', text: failureText(part.error) };
  return undefined;
}

export function fact(label: string, value: Value): Fact {
  return { label, value };
}

export function noted(note: string | undefined): { note?: string } {
  return note === undefined || note === '' ? {} : { note };
}
