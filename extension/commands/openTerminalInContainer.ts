import type { HelperConnection } from '../connection/connection.ts';
import { oneLine } from '../host/plainText.ts';
import { wholeEntry } from '../programs/entry.ts';
import { showStartFailure } from '../programs/hostTools.ts';
import { pickContainer } from '../programs/picks.ts';
import type { TerminalOpener } from '../programs/terminal.ts';
import type { CommandTarget } from '../target.ts';
import { enterNamespaces } from './enterNamespaces.ts';

/** What `docker exec -it` gives, for any engine: every namespace of the container, its root, user, environment and cgroup. */
export async function openTerminalInContainer(
  connection: HelperConnection,
  terminals: TerminalOpener,
  target: CommandTarget = {},
): Promise<void> {
  const container = target.container ?? (await pickContainer(connection));
  if (container === undefined) return;
  try {
    await terminals.open(wholeEntry({ container }), { name: oneLine(container.name), icon: 'terminal' });
  } catch (error) {
    await showStartFailure(error, () => enterNamespaces(connection, terminals, { container }, 'hostTools'));
  }
}
