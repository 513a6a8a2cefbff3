import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { Workbench } from './workbench.ts';

/** Pids of the helpers of this workbench, and of no other on this machine: their script lies in its own folder. */
export function helpersOf(of: Workbench): number[] {
  const [, folder] = /Using user-data-dir (\S+)\/user-data/.exec(of.logs()) ?? [];
  assert.ok(folder);
  const pids = execFileSync('pgrep', ['-f', `^/.*node .*${folder}/extensions/.*/dist/helper.js`], { encoding: 'utf8' });
  return pids.trim().split('\n').map(Number);
}
