/** The ordinary user as whom the tests run the helper: made when missing, so that a test can name it by uid. */
import { readFileSync } from 'node:fs';
import { run } from './run.mjs';

const NAME = 'isoscope-test';

/** Its uid. It has no password, no home folder and no login; it owns ranges of subordinate ids, as a rootless user does. */
export async function ensureTestUser() {
  const existing = uidOf(NAME);
  if (existing !== undefined) return existing;
  await run('useradd', ['--no-create-home', '--shell', '/bin/sh', NAME], { quiet: true });
  const uid = uidOf(NAME);
  if (uid === undefined) throw new Error(`useradd succeeded, but there is no user ${NAME}`);
  return uid;
}

function uidOf(name) {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(':')[2]);
}
