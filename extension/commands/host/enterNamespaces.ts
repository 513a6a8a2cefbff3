import type { CommandContribution } from '../../base/contributions.ts';
import { CONTAINER_ROW, IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { showSyscalls } from '../../documents/syscallDocuments.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { askForEntry, type Proposal } from '../../programs/entryQuestions.ts';
import { showStartFailure } from '../../programs/hostTools.ts';
import type { TerminalOpener } from '../../programs/terminalOpener.ts';

export const enterNamespacesCommand: CommandContribution = {
  id: 'isoscope.terminal.enterNamespaces',
  title: 'Enter Namespaces…',
  icon: 'terminal-linux',
  menus: {
    'view/item/context': [
      { group: 'inline@1', when: [IN_ANY_VIEW, { row: 'namespace' }] },
      { group: '1_enter@2', when: [IN_ANY_VIEW, { anyOf: [CONTAINER_ROW, { row: 'namespace' }] }, ONE_ROW] },
      { group: '1_enter@2', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }] },
    ],
  },
};

/** A terminal in any subset of a target's namespaces; without `mnt` it has the host's tools. */
export async function enterNamespaces(
  connection: HelperConnection,
  terminals: TerminalOpener,
  target: CommandTarget = {},
  proposal: Proposal = 'usual',
): Promise<void> {
  const entry = await askForEntry(connection, target, proposal);
  if (entry === undefined) return;
  if (entry.explain) return showSyscalls(entry.name, { ...entry.params, terminal: true });
  try {
    await terminals.open(entry.params, { name: entry.name, icon: 'terminal-linux' });
  } catch (error) {
    await showStartFailure(error, () => enterNamespaces(connection, terminals, entry.target, 'hostTools'));
  }
}
