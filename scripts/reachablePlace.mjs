/**
 * Much is tested as an ordinary user, who reaches no clone below /root, or in any other folder that is closed to others. The files of such a
 * clone are mounted in a second place, which everybody reaches, as long as the tests run from there.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { SIGNALS } from './run.mjs';

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
  try {
    chmodSync(place, 0o755);
    execFileSync('mount', ['--bind', root, place]);
    try {
      return await runIn(place, script, args);
    } finally {
      execFileSync('umount', ['--lazy', place]);
    }
  } finally {
    rmdirSync(place);
  }
}

/** What asks this process to end, asks the script; a Ctrl-C of the terminal reaches it by itself. */
function runIn(place, script, args) {
  const isAtTerminal = process.stdin.isTTY === true;
  const child = spawn(process.execPath, [path.join(place, script), ...args], {
    cwd: place,
    stdio: 'inherit',
    detached: !isAtTerminal,
  });
  const forward = (signal) => !(signal === 'SIGINT' && isAtTerminal) && child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  }).finally(() => {
    for (const signal of SIGNALS) process.off(signal, forward);
  });
}
