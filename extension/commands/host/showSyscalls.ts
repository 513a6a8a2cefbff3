import type { ProgramParams } from '../../../helper/protocol/programs.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { CONTAINER_ROW, IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { showSyscalls } from '../../documents/syscallDocuments.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { oneLine } from '../../plain/plainText.ts';
import { askForEntry, namespaceEntry, wholeEntry } from '../../programs/entryQuestions.ts';

export const showSyscallsCommand: CommandContribution = {
  id: 'isoscope.program.showSyscalls',
  title: 'Show the Syscalls',
  icon: 'list-ordered',
  menus: {
    'view/item/context': [
      { group: '1_enter@5', when: [IN_ANY_VIEW, { anyOf: [CONTAINER_ROW, { row: 'namespace' }] }, ONE_ROW] },
      { group: '1_enter@5', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }] },
    ],
  },
};

/** Shows what a terminal in the target would do: in all its namespaces, or in those that the person chooses. */
export async function showTargetSyscalls(connection: HelperConnection, target: CommandTarget = {}): Promise<void> {
  const known = knownEntry(target);
  if (known !== undefined) return showSyscalls(known.name, { ...known.params, terminal: true });
  const entry = await askForEntry(connection, target);
  if (entry !== undefined) await showSyscalls(entry.name, { ...entry.params, terminal: true });
}

/** What the target alone says, the most particular first. */
function knownEntry(target: CommandTarget): { name: string; params: ProgramParams } | undefined {
  const { container, process, namespace } = target;
  if (namespace !== undefined) {
    const name = `${namespace.kind} ${namespace.ino}`;
    return { name, params: namespaceEntry(namespace) };
  }
  if (container !== undefined) return { name: oneLine(container.name), params: wholeEntry({ container }) };
  if (process !== undefined) return { name: String(process.pid), params: wholeEntry({ process }) };
  return undefined;
}
