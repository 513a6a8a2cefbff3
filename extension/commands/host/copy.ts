/** Copies what names a row elsewhere: in a shell, in another tool, in a bug report. */
import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { CONTAINER_ROW, IN_ANY_VIEW, NEVER, ONE_ROW } from '../../base/when.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import { say } from '../../plain/notify.ts';
import { namespaceId } from '../../words/hostWords.ts';
import { nsenterNamespace, nsenterProcess } from '../../words/nsenter.ts';
import { copyText } from '../copyText.ts';

export const copyIdCommand: CommandContribution = {
  id: 'isoscope.copy.id',
  title: 'Copy Id',
  palette: NEVER,
  menus: {
    'view/item/context': [
      { group: '3_copy@1', when: [IN_ANY_VIEW, { anyOf: [CONTAINER_ROW, { row: 'namespace' }] }, ONE_ROW] },
    ],
  },
};

export const copyNsenterCommand: CommandContribution = {
  id: 'isoscope.copy.nsenter',
  title: 'Copy nsenter Command Line',
  palette: NEVER,
  menus: {
    'view/item/context': [
      { group: '3_copy@3', when: [IN_ANY_VIEW, { anyOf: [CONTAINER_ROW, { row: 'namespace' }] }, ONE_ROW] },
      { group: '3_copy@3', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }] },
    ],
  },
};

export const copyPidCommand: CommandContribution = {
  id: 'isoscope.copy.pid',
  title: 'Copy Pid',
  palette: NEVER,
  menus: {
    'view/item/context': [
      { group: '3_copy@2', when: [IN_ANY_VIEW, { anyOf: [CONTAINER_ROW, { row: ['process', 'namespace'] }] }, ONE_ROW] },
    ],
  },
};

/** The engine's whole id of a container, or `net:[4026532281]`. */
export async function copyId(target: CommandTarget): Promise<void> {
  if (target.container !== undefined) await copyText(target.container.id);
  else if (target.namespace !== undefined) await copyText(namespaceId(target.namespace));
}

/** The pid of a process, of a container's leader, or of a namespace's first process. */
export async function copyPid(target: CommandTarget): Promise<void> {
  const process = target.process ?? target.container?.leader ?? target.namespace?.leader;
  if (process !== undefined) await copyText(String(process.pid));
}

export async function copyNsenter(host: Host, target: CommandTarget): Promise<void> {
  const line = target.namespace === undefined ? processLine(host, target) : nsenterNamespace(target.namespace);
  if (line !== undefined) return copyText(line);
  void say(
    vscode.l10n.t(
      'No file that nsenter could open is known for it: no process in sight is in it, and nothing in sight holds it.',
    ),
  );
}

function processLine(host: Host, target: CommandTarget): string | undefined {
  const ref = target.container?.leader ?? target.process;
  const process = ref === undefined ? undefined : host.model.process(ref);
  return process === undefined ? undefined : nsenterProcess(host.model, process);
}
