/**
 * `npm start [-- FOLDER]`: installs what is missing, builds and packages Isoscope, installs it into a VS Code of its own
 * that is served to the browser, prints the address, and stops everything on Ctrl-C.
 */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { installExtension, startCodeServer } from './codeServer.mjs';
import { OWN_TARGET, packageTarget } from './package.mjs';
import { CACHE, ensureCodeServer, ensureDebianPackages, ensureNode, ensureNodePackages, ROOT } from './prerequisites.mjs';
import { main, say, untilSignal } from './run.mjs';

await main(async () => {
  const folder = path.resolve(process.env.INIT_CWD ?? ROOT, process.argv[2] ?? '.');
  const profile = { folder: path.join(CACHE, 'start') };
  await ensureDebianPackages(['build', 'codeServer']);
  await ensureNodePackages();
  await ensureNode();
  await ensureCodeServer();
  say('building and packaging');
  mkdirSync(profile.folder, { recursive: true });
  const vsix = await packageTarget(OWN_TARGET, profile.folder);
  say('installing the extension into code-server');
  // Older builds of the same version are not replaced by an installation beside them.
  rmSync(path.join(profile.folder, 'extensions'), { recursive: true, force: true });
  await installExtension(profile, vsix);
  const signalled = untilSignal();
  const server = await startCodeServer(profile, folder);
  say('ready; open this address in a browser, and press Ctrl-C here to stop:');
  process.stdout.write(`\n${server.address}\n\n`);
  const status = await Promise.race([signalled, server.exited.then(() => undefined)]);
  if (status === undefined) say(`code-server ended by itself; its log: ${server.logFile}`);
  else say('stopping');
  await server.stop();
  process.exitCode = status ?? 1;
});
