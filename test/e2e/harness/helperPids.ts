import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { Workbench } from './workbench.ts';

/** Pids of the helpers of this workbench, and of no other on this machine: their script lies in its own folder. */
export function helpersOf(of: Workbench): number[] {
  const [, folder] = /Using user-data-dir (\S+)\/user-data/.exec(of.logs()) ?? [];
  assert.ok(folder);
  // Without any pgrep fails, with 1.
  const search = ['-c', 'pgrep -f "$0" || [ $? = 1 ]', `^/.*node .*${folder}/extensions/.*/dist/helper.js`];
  const pids = execFileSync('sh', search, { encoding: 'utf8' }).trim();
  return pids === '' ? [] : pids.split('\n').map(Number);
}
