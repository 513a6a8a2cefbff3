import * as vscode from 'vscode';
import type { ProgramParams } from '../../helper/protocol/programs.ts';
import { HelperError } from '../connection/helperError.ts';
import { askModally } from '../plain/notify.ts';

/**
 * Makes a request that starts a program. Where the seccomp filter of the process cannot be had, it is made again without that if the person chooses so,
 * else it is rejected as cancelled.
 */
export async function orWithoutFilter<P extends ProgramParams, R>(params: P, request: (params: P) => Promise<R>): Promise<R> {
  try {
    return await request(params);
  } catch (error) {
    if (!(error instanceof HelperError) || error.reason !== 'unfiltered') throw error;
    const without = vscode.l10n.t('Run Without the Filter');
    const detail = vscode.l10n.t(
      'System calls that are refused to the process are open to a program that runs without its filter. {0}',
      error.hint ?? '',
    );
    const answer = await askModally({ message: error.message, detail, choices: [without], grave: true });
    if (answer !== without) throw new HelperError('cancelled', vscode.l10n.t('Nothing was started.'));
    return await request({ ...params, seccomp: 'none' });
  }
}
