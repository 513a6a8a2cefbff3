/** What the helper tells of several cgroups of one place, of which some may be gone, or not be had. */
import * as vscode from 'vscode';
import { type CgroupRef, CgroupsInspect } from '../../helper/protocol/cgroups.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import type { CgroupAnswers } from './cgroupFacts.ts';

/** All that are still there. Rejects with a `HelperError` when none is. */
export async function inspectCgroups(
  connection: HelperConnection,
  cgroups: readonly CgroupRef[],
  token?: vscode.CancellationToken,
): Promise<CgroupAnswers> {
  const asked = await Promise.allSettled(cgroups.map((cgroup) => connection.request(CgroupsInspect, { cgroup }, token)));
  const [first, ...rest] = asked.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
  if (first !== undefined) return [first, ...rest];
  const refused = asked.find((one) => one.status === 'rejected');
  throw refused?.reason ?? new HelperError('gone', vscode.l10n.t('The cgroup is gone.'));
}
