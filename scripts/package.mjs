/**
 * Makes the VSIX of each target, or of those named: `node scripts/package.mjs [linux-x64] [linux-arm64]`. They are left
 * in the repository's folder, named as the marketplace names them: `isoscope-linux-x64-0.1.0.vsix`.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CACHE, ensureDebianPackages, ensureNode, ensureNodePackages, NODE, nodeEnvironment, ROOT } from './prerequisites.mjs';
import { Failure, main, run, say } from './run.mjs';

export const TARGETS = ['linux-x64', 'linux-arm64'];
export const OWN_TARGET = `linux-${process.arch}`;

/** All that a package holds, besides dist/, which is built for its target. */
const CONTENTS = ['package.json', 'package.nls.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'media'];
/** Of these the layout is for who reads the sources; the package has them without. */
const WRITTEN_FOR_PEOPLE = ['package.json', 'package.nls.json', 'media/sandbox.schema.json'];

function withoutBlanks(file) {
  writeFileSync(file, JSON.stringify(JSON.parse(readFileSync(file, 'utf8'))));
}

/**
 * Builds and packs one target in a folder of its own, so that it takes nothing from dist/ and disturbs nothing there.
 * @param {string} target one of TARGETS
 * @param {string} folder where the VSIX goes
 * @returns {Promise<string>} its path
 */
export async function packageTarget(target, folder) {
  if (!TARGETS.includes(target)) throw new Failure(`there is no target ${target}, only ${TARGETS.join(' and ')}`);
  if (target !== OWN_TARGET) await ensureKoffiBinary(target);
  mkdirSync(path.join(CACHE, 'package'), { recursive: true });
  const staging = mkdtempSync(path.join(CACHE, `package/${target}-`));
  try {
    for (const name of CONTENTS) {
      const source = path.join(ROOT, name);
      if (existsSync(source)) cpSync(source, path.join(staging, name), { recursive: true });
    }
    for (const name of WRITTEN_FOR_PEOPLE) withoutBlanks(path.join(staging, name));
    await run(NODE, [path.join(ROOT, 'esbuild.mjs'), '--target', target, '--out', path.join(staging, 'dist')], { cwd: ROOT });
    const { name, version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
    const packed = path.join(staging, 'packed.vsix');
    const vsce = path.join(ROOT, 'node_modules/@vscode/vsce/vsce');
    const args = [
      'package',
      '--no-dependencies',
      '--target',
      target,
      '--out',
      packed,
      '--no-rewrite-relative-links',
      '--allow-missing-repository',
    ];
    await run(NODE, [vsce, ...args], { cwd: staging, env: nodeEnvironment(), quiet: true });
    const made = path.join(folder, `${name}-${target}-${version}.vsix`);
    mkdirSync(folder, { recursive: true });
    renameSync(packed, made);
    return made;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/**
 * Fetches koffi's binary for another architecture, which `npm ci` leaves out here, and checks it against the lockfile.
 * @param {string} target
 */
async function ensureKoffiBinary(target) {
  const name = `@koromix/koffi-${target}`;
  const { version, integrity } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages[
    `node_modules/${name}`
  ];
  const place = path.join(CACHE, 'targets/node_modules', name);
  if (
    existsSync(path.join(place, 'package.json')) &&
    JSON.parse(readFileSync(path.join(place, 'package.json'), 'utf8')).version === version
  )
    return;
  say(`fetching ${name} ${version}`);
  mkdirSync(path.join(CACHE, 'targets'), { recursive: true });
  const scratch = mkdtempSync(path.join(CACHE, 'targets/fetch-'));
  try {
    const listing = await run(
      'npm',
      ['pack', `${name}@${version}`, '--json', '--loglevel=error', '--pack-destination', scratch],
      {
        cwd: scratch,
        quiet: true,
        hint: 'It comes from the npm registry: is the network up?',
      },
    );
    const archive = path.join(scratch, JSON.parse(listing)[0].filename);
    const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (digest !== integrity)
      throw new Failure(`${name} ${version} is not what package-lock.json says: ${digest} instead of ${integrity}`);
    await run('tar', ['-xzf', archive, '-C', scratch], { quiet: true });
    mkdirSync(path.dirname(place), { recursive: true });
    rmSync(place, { recursive: true, force: true });
    renameSync(path.join(scratch, 'package'), place);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  await main(async () => {
    const targets = process.argv.length > 2 ? process.argv.slice(2) : TARGETS;
    await ensureDebianPackages(targets.some((target) => target !== OWN_TARGET) ? ['build', 'package'] : ['build']);
    await ensureNodePackages();
    await ensureNode();
    for (const target of targets) {
      say(`packaging ${target}`);
      const made = await packageTarget(target, ROOT);
      say(`made ${path.relative(ROOT, made)}, ${Math.round(statSync(made).size / 1024)} KiB`);
    }
  });
}
