import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { NEVER } from '../../base/when.ts';
import type { MountTables } from '../../documents/mountTables.ts';
import type { PairTarget } from '../../panels/comparePanels.ts';
import { compare } from '../../plain/titled.ts';

export const compareMountsAsTextCommand: CommandContribution = {
  id: 'isoscope.process.compareMountsAsText',
  title: 'Compare Mounts as Text',
  palette: NEVER,
};

/** The two tables of a page that compares them, side by side. */
export async function compareMountsAsText(tables: MountTables, target?: Partial<PairTarget>): Promise<void> {
  if (target?.pair === undefined) return;
  const { mine, other } = target.pair;
  const name = other?.name ?? vscode.l10n.t('host');
  const left = tables.uri(name, other === undefined ? {} : { process: other.process });
  await compare(left, tables.uri(mine.name, { process: mine.process }), vscode.l10n.t('Mounts: {0} ↔ {1}', name, mine.name));
}
