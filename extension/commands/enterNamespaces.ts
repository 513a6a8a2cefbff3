import type { HelperConnection } from '../connection/connection.ts';
import { showSyscalls } from '../documents/syscalls.ts';
import { askForEntry, type Proposal } from '../programs/entry.ts';
import { showStartFailure } from '../programs/hostTools.ts';
import type { TerminalOpener } from '../programs/terminal.ts';
import type { CommandTarget } from '../target.ts';

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
