/**
 * Opens the helper that runs from this folder's dist/ to a debugger, as SIGUSR1 does with Node: on port 9229 of the loopback, until the
 * helper ends. Whoever can connect to that can do what the helper can, and so can every user of the machine: for development only.
 */
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from './prerequisites.mjs';
import { Failure, main, run, say } from './run.mjs';

const PORT = 9229;
const PATIENCE_MILLIS = 5_000;
const POLL_MILLIS = 50;

await main(async () => {
  const program = realpathSync(path.join(ROOT, 'dist')) + path.sep;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && argumentsOf(name)[1] === `${program}helper.js`);
  if (pids.length !== 1) {
    const found = pids.length === 0 ? 'no helper runs' : `several helpers run (${pids.join(', ')})`;
    throw new Failure(`${found} from ${program}; start the extension from this folder once, and open a view of it`);
  }
  if (await isOpen()) throw new Failure(`port ${PORT} is in use: by a helper that is open already, or by another program`);
  const [pid] = pids;
  try {
    process.kill(Number(pid), 'SIGUSR1');
  } catch (error) {
    if (error.code !== 'EPERM') throw error;
    await run('sudo', ['kill', '-USR1', pid]);
  }
  const deadline = performance.now() + PATIENCE_MILLIS;
  while (!(await isOpen())) {
    if (performance.now() > deadline) throw new Failure(`the helper, process ${pid}, opens no port for a debugger`);
    await sleep(POLL_MILLIS);
  }
  say(`process ${pid} waits for a debugger on port ${PORT}, for every user of this machine, until it ends`);
});

function argumentsOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // It has ended.
  }
}

function isOpen() {
  return new Promise((resolve) => {
    const socket = net.connect(PORT, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.unref();
    socket.once('connect', () => socket.destroy());
  });
}
