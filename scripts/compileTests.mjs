/** Tests as JavaScript, for a Node that does not run TypeScript: an older one, or one in the guest. */
import path from 'node:path';
import { build } from 'esbuild';
import { ROOT } from './prerequisites.mjs';

/** What tests load from node_modules, which has to lie above them. */
export const TEST_PACKAGES = ['vscode-jsonrpc', 'valibot', 'koffi', '@koromix'];

/** What tests start as programs of their own. */
const STARTED = ['test/fixtures/readHolder.ts', 'test/fixtures/exchangePath.ts', 'test/fixtures/liar.ts'];

/** What puts a stand-in for VS Code in its place while modules are loaded, which older Nodes cannot: here it is bundled. */
const vscodeStandIn = {
  name: 'vscode-stand-in',
  setup(bundler) {
    const standIn = path.join(ROOT, 'test/fixtures/vscodeStandIn.ts');
    bundler.onResolve({ filter: /^vscode$/ }, () => ({ path: standIn }));
    bundler.onLoad({ filter: /\/test\/fixtures\/(withStandIn|vscodeText)\.ts$/ }, () => ({ contents: '' }));
  },
};

/**
 * Each test as one `NAME.test.mjs`, and beside them what they start. Node removes types by WebAssembly, which needs V8's compiler, and that one
 * does not always survive emulation ("Check failed: it->second.Size() > offset", in one start of some twenty): the guest does without.
 * @param {string[]} files from the root of the project
 * @param {string} folder two levels below the root of the project that they are about, as the tests themselves are
 * @param {string} target such as `node20`
 */
export async function compileTests(files, folder, target) {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [...files, ...STARTED].map((file) => ({ in: file, out: path.basename(file, '.ts') })),
    outdir: folder,
    bundle: true,
    keepNames: true,
    external: TEST_PACKAGES.flatMap((name) => [name, `${name}/*`]),
    // What is of CommonJS asks for Node's own modules by it.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    platform: 'node',
    target,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    plugins: [vscodeStandIn],
    logLevel: 'warning',
  });
}
