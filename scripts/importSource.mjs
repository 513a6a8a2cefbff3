/** Modules of the sources, for scripts: as JavaScript, since not every Node runs TypeScript. */
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { CACHE, ROOT } from './prerequisites.mjs';

/** What a module exports; `file` is from the root of the project. It is bundled where it finds its packages. */
export async function importSource(file) {
  const outfile = path.join(CACHE, `${path.basename(file, '.ts')}-${process.pid}.mjs`);
  const entryPoints = [path.join(ROOT, file)];
  await build({
    entryPoints,
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
  try {
    return await import(outfile);
  } finally {
    fs.rmSync(outfile);
  }
}
