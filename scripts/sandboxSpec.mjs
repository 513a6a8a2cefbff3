#!/usr/bin/env node
/** Writes what is made of the definition of a sandbox's specification, helper/sandbox/specification/spec.ts: `node scripts/sandboxSpec.mjs`, after it was changed. */
import fs from 'node:fs';
import path from 'node:path';
import { importSource } from './importSource.mjs';
import { ROOT } from './prerequisites.mjs';
import { sandboxFiles } from './sandboxFiles.mjs';

const { DEFINITIONS } = await importSource('helper/sandbox/specification/spec.ts');
for (const [file, text] of Object.entries(sandboxFiles(DEFINITIONS))) fs.writeFileSync(path.join(ROOT, file), text);
