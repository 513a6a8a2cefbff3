#!/usr/bin/env node
/** Writes what is made of the definition of a sandbox's specification, helper/sandbox/spec.ts: `node scripts/sandboxSpec.mjs`, after it was changed. */
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { CACHE, ROOT } from './prerequisites.mjs';
import { sandboxFiles } from './sandboxFiles.mjs';

/** As JavaScript, since not every Node runs TypeScript; where it finds its packages. */
async function definitions() {
  const outfile = path.join(CACHE, 'sandboxSpec.mjs');
  const entryPoints = [path.join(ROOT, 'helper/sandbox/spec.ts')];
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
    return (await import(outfile)).DEFINITIONS;
  } finally {
    fs.rmSync(outfile);
  }
}

for (const [file, text] of Object.entries(sandboxFiles(await definitions()))) fs.writeFileSync(path.join(ROOT, file), text);
