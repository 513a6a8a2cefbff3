/** `npm run bench`: installs what the bench needs, builds, and measures; the arguments go to test/bench/main.ts. */
import { spawnSync } from 'node:child_process';
import {
  ensureCodeServer,
  ensureDebianPackages,
  ensureNode,
  ensureNodePackages,
  NODE,
  nodeEnvironment,
  ROOT,
} from './prerequisites.mjs';
import { main, run } from './run.mjs';

await main(async () => {
  await ensureNodePackages();
  await ensureNode();
  await ensureDebianPackages(['build', 'engines', 'kernelTests', 'bench', 'browser']);
  await ensureCodeServer();
  await run(NODE, ['esbuild.mjs'], { cwd: ROOT, env: nodeEnvironment() });
  const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', 'test/bench/main.ts', ...process.argv.slice(2)];
  const { status } = spawnSync(NODE, args, { cwd: ROOT, env: nodeEnvironment(), stdio: 'inherit' });
  process.exitCode = status ?? 1;
});
