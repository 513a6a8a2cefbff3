/** The rules of ARCHITECTURE.md about which room may import from which, held against every import of the sources. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

interface Import {
  /** From the root of the repository: `helper/host/host.ts`. */
  from: string;
  /** Likewise for files of ours; else the package's name. */
  to: string;
  /** `import type`, or of types alone: gone after compilation. */
  typeOnly: boolean;
}

/** Rooms of the helper that an import may lead to, by the room that it comes from. A file of helper/ itself is a room alone. */
const HELPER_ROOMS: Record<string, string[]> = {
  kernel: ['kernel'],
  proc: ['proc'],
  reading: ['reading', 'kernel', 'proc'],
  host: ['host', 'kernel', 'proc', 'launcher', 'reading'],
  launcher: ['launcher', 'kernel'],
  stream: ['stream', 'kernel', 'launcher'],
  programs: ['programs', 'host', 'kernel', 'proc', 'launcher', 'stream', 'reading'],
  sandbox: ['sandbox', 'programs', 'host', 'kernel', 'proc', 'launcher', 'stream', 'reading'],
};
/** Files of helper/ itself that every room may use. */
const SHARED = [
  'helper/failure.ts',
  'helper/saying.ts',
  'helper/log.ts',
  'helper/dispatch.ts',
  'helper/longTimer.ts',
  'helper/lists.ts',
];
const SHARED_WITH_PARSERS = ['helper/lists.ts', 'helper/kernel/numbers.ts'];

/** What a sandbox may be asked to be is a room's own subject: of its schema the protocol's is made. */
const SPECIFICATION = 'helper/sandbox/specification/spec.ts';

/** Rooms of the sandbox: each may use those that stand with it, types included, and these stand before it. Files beside the rooms put them together. */
const SANDBOX_ROOMS: Record<string, string[]> = {
  specification: [],
  idMaps: [],
  seccomp: [],
  limits: ['specification'],
  network: ['specification'],
  hostFiles: ['specification'],
  images: ['idMaps', 'hostFiles'],
  saved: ['specification', 'limits'],
  plan: ['specification', 'idMaps', 'seccomp', 'limits', 'network', 'hostFiles', 'images'],
  steps: ['specification', 'idMaps', 'limits', 'network', 'hostFiles', 'images', 'saved', 'plan'],
  explain: ['specification', 'seccomp', 'saved', 'plan', 'steps'],
};

/**
 * Rooms of the extension, in the order in which they stand: each may use those before it, its types too. What stands beside the rooms
 * puts them together, and no room uses it.
 */
const EXTENSION_ROOMS = [
  'base',
  'plain',
  'connection',
  'model',
  'words',
  'changes',
  'documents',
  'programs',
  'panels',
  'trees',
  'commands',
];
/** Programs of their own, which know neither VS Code nor the rest. */
const OWN_PROGRAMS: Record<string, string[]> = {
  'extension/programs/attach.ts': ['helper/stream/frame.ts'],
  'extension/connection/askpass.ts': ['extension/connection/askpassFolder.ts'],
};

function isProtocol(file: string): boolean {
  return file.startsWith('helper/protocol/');
}

/** The list of requests, and the schemas in it: they would bring valibot along. */
function holdsSchemas(file: string): boolean {
  return file === 'helper/protocol/requests.ts' || file.startsWith('helper/protocol/schemas/');
}

/** What is wrong with an import, or undefined. */
function violation(one: Import): string | undefined {
  const [top = ''] = one.from.split('/');
  return packageViolation(one) ?? VIOLATIONS[top]?.(one);
}

/** By where the import stands. */
const VIOLATIONS: Record<string, (one: Import) => string | undefined> = {
  extension: extensionViolation,
  helper: helperViolation,
  webview: webviewViolation,
};

function packageViolation({ from, to }: Import): string | undefined {
  if (to === 'vscode' && !from.startsWith('extension/')) return 'only the extension knows VS Code';
  if (to === 'koffi' && !from.startsWith('helper/kernel/')) return 'only helper/kernel/ calls the C library';
  if (to.startsWith('@vscode/webview-ui-toolkit') && from !== 'webview/toolkit.ts')
    return 'only webview/toolkit.ts knows the toolkit';
  return undefined;
}

function webviewViolation({ to, typeOnly }: Import): string | undefined {
  return /^(extension|helper)\//.test(to) && !typeOnly ? 'a webview takes only types from others' : undefined;
}

function extensionViolation({ from, to, typeOnly }: Import): string | undefined {
  const uses = OWN_PROGRAMS[from];
  if (uses !== undefined)
    return to.startsWith('node:') || uses.includes(to) ? undefined : 'a program of its own knows nothing of the extension';
  if (to.startsWith('helper/') && !isProtocol(to)) return 'the extension knows only the protocol';
  if (holdsSchemas(to) && !typeOnly) return 'the extension takes only types of what checks requests';
  if (to.startsWith('webview/') && !/^webview\/(messages|\w+Messages)\.ts$/.test(to))
    return 'the extension knows only the messages';
  return to.startsWith('extension/') ? extensionRoomViolation(from, to) : undefined;
}

function helperViolation({ from, to }: Import): string | undefined {
  const [, room = ''] = from.split('/');
  if (/^(extension|webview)\//.test(to)) return 'the helper knows nothing of its clients';
  if (room === 'proc' && /^node:(fs|child_process|net)/.test(to)) return 'a parser does no I/O';
  if (room === 'sandbox' && to.startsWith('helper/sandbox/')) return sandboxRoomViolation(from, to);
  return to.startsWith('helper/') ? helperRoomViolation(room, to) : undefined;
}

function sandboxRoomViolation(from: string, to: string): string | undefined {
  const [roomOfFrom, roomOfTo] = [from, to].map((file) => roomInSandbox(file));
  if (roomOfFrom === undefined || roomOfFrom === roomOfTo) return undefined;
  if (roomOfTo === undefined) return `${from} does not use ${to}, which puts it together with others`;
  return SANDBOX_ROOMS[roomOfFrom]?.includes(roomOfTo) ? undefined : `${from} does not stand above ${to}`;
}

/** Undefined for a file beside the rooms. */
function roomInSandbox(file: string): string | undefined {
  const [, , room = ''] = file.split('/');
  return room.endsWith('.ts') ? undefined : room;
}

function extensionRoomViolation(from: string, to: string): string | undefined {
  const [, roomOfFrom = '', areaOfFrom = ''] = from.split('/');
  const [, roomOfTo = '', areaOfTo = ''] = to.split('/');
  // main.ts, and one for each view.
  if (roomOfFrom.endsWith('.ts')) return undefined;
  if (roomOfTo.endsWith('.ts')) return `${from} does not use ${to}, which puts it together with others`;
  if (EXTENSION_ROOMS.indexOf(roomOfTo) > EXTENSION_ROOMS.indexOf(roomOfFrom))
    return `extension/${roomOfFrom}/ stands below extension/${roomOfTo}/`;
  if (roomOfFrom !== 'commands' || roomOfTo !== 'commands') return undefined;
  // What stands beside the areas is for all of them.
  return areaOfTo.endsWith('.ts') || areaOfTo === areaOfFrom ? undefined : `${from} knows nothing of commands/${areaOfTo}/`;
}

function helperRoomViolation(room: string, to: string): string | undefined {
  if (room === 'protocol' && !isProtocol(to) && to !== SPECIFICATION) return 'the protocol knows nothing of its sides';
  const rooms = HELPER_ROOMS[room];
  if (rooms === undefined || isProtocol(to)) return undefined;
  const [, target = ''] = to.split('/');
  if ((room === 'proc' ? SHARED_WITH_PARSERS : SHARED).includes(to)) return undefined;
  if (target.endsWith('.ts')) return `helper/${room}/ does not use ${to}`;
  return rooms.includes(target) ? undefined : `helper/${room}/ stands below helper/${target}/`;
}

function importsOf(file: string, text: string): Import[] {
  const statement = /^(?:import|export)\s+(type\s)?(?:([^'";]*?)\sfrom\s+)?'([^']+)'/gm;
  // `import('…')`, which is a value or, after a colon or `typeof`, a type.
  const expression = /(\btypeof\s+|[:<]\s*)?\bimport\('([^']+)'\)/g;
  const made = (name: string, typeOnly: boolean) => ({
    from: file,
    to: name.startsWith('.') ? path.posix.join(path.posix.dirname(file), name) : name,
    typeOnly,
  });
  return [
    ...[...text.matchAll(statement)].map(([, type, names, name = '']) => made(name, type !== undefined || areTypes(names))),
    ...[...text.matchAll(expression)].map(([, type, name = '']) => made(name, type !== undefined)),
  ];
}

/** `{ type A, type B }`: with `verbatimModuleSyntax` the import itself stays, but nothing of the other file is used. */
function areTypes(names: string | undefined): boolean {
  const [, inside] = /^\{([^}]*)\}$/s.exec(names?.trim() ?? '') ?? [];
  const each = inside?.split(',').filter((name) => name.trim() !== '') ?? [];
  return each.length > 0 && each.every((name) => /^\s*type\s/.test(name));
}

const files = sourceFiles('extension', 'helper', 'webview');
const imports = files.flatMap((file) => importsOf(file, readFileSync(path.join(ROOT, file), 'utf8')));

test('every import stays within the rules for its room', () => {
  assert.ok(imports.length > 100, 'the sources were found');
  const broken = imports.flatMap((one) => {
    const why = violation(one);
    return why === undefined ? [] : [`${one.from} imports ${one.to}: ${why}`];
  });
  assert.deepEqual(broken, []);
});

test('every room there is has a rule', () => {
  const roomsOf = (folder: string) =>
    readdirSync(path.join(ROOT, folder), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  assert.deepEqual(roomsOf('extension'), [...EXTENSION_ROOMS].sort());
  assert.deepEqual(roomsOf('helper'), ['protocol', ...Object.keys(HELPER_ROOMS)].sort());
  assert.deepEqual(roomsOf('helper/sandbox'), Object.keys(SANDBOX_ROOMS).sort());
  const written = [...SHARED, ...Object.keys(OWN_PROGRAMS)];
  assert.deepEqual(
    written.filter((file) => !files.includes(file)),
    [],
    'no rule is about a file that is gone',
  );
});

test('a file of the extension is found by its name alone', () => {
  const names = files.map((file) => path.basename(file));
  const twice = files.filter((file) => names.filter((name) => name === path.basename(file)).length > 1);
  assert.deepEqual(
    twice.filter((file) => file.startsWith('extension/')),
    ['extension/main.ts'],
  );
});

test('the rooms of the sandbox are in their order', () => {
  const rooms = Object.keys(SANDBOX_ROOMS);
  for (const [room, below] of Object.entries(SANDBOX_ROOMS))
    for (const one of below) assert.ok(rooms.slice(0, rooms.indexOf(room)).includes(one), `${one} stands before ${room}`);
});

test('files import each other without a cycle, types included', () => {
  const graph = new Map<string, string[]>();
  for (const one of imports) graph.set(one.from, [...(graph.get(one.from) ?? []), one.to]);
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    assert.ok(!path.includes(file), `cycle: ${[...path, file].join(' → ')}`);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
});

test('an import that breaks a rule is noticed', () => {
  const planted: [file: string, text: string][] = [
    ['helper/proc/stat.ts', `import fs from 'node:fs';`],
    ['helper/kernel/nsfs.ts', `import { Host } from '../host/host.ts';`],
    ['helper/host/host.ts', `import * as vscode from 'vscode';`],
    ['helper/protocol/cgroups.ts', `import { Failure } from '../failure.ts';`],
    ['helper/host/host.ts', `import {\n  a,\n  b,\n} from '../programs/run.ts';`],
    ['extension/main.ts', `import { logError } from '../helper/log.ts';`],
    ['webview/page.ts', `import { PROTOCOL_VERSION } from '../helper/protocol.ts';`],
    ['webview/page.ts', `import '@vscode/webview-ui-toolkit';`],
    ['webview/page.ts', `const protocol = await import('../helper/protocol/host.ts');`],
    ['extension/model/liveHost.ts', `import { REQUESTS } from '../../helper/protocol/requests.ts';`],
    ['helper/sandbox/plan/planUser.ts', `import type { Steps } from '../steps/rootSteps.ts';`],
    ['helper/sandbox/seccomp/seccomp.ts', `import type { Ids } from '../idMaps/idMaps.ts';`],
    ['helper/sandbox/saved/saved.ts', `import type { Registry } from '../registry.ts';`],
    ['helper/protocol/layers.ts', `import { Failure } from '../failure.ts';`],
    ['extension/model/liveHost.ts', `import type { TreeNode } from '../trees/treeNode.ts';`],
    ['extension/panels/processPage.ts', `import { ProcessNode } from '../trees/processNode.ts';`],
    ['extension/plain/notify.ts', `import { showFailure } from '../words/failureMessage.ts';`],
    ['extension/trees/treeNode.ts', `import { activate } from '../main.ts';`],
    ['extension/base/ids.ts', `import { oneLine } from '../plain/plainText.ts';`],
    ['extension/programs/attach.ts', `import { Command } from '../base/commandIds.ts';`],
    ['extension/commands/host/copy.ts', `import { showStack } from '../layers/showStack.ts';`],
  ];
  for (const [file, text] of planted) {
    const [found] = importsOf(file, text);
    assert.ok(found !== undefined && violation(found) !== undefined, `${file}: ${text}`);
  }
});
