/**
 * A scope of the helper's own from the systemd of its user: a cgroup that is delegated to it (systemd's CGROUP_DELEGATION), also from a session, whose cgroup
 * nobody but root may change. org.freedesktop.systemd1(5).
 */
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isInitial } from '../../host/initialNamespaces.ts';
import { parseCgroups } from '../../proc/cgroup.ts';
import { own } from '../../programs/identity.ts';

const ANSWER_SECONDS = 5;
const MOVE_MILLIS = 5000;
const LOOK_MILLIS = 5;
const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const MANAGER = ['org.freedesktop.systemd1', '/org/freedesktop/systemd1', 'org.freedesktop.systemd1.Manager'];

/** Moves the helper, and no other process. False when the user has no systemd that could be asked; rejects when it refuses. */
export async function moveToScope(): Promise<boolean> {
  const runtime = process.env.XDG_RUNTIME_DIR ?? `/run/user/${own().uid}`;
  // Elsewhere the pid that is told it would be another process.
  if (!isInitial({ kind: 'pid', ino: fs.statSync('/proc/self/ns/pid').ino }) || !fs.existsSync(path.join(runtime, 'bus')))
    return false;
  const name = `isoscope-${crypto.randomBytes(4).toString('hex')}.scope`;
  const properties = [
    ...['PIDs', 'au', '1', String(process.pid)],
    ...['Delegate', 'b', 'true'],
    ...['CollectMode', 's', 'inactive-or-failed'],
    ...['Description', 's', 'Isoscope and its sandboxes'],
  ];
  const request = ['StartTransientUnit', 'ssa(sv)a(sa(sv))', name, 'fail', '4', ...properties, '0'];
  await promisify(execFile)('busctl', ['--user', `--timeout=${ANSWER_SECONDS}`, 'call', ...MANAGER, ...request], {
    env: { PATH: SYSTEM_PATH, XDG_RUNTIME_DIR: runtime },
    timeout: 2 * ANSWER_SECONDS * 1000,
  });
  for (const end = performance.now() + MOVE_MILLIS; !isIn(name); await sleep(LOOK_MILLIS)) {
    if (performance.now() > end) throw new Error(`it did not move the helper to ${name}`);
  }
  return true;
}

function isIn(scope: string): boolean {
  const cgroups = parseCgroups(fs.readFileSync('/proc/self/cgroup', 'utf8'));
  return cgroups.some((cgroup) => cgroup.hierarchy === 'unified' && path.basename(cgroup.path) === scope);
}
