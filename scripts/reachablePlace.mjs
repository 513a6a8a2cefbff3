/**
 * Much is tested as an ordinary user, who reaches no clone below /root, or in any other folder that is closed to others. The files of such a
 * clone are mounted in a second place, which everybody reaches, as long as the tests run from there.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** Not in /tmp, of which a sandbox has its own. */
const PLACES = '/var/tmp/isoscope-clone-';
const OTHERS_SEARCH = 0o001;

/** @param {string} folder */
export function isReachable(folder) {
  const parent = path.dirname(folder);
  return (statSync(folder).mode & OTHERS_SEARCH) !== 0 && (parent === folder || isReachable(parent));
}

/**
 * Runs a script of the clone in `root` from a place that everybody reaches. Needs root.
 * @param {string} root
 * @param {string} script relative to it
 * @param {string[]} args
 * @returns {Promise<number>} its exit status
 */
export async function runFromReachablePlace(root, script, args) {
  const place = mkdtempSync(PLACES);
  chmodSync(place, 0o755);
  execFileSync('mount', ['--bind', root, place]);
  const forwarded = ['SIGTERM', 'SIGHUP', 'SIGINT'].map((signal) => [signal, () => child.kill(signal)]);
  const child = spawn(process.execPath, [path.join(place, script), ...args], {
    cwd: place,
    stdio: 'inherit',
    detached: !process.stdin.isTTY,
  });
  for (const [signal, forward] of forwarded)
    process.on(signal, signal === 'SIGINT' && process.stdin.isTTY ? () => undefined : forward);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
  } finally {
    for (const [signal] of forwarded) process.removeAllListeners(signal);
    execFileSync('umount', ['--lazy', place]);
    rmdirSync(place);
  }
}
