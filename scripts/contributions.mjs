#!/usr/bin/env node
/**
 * Writes what package.json says to VS Code, its texts in package.nls.json, and the ids of commands in
 * extension/base/commandIds.ts from what the sources of the extension declare (extension/base/contributions.ts). With `--check`
 * it writes nothing, and fails when a file is not up to date.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runInThisContext } from 'node:vm';
import { build } from 'esbuild';
import { manifestParts, sortedBy } from './contributes.mjs';

const ROOT = path.join(import.meta.dirname, '..');
const KINDS = ['Command', 'View', 'Setting', 'Other'];
const DECLARED = new RegExp(`^.*\\bconst\\b.*\\b(?:${KINDS.join('|')})Contribution\\b.*$`, 'gm');

/** Of modules, only what is used is in a bundle: not `vscode`, which only VS Code has, nor the code beside the declarations. */
const onlyWhatIsUsed = {
  name: 'only-what-is-used',
  setup(bundler) {
    bundler.onResolve({ filter: /^/ }, ({ path: name, resolveDir }) => ({
      ...(name.startsWith('.') ? { path: path.join(resolveDir, name) } : { path: name, external: true }),
      sideEffects: false,
    }));
  },
};

function read(name) {
  return readFileSync(path.join(ROOT, name), 'utf8');
}

/** The constants that the sources declare, as `{ name, kind, file }`. */
function declarations() {
  const files = readdirSync(path.join(ROOT, 'extension'), { recursive: true }).filter((name) => name.endsWith('.ts'));
  return files.sort().flatMap((file) =>
    // Also what would not be found, and so be in no file, without a word.
    [...read(`extension/${file}`).matchAll(DECLARED)].map(([line]) => {
      const [, name, kind] = /^export const (\w+): (\w+)Contribution = /.exec(line) ?? [];
      if (name === undefined)
        throw new Error(`${file}: "${line.trim()}" should begin with "export const NAME: …Contribution = "`);
      return { name, kind, file };
    }),
  );
}

/** Their values, and what of the extension's own code package.json is made by. */
async function loaded(constants) {
  const bundle = await build({
    stdin: {
      contents: [
        ...constants.map(({ name, file }) => `export { ${name} } from './${file}';`),
        `export * as ids from './base/ids.ts';`,
        `export { contributedViews } from './trees/contributedViews.ts';`,
        `export { whenText } from './base/when.ts';`,
      ].join('\n'),
      resolveDir: path.join(ROOT, 'extension'),
    },
    bundle: true,
    write: false,
    target: 'node20',
    format: 'iife',
    globalName: 'loaded',
    plugins: [onlyWhatIsUsed],
    logLevel: 'warning',
  });
  return runInThisContext(`${bundle.outputFiles[0].text}; loaded`);
}

/** @param {{ name: string, id: string }[]} commands */
function commandIds(commands) {
  const lines = sortedBy(commands, ({ id }) => id).map(({ name, id }) => {
    if (!name.endsWith('Command')) throw new Error(`${name} declares a command, and should be called ${name}Command`);
    return `  ${name.slice(0, -'Command'.length)}: '${id}',\n`;
  });
  return `/**
 * The ids of commands, each declared beside the command's code (contributions.ts). Written by scripts/contributions.mjs; not to
 * be changed by hand.
 */
export const Command = {
${lines.join('')}} as const;
export type CommandId = (typeof Command)[keyof typeof Command];
`;
}

const constants = declarations();
const values = await loaded(constants);
const byKind = Object.fromEntries(
  KINDS.map((kind) => [kind, constants.filter((one) => one.kind === kind).map(({ name }) => values[name])]),
);
const { texts, ...parts } = manifestParts({ ...values, ...byKind });
const json = (value) => `${JSON.stringify(value, undefined, 2)}\n`;
const files = {
  'package.json': json({ ...JSON.parse(read('package.json')), ...parts }),
  'package.nls.json': json(texts),
  'extension/base/commandIds.ts': commandIds(
    constants.filter(({ kind }) => kind === 'Command').map(({ name }) => ({ name, id: values[name].id })),
  ),
};
const stale = Object.keys(files).filter((name) => read(name) !== files[name]);
if (!process.argv.includes('--check')) for (const name of stale) writeFileSync(path.join(ROOT, name), files[name]);
else if (stale.length > 0) {
  console.error(
    `Not what extension/ declares: ${stale.join(', ')}. Run "node scripts/contributions.mjs", which writes them anew.`,
  );
  process.exitCode = 1;
}
