/** Why a namespace is alive, in words: one row for each thing that pins it (namespaces(7), "Namespace lifetime"). */
import * as vscode from 'vscode';
import type { NamespaceRef, Pin } from '../../helper/protocol/namespaces.ts';
import { type ClientModel, keyOf, namespaceKey } from '../model/clientModel.ts';
import { oneLine } from '../plain/plainText.ts';
import { namespaceHolder, namespaceId, parts, processName } from '../words/hostWords.ts';

export interface PinText {
  /** Tells this pin from the others of its namespace, in every answer. */
  key: string;
  label: string;
  description: string;
  icon: string;
}

export function pinText(model: ClientModel, pin: Pin): PinText {
  switch (pin.by) {
    case 'thread':
      return {
        key: `thread ${pin.process.pid} ${pin.tid}`,
        label: vscode.l10n.t('Thread {0} of {1}', pin.tid, processOf(model, pin.process.pid, pin.name)),
        description: vscode.l10n.t('this thread alone is in it'),
        icon: 'debug-line-by-line',
      };
    case 'forChildren':
      return {
        key: `forChildren ${pin.process.pid}`,
        label: vscode.l10n.t('Children of {0}', processName({ name: pin.name, pid: pin.process.pid })),
        description: vscode.l10n.t('the next process that it starts will be in it'),
        icon: 'type-hierarchy-sub',
      };
    case 'descriptor':
      return {
        key: `descriptor ${pin.process.pid} ${pin.descriptor}`,
        label: vscode.l10n.t('Descriptor {0} of {1}', pin.descriptor, processName({ name: pin.name, pid: pin.process.pid })),
        description: vscode.l10n.t('held open'),
        icon: 'file-symlink-file',
      };
    case 'socket': {
      const holder = processName({ name: pin.name, pid: pin.process.pid });
      return {
        key: `socket ${pin.process.pid}`,
        label: pin.tun ? vscode.l10n.t('Tun device of {0}', holder) : vscode.l10n.t('Socket of {0}', holder),
        description: parts(
          vscode.l10n.t('descriptor {0}', pin.descriptor),
          pin.others === 0 ? undefined : vscode.l10n.t('and {0} more', pin.others),
          pin.tun ? vscode.l10n.t('opened in it') : vscode.l10n.t('made in it'),
        ),
        icon: 'radio-tower',
      };
    }
    case 'bindMount':
      return {
        key: `bindMount ${pin.mountNamespace} ${pin.mountId}`,
        label: vscode.l10n.t('Bind mount {0}', oneLine(pin.mountPoint)),
        description: vscode.l10n.t('in {0}', mountPlace(model, pin.mountNamespace)),
        icon: 'link',
      };
    case 'childNamespace':
      return {
        key: `child ${keyOf(pin.namespace)}`,
        label: vscode.l10n.t('Child {0}', namespaceId(pin.namespace)),
        description: described(model, pin.namespace),
        icon: 'type-hierarchy-sub',
      };
    case 'ownedNamespace':
      return {
        key: `owned ${keyOf(pin.namespace)}`,
        label: vscode.l10n.t('Owns {0}', namespaceId(pin.namespace)),
        description: described(model, pin.namespace),
        icon: 'key',
      };
    case 'initial':
      return {
        key: 'initial',
        label: vscode.l10n.t('The kernel'),
        description: vscode.l10n.t('made at boot, never ends'),
        icon: 'chip',
      };
  }
}

/** The name in a thread's pin is the thread's own; its process has another. */
function processOf(model: ClientModel, pid: number, otherwise: string): string {
  return processName({ pid, name: model.processes.get(pid)?.name ?? otherwise });
}

function mountPlace(model: ClientModel, ino: number): string {
  const namespace = model.namespaces.get(namespaceKey('mnt', ino));
  const holder = namespace === undefined ? undefined : namespaceHolder(model, namespace);
  return holder === undefined ? `mnt:[${ino}]` : `mnt:[${ino}] (${holder})`;
}

function described(model: ClientModel, ref: NamespaceRef): string {
  const namespace = model.namespaces.get(keyOf(ref));
  return (namespace === undefined ? undefined : namespaceHolder(model, namespace)) ?? '';
}
