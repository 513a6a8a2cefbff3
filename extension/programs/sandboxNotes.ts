import * as vscode from 'vscode';
import type { SandboxParams } from '../../helper/protocol/sandboxes.ts';
import type { Said } from '../../helper/protocol/sentences.ts';
import { showExplanation } from '../documents/sandboxExplanation.ts';
import { say } from '../plain/notify.ts';
import { oneLine } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';

const TOLD = 'isoscope.toldSandboxNotes';
const MOST_TOLD = 500;

/**
 * What a person should know of a sandbox is said when it is new of a sandbox of that name, once. Afterwards it stands at the sandbox's row
 * and in its explanation.
 */
export class SandboxNotes {
  private readonly memory: vscode.Memento;

  constructor(memory: vscode.Memento) {
    this.memory = memory;
  }

  async tell(name: string, notes: readonly Said[], params: SandboxParams): Promise<void> {
    const told = this.memory.get<string[]>(TOLD, []);
    const keyOf = ({ code, args = [] }: Said) => `${name} ${JSON.stringify([code, ...args])}`;
    const fresh = notes.filter((note) => !told.includes(keyOf(note)));
    const [first] = fresh;
    if (first === undefined) return;
    await this.memory.update(TOLD, [...told, ...fresh.map(keyOf)].slice(-MOST_TOLD));
    const show = vscode.l10n.t('Explain Sandbox');
    const text =
      fresh.length === 1
        ? vscode.l10n.t('{0}: {1}', oneLine(name), saidText(first))
        : vscode.l10n.t('{0}: {1} And {2} more.', oneLine(name), saidText(first), fresh.length - 1);
    if ((await say(text, show)) === show) await showExplanation(params);
  }
}
