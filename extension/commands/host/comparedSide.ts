import * as vscode from 'vscode';
import type { ProcessRef } from '../../../helper/protocol/processes.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { ComparedSide } from '../../panels/factsToCompare.ts';
import { containerName, processName } from '../../words/hostWords.ts';

/** A process with the name of what it stands for: the container that a target is, or itself. */
export function comparedSide(host: Host, process: ProcessRef, { container }: CommandTarget = {}): ComparedSide {
  if (container !== undefined) return { process, name: containerName(container) };
  const known = host.model.process(process);
  return { process, name: known === undefined ? vscode.l10n.t('process {0}', process.pid) : processName(known) };
}
