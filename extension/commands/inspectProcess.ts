import type { HelperConnection } from '../connection/connection.ts';
import type { ProcessPanels } from '../panels/processPanels.ts';
import { pickProcess } from '../programs/picks.ts';
import type { CommandTarget } from '../target.ts';

/** Opens the page on a process: on a container's leader or a namespace's first process, when given those. */
export async function inspectProcess(
  connection: HelperConnection,
  panels: ProcessPanels,
  target: CommandTarget = {},
): Promise<void> {
  const process = target.process ?? target.container?.leader ?? target.namespace?.leader ?? (await pickProcess(connection));
  if (process !== undefined) panels.show({ pid: process.pid, startTime: process.startTime });
}
