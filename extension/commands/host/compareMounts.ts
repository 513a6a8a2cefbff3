import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import type { MountTables } from '../../documents/mountTables.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import { oneLine } from '../../plain/plainText.ts';
import { compare } from '../../plain/titled.ts';
import { processOrPicked } from '../../programs/targetPicks.ts';
import { processName } from '../../words/hostWords.ts';

export const compareMountsCommand: CommandContribution = {
  id: 'isoscope.process.compareMounts',
  title: 'Compare Mounts with the Host',
  icon: 'diff',
  menus: {
    'view/item/context': [
      { group: '2_look@8', when: [IN_ANY_VIEW, { row: ['container', 'namespace mnt', 'sandbox running'] }] },
      { group: '2_look@8', when: [IN_ANY_VIEW, { row: 'process' }, { notRow: 'kernelThread' }, ONE_ROW] },
    ],
  },
};

/** The mounts that a process sees beside those of the host: what a mount namespace changes is what differs. */
export async function compareMounts(
  connection: HelperConnection,
  host: Host,
  tables: MountTables,
  target: CommandTarget = {},
): Promise<void> {
  const ref = await processOrPicked(connection, target);
  if (ref === undefined) return;
  const known = host.model.process(ref);
  const name =
    target.container !== undefined
      ? oneLine(target.container.name, 40)
      : known === undefined
        ? vscode.l10n.t('process {0}', ref.pid)
        : processName(known);
  const title = vscode.l10n.t('Mounts: host ↔ {0}', name);
  await compare(tables.uri(vscode.l10n.t('host'), {}), tables.uri(name, { process: ref }), title);
}
