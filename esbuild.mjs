/**
 * Builds what the extension ships, into dist/ (or `--out DIR`), for this machine or `--target linux-x64|linux-arm64`:
 * eight programs for Node, the webviews for the browser, and the launcher, which is C. `--development` is for a debugger: with
 * source maps, and not minified. `--watch` is that, and builds again whenever a source changes.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, watch } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build, context } from 'esbuild';

const root = import.meta.dirname;
const { values: options } = parseArgs({
  options: {
    target: { type: 'string', default: `linux-${process.arch}` },
    out: { type: 'string', default: 'dist' },
    development: { type: 'boolean', default: false },
    watch: { type: 'boolean', default: false },
  },
});
const isForDebugger = options.development || options.watch;

/** Where each target finds its compiler, and the package that holds koffi's binary. */
const TARGETS = {
  'linux-x64': { machine: 'x86_64', compilers: ['x86_64-linux-gnu-gcc', 'gcc'] },
  'linux-arm64': { machine: 'aarch64', compilers: ['aarch64-linux-gnu-gcc'] },
};

const target = TARGETS[options.target];
if (target === undefined) fail(`unknown target ${options.target}; there are ${Object.keys(TARGETS).join(', ')}`);
const out = path.resolve(root, options.out);

function fail(message) {
  console.error(`build: ${message}`);
  process.exit(1);
}

/** koffi chooses its binary at run time with a computed require; this resolves it to the target's one, copied beside the bundle. */
const koffiBinary = {
  name: 'koffi-binary',
  setup(bundler) {
    const binary = koffiBinaryPath();
    // The CommonJS entry: the other one finds itself by import.meta.url, which a CommonJS bundle does not have.
    bundler.onResolve({ filter: /^koffi$/ }, () => ({ path: path.join(root, 'node_modules/koffi/index.cjs') }));
    bundler.onResolve({ filter: /^@koromix\/koffi-/ }, (resolved) =>
      resolved.path === `@koromix/koffi-${options.target}` ? { path: binary } : { path: resolved.path, external: true },
    );
  },
};

function koffiBinaryPath() {
  const name = `@koromix/koffi-${options.target}`;
  const places = ['node_modules', '.cache/targets/node_modules'].map((folder) => path.join(root, folder, name));
  const place = places.find((folder) => existsSync(folder));
  if (place === undefined) fail(`${name} is missing; run "npm run package", which fetches it, or "npm ci"`);
  return path.join(place, target.machine === 'x86_64' ? 'linux_x64' : 'linux_arm64', 'koffi.node');
}

/**
 * An import of a CommonJS module costs a copy of all its names in each file that has it; of `vscode`, with hundreds of names in some
 * seventy files, that was a third of the extension's activation. Through one module between, it is copied once.
 */
const vscodeOnce = {
  name: 'vscode-once',
  setup(bundler) {
    bundler.onResolve({ filter: /^vscode$/ }, ({ namespace }) =>
      namespace === 'vscode-once' ? { external: true } : { path: 'vscode', namespace: 'vscode-once' },
    );
    bundler.onLoad({ filter: /^/, namespace: 'vscode-once' }, () => ({ contents: `export * from 'vscode'` }));
  },
};

/**
 * A CommonJS module that is imported is kept, used or not, unless it is said to do nothing by itself. The protocol's lists import
 * vscode-jsonrpc to make requests; a thread that reads files makes none, and carries none of it.
 */
const jsonrpcIfUsed = {
  name: 'jsonrpc-if-used',
  setup(bundler) {
    const isOurs = 'isOurs';
    bundler.onResolve({ filter: /^vscode-jsonrpc$/ }, async ({ path: name, pluginData, ...rest }) => {
      if (pluginData === isOurs) return undefined;
      const { importer, namespace, resolveDir, kind } = rest;
      const found = await bundler.resolve(name, { importer, namespace, resolveDir, kind, pluginData: isOurs });
      return { ...found, sideEffects: false };
    });
  },
};

/** Of the manifest only the version is asked for: its contributions are for VS Code. */
const versionAlone = {
  name: 'version-alone',
  setup(bundler) {
    const manifest = path.join(root, 'package.json');
    bundler.onLoad({ filter: /[/\\]package\.json$/ }, ({ path: file }) => {
      if (file !== manifest) return undefined;
      const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
      return { contents: JSON.stringify({ version }), loader: 'json' };
    });
  },
};

/** What is said of a sandbox's specification editors and the form have from the schema: calls of what is empty esbuild takes out, and their words with them. */
const undescribed = {
  name: 'undescribed',
  setup(bundler) {
    bundler.onLoad({ filter: /[/\\]helper[/\\]sandbox[/\\]specification[/\\]description\.ts$/ }, () => ({
      contents: 'export function described() {} export function nearPattern() {}',
    }));
  },
};

/** What several programs would each have a copy of is once in the package, as a program that these load. */
const sentencesOnce = once('sentences', /[/\\]sentences\.ts$/);
const jsonrpcOnce = once('jsonrpc', /^vscode-jsonrpc(?:\/node)?$/);
const koffiOnce = once('koffi', /^koffi$/);

function once(name, filter) {
  return {
    name: `${name}-once`,
    setup(bundler) {
      bundler.onResolve({ filter }, () => ({ path: `./${name}.js`, external: true }));
    },
  };
}

const shared = {
  bundle: true,
  absWorkingDir: root,
  minify: !isForDebugger,
  sourcemap: isForDebugger,
  // While it watches it tells when it begins and ends, which a task of VS Code waits for.
  logLevel: options.watch ? 'info' : 'warning',
  legalComments: 'none',
};
const forNode = {
  ...shared,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  loader: { '.node': 'copy' },
  assetNames: '[name]',
};

/** The launcher is freestanding: no C library, so nothing in it can look up a user, load a module or read a locale. */
function buildLauncher() {
  const compiler = target.compilers.find((name) => succeeds(name, ['--version']));
  if (compiler === undefined) {
    fail(
      `no C compiler for ${options.target}: install gcc${options.target === 'linux-arm64' ? '-aarch64-linux-gnu' : ''} (apt-get install)`,
    );
  }
  const flags = [
    '-std=c11',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-ffreestanding',
    '-nostdlib',
    '-static',
    '-fno-stack-protector',
  ];
  const link = ['-fno-asynchronous-unwind-tables', '-Wl,--build-id=none', '-Wl,-z,noexecstack', '-s'];
  execFileSync(compiler, [...flags, ...link, '-o', path.join(out, 'launcher'), path.join(root, 'helper/launcher/launcher.c')], {
    stdio: 'inherit',
  });
}

function succeeds(program, args) {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const programs = [
  {
    ...forNode,
    entryPoints: ['extension/main.ts'],
    outfile: path.join(out, 'extension.js'),
    plugins: [vscodeOnce, sentencesOnce, jsonrpcOnce],
  },
  { ...forNode, entryPoints: ['extension/programs/attach.ts'], outfile: path.join(out, 'attach.js') },
  { ...forNode, entryPoints: ['extension/connection/askpass.ts'], outfile: path.join(out, 'askpass.js') },
  {
    ...forNode,
    entryPoints: ['helper/main.ts'],
    outfile: path.join(out, 'helper.js'),
    plugins: [koffiOnce, versionAlone, undescribed, sentencesOnce, jsonrpcOnce],
  },
  {
    ...forNode,
    entryPoints: ['helper/reader.ts'],
    outfile: path.join(out, 'reader.js'),
    plugins: [koffiOnce, jsonrpcIfUsed, sentencesOnce],
  },
  { ...forNode, entryPoints: ['helper/protocol/sentences.ts'], outfile: path.join(out, 'sentences.js') },
  { ...forNode, entryPoints: ['vscode-jsonrpc/node'], outfile: path.join(out, 'jsonrpc.js') },
  { ...forNode, entryPoints: ['koffi'], outfile: path.join(out, 'koffi.js'), plugins: [koffiBinary] },
  {
    ...shared,
    entryPoints: ['webview/monitor.ts', 'webview/page.ts', 'webview/sandbox.ts', 'webview/stack.ts'],
    outdir: path.join(out, 'webview'),
    platform: 'browser',
    // What they share, most of all the toolkit, is in files of its own, and not in each of them.
    format: 'esm',
    splitting: true,
    chunkNames: 'shared-[hash]',
    target: 'es2022',
  },
];

await Promise.all(programs.map((program) => build(program)));
buildLauncher();
if (options.watch) await watchAll();

/** Whoever waits for the first "build finished" finds everything built. */
async function watchAll() {
  for (const program of programs) await (await context(program)).watch();
  const folder = path.join(root, 'helper/launcher');
  watch(folder, (_, name) => {
    if (!/\.[ch]$/.test(name ?? '')) return;
    try {
      buildLauncher();
    } catch {
      // The compiler has said what is wrong; the next change may mend it.
    }
  });
}
