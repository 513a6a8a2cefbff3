/** code-server, which is VS Code served to a browser: installs extensions into it, starts it, waits for it, stops it. */
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { CODE_SERVER_ENTRY, NODE, nodeEnvironment } from './prerequisites.mjs';
import { Failure, run } from './run.mjs';

const START_MILLIS = 60_000;
const STOP_MILLIS = 10_000;

/**
 * @typedef {object} Profile where one code-server keeps its state; whoever it runs as must own the folder
 * @property {string} folder
 * @property {number} [uid] run as this user instead of this process's
 * @property {number} [gid]
 * @property {NodeJS.ProcessEnv} [environment] replaces this process's
 * @property {boolean} [restricted] folders are not trusted until a person says so
 */

const dataArguments = (profile) => [
  '--user-data-dir',
  path.join(profile.folder, 'user-data'),
  '--extensions-dir',
  path.join(profile.folder, 'extensions'),
  '--config',
  path.join(profile.folder, 'config.yaml'),
];

const identity = (profile) => (profile.uid === undefined ? {} : { uid: profile.uid, gid: profile.gid ?? profile.uid });

/** What the shell of a VS Code window would hand down to another one must not reach this one. */
function environmentOf(profile) {
  const environment = { ...(profile.environment ?? nodeEnvironment()) };
  for (const name of Object.keys(environment)) {
    if (/^(VSCODE_|ELECTRON_|NODE_OPTIONS$|NODE_TEST_CONTEXT$|PASSWORD$|PORT$)/.test(name)) delete environment[name];
  }
  return environment;
}

/**
 * @param {Profile} profile
 * @param {string} vsix
 */
export async function installExtension(profile, vsix) {
  const args = [CODE_SERVER_ENTRY, ...dataArguments(profile), '--install-extension', vsix, '--force'];
  await run(NODE, args, { quiet: true, env: environmentOf(profile), timeoutMillis: 120_000, ...identity(profile) });
}

/**
 * @typedef {object} CodeServer
 * @property {string} address `http://127.0.0.1:PORT/?folder=…`
 * @property {number} pid
 * @property {string} logFile
 * @property {() => Promise<void>} stop
 * @property {Promise<void>} exited
 */

/**
 * Serves `folder` on a free port of the loopback interface and resolves once it answers.
 * @param {Profile} profile
 * @param {string} folder
 * @returns {Promise<CodeServer>}
 */
export async function startCodeServer(profile, folder) {
  const port = await freePort();
  const logFile = path.join(profile.folder, 'code-server.log');
  const log = openSync(logFile, 'a');
  const child = spawn(
    NODE,
    [
      ...[CODE_SERVER_ENTRY, '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, ...dataArguments(profile)],
      ...[
        '--disable-telemetry',
        '--disable-update-check',
        ...(profile.restricted ? [] : ['--disable-workspace-trust']),
        '--disable-getting-started-override',
        folder,
      ],
    ],
    // A process group of its own: a Ctrl-C in the terminal must reach only the script, which then ends all of it in order.
    { stdio: ['ignore', log, log], detached: true, env: environmentOf(profile), ...identity(profile) },
  );
  let ended = false;
  const exited = new Promise((resolve) => {
    child.on('error', () => resolve()).on('exit', () => resolve());
  }).then(() => {
    ended = true;
  });
  const stop = () => stopGroup(child.pid, exited);
  const deadline = Date.now() + START_MILLIS;
  while (!(await answers(`http://127.0.0.1:${port}/healthz`))) {
    if (ended || Date.now() > deadline) {
      await stop();
      throw new Failure(`code-server did not start${ended ? '' : ` within ${START_MILLIS / 1000} s`}; its log: ${logFile}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const kind = folder.endsWith('.code-workspace') ? 'workspace' : 'folder';
  return { address: `http://127.0.0.1:${port}/?${kind}=${encodeURIComponent(folder)}`, pid: child.pid, logFile, stop, exited };
}

/** Ends code-server and the hosts that it started. They share its process group, so nothing else can be hit. */
async function stopGroup(pid, exited) {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), STOP_MILLIS);
  await exited;
  clearTimeout(timer);
  const deadline = Date.now() + STOP_MILLIS;
  while (signalGroup(pid, 0)) {
    if (Date.now() > deadline) signalGroup(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

async function answers(address) {
  try {
    return (await fetch(address, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}
