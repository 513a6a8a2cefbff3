/**
 * Nothing that the helper's main thread runs asks a file system that may never answer: files that its entry leads to make no call on a
 * file, but on the kernel's own and on the helper's. What reads others is led to by reader.ts alone.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Whole rooms and files, by why their calls may be on the main thread. */
const ALLOWED: Record<string, readonly string[]> = {
  'It wraps the calls, and makes none by itself.': ['helper/kernel/'],
  'The room for what may not answer.': ['helper/reading/'],
  'cgroupfs, which the kernel answers for: what it may hold back is read on the pool.': [
    'helper/host/cgroups/',
    'helper/host/freezer.ts',
    'helper/programs/cgroups.ts',
    'helper/sandbox/limits/sandboxCgroup.ts',
    'helper/sandbox/limits/cgroupRemoval.ts',
    'helper/sandbox/limits/delegation.ts',
  ],
  'procfs and nsfs, by descriptors of directories in /proc and of namespaces; and links in /proc, which are read, or held as places.':
    [
      'helper/host/containerUsers.ts',
      'helper/host/initialNamespaces.ts',
      'helper/host/inspection.ts',
      'helper/host/layers/fuseOverlay.ts',
      'helper/host/mountTable.ts',
      'helper/host/namespaceRoot.ts',
      'helper/host/network.ts',
      'helper/host/networkVisit.ts',
      'helper/host/nsfsFile.ts',
      'helper/host/openNamespace.ts',
      'helper/host/ownerEntry.ts',
      'helper/host/places.ts',
      'helper/host/processReader.ts',
      'helper/host/rootView.ts',
      'helper/host/socketCopies.ts',
      'helper/programs/entryOrder.ts',
      'helper/programs/environment.ts',
      'helper/programs/identity.ts',
      'helper/programs/target.ts',
      'helper/sandbox/describe.ts',
      'helper/sandbox/network/vethOnHost.ts',
      'helper/sandbox/network/sandboxNetwork.ts',
    ],
  'Pipes, sockets, devices and terminals: no file system answers for them.': [
    'helper/launcher/forkServer.ts',
    'helper/launcher/holdProcess.ts',
    'helper/programs/ptyInput.ts',
    'helper/programs/ptyOutput.ts',
    'helper/programs/run.ts',
    'helper/programs/terminal.ts',
    'helper/sandbox/sandboxes.ts',
    'helper/sandbox/sandboxStart.ts',
  ],
  'A tmpfs that was made for it, and is mounted nowhere: images are unpacked into it.': [
    'helper/sandbox/images/imageFile.ts',
    'helper/sandbox/images/imageOwners.ts',
    'helper/sandbox/images/layerWriter.ts',
  ],
  "The helper's own files: its program, and its runtime folder, without which it does not start.": [
    'helper/launcher/startLauncher.ts',
    'helper/sandbox/limits/ownScope.ts',
    'helper/sandbox/saved/runningNotes.ts',
    'helper/sandbox/saved/saved.ts',
    'helper/stream/folder.ts',
  ],
  'Once, at its start; later a reader thread reads it.': ['helper/host/userFile.ts'],
  'The root directory, by name alone.': ['helper/programs/plan.ts'],
};

/** Of Node: what waits for the file, or has a thread of libuv's pool wait for it. */
const OF_NODE =
  /\bfs\s*\.\s*(?:promises\b|[a-z]\w*Sync\b|createReadStream\b|createWriteStream\b|(?:open|read|stat|lstat|readFile|readdir)\()/g;
/** Of helper/kernel/: what is not about a descriptor alone. */
const OF_KERNEL =
  /(?<![.\w])(?:openAt|openDirectory|openOnMount|openRealPath|openBeneath|openInRootNow|readText|readBytes|readAgain|readLink|readLinkText|readNamespaceLink|readNumbers|readNumberLines|readNames|countLines|directoryStatus|statusBelow|briefStatusBelow|linkBelow|nextNames)\(/g;
/** What follows where a path is written out, and is the kernel's. */
const NAMED = /^(?:\.native)?\(?(?:AT_FDCWD,\s*)?['`]\/(?:proc|sys)[/'`]/;
/** It asks nobody. */
const HARMLESS = /^fs\s*\.\s*closeSync$/;

function runtimeImports(file: string, text: string): string[] {
  const pattern = /^(?:import|export)\s+(?!type\s)(?:([^'";]*?)\sfrom\s+)?'(\.[^']+)'/gm;
  return [...text.matchAll(pattern)].flatMap(([, names = '', to = '']) => {
    const list = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1]?.split(',') ?? ['all'];
    const areTypes = list.every((name) => name.trim() === '' || /^type\s/.test(name.trim()));
    return areTypes ? [] : [path.posix.join(path.posix.dirname(file), to)];
  });
}

function sourceOf(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** Every file that the entry leads to, without those of which it takes only types. */
function reachedFrom(entry: string): string[] {
  const reached = new Set([entry]);
  for (const file of reached) {
    if (!file.endsWith('.ts') || !existsSync(path.join(ROOT, file))) continue;
    for (const next of runtimeImports(file, sourceOf(file))) reached.add(next);
  }
  return [...reached].filter((file) => file.startsWith('helper/') && file.endsWith('.ts'));
}

/** Names that a file takes from helper/kernel/. */
function namesOfKernel(text: string): Set<string> {
  const lists = [...text.matchAll(/^import \{([^}]*)\} from '[^']*\/kernel\/[^']*'/gm)].map(([, list = '']) => list);
  return new Set(lists.flatMap((list) => list.split(',').map((name) => name.trim())));
}

/** Calls on files that are not named as the kernel's own. */
function callsIn(text: string): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const kernel = namesOfKernel(text);
  const calls = [OF_NODE, OF_KERNEL].flatMap((pattern) => [...code.matchAll(pattern)]);
  return calls.flatMap(({ 0: call, index }) => {
    const isNamed = NAMED.test(code.slice(index + call.length).replace(/^\(/, ''));
    const isAnothers = !call.startsWith('fs') && !kernel.has(call.slice(0, -1));
    return isNamed || isAnothers || HARMLESS.test(call) ? [] : [call];
  });
}

const allowed = Object.values(ALLOWED).flat();
const isAllowed = (file: string) => allowed.some((one) => (one.endsWith('/') ? file.startsWith(one) : file === one));
const reached = reachedFrom('helper/main.ts');

describe('the main thread of the helper', () => {
  test('makes calls only on files of the kernel and of its own', () => {
    assert.ok(reached.length > 100, 'the sources were found');
    const found = reached
      .filter((file) => !isAllowed(file))
      .flatMap((file) => callsIn(sourceOf(file)).map((call) => `${file}: ${call}`));
    assert.deepEqual(found, []);
  });

  test('is not led to what reader threads do', () => {
    const jobs = [...sourceOf('helper/reader.ts').matchAll(/^import \{ (?:answer\w+) \} from '(\.[^']+)'/gm)];
    const files = jobs.map(([, to = '']) => path.posix.join('helper', to));
    assert.ok(files.length > 5, 'the jobs were found');
    // Those of the room itself, and those whose answer reads the file that the start reads.
    const shared = files.filter((file) => !file.startsWith('helper/reading/') && file !== 'helper/host/users.ts');
    assert.deepEqual(
      shared.filter((file) => reached.includes(file)),
      [],
    );
  });

  test('has no exception without a call', () => {
    const stale = allowed.filter((one) =>
      one.endsWith('/')
        ? !reached.some((file) => file.startsWith(one))
        : !reached.includes(one) || callsIn(sourceOf(one)).length === 0,
    );
    assert.deepEqual(stale, []);
  });

  test('does not make a call unseen', () => {
    const planted = [
      'fs.statSync(source)',
      'const found = fs.realpathSync.native(given);',
      'await fs.promises.readdir(folder)',
      'fs.createReadStream(image)',
      'openAt(AT_FDCWD, folder, O_PATH)',
      "readText(directory, 'config.json', 1)",
      'fs.readFileSync(file)',
    ];
    const imports = "import { openAt, readText } from '../kernel/files.ts';\n";
    for (const text of planted) assert.equal(callsIn(imports + text).length, 1, text);
    const kernels = ["fs.readFileSync('/proc/stat')", 'openAt(AT_FDCWD, `/proc/7/ns/net`, 0)', 'fs.closeSync(file)'];
    for (const text of kernels) assert.deepEqual(callsIn(imports + text), [], text);
  });
});
