/** What the helper tells people is a code with arguments; the sentences stand once, in helper/protocol/texts/. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { Node } from 'typescript/unstable/ast';
import {
  isCallExpression,
  isImportDeclaration,
  isLiteralTypeNode,
  isNewExpression,
  isNoSubstitutionTemplateLiteral,
  isStringLiteral,
  isTemplateExpression,
} from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';
import { renderSaid, type Said, TEXTS, type TextCode } from '../../helper/protocol/sentences.ts';
import { english, said } from '../../helper/saying.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Named, since it is not found by who has been bundled. */
const COMPILER = path.join(ROOT, `node_modules/@typescript/typescript-linux-${process.arch}/lib/tsc`);
const CATALOGUE = 'helper/protocol/texts';
const SENTENCES = Object.entries(TEXTS) as [TextCode, string][];

test('a sentence has places from the first on, none left out', () => {
  for (const [code, sentence] of SENTENCES) {
    const places = new Set([...sentence.matchAll(/\{(\d+)\}/g)].map(([, index]) => Number(index)));
    assert.deepEqual([...places].sort(), [...places.keys()].map((_, index) => index).sort(), code);
  }
});

test('a code is in the file of one area, and told somewhere', () => {
  const written = readdirSync(path.join(ROOT, CATALOGUE)).flatMap((file) => {
    const text = readFileSync(path.join(ROOT, CATALOGUE, file), 'utf8');
    return [...text.matchAll(/^ {2}(\w+):/gm)].map(([, code]) => code!);
  });
  assert.deepEqual(written.toSorted(), SENTENCES.map(([code]) => code).toSorted());
  const sources = sourceFiles('helper').filter((file) => !file.startsWith(CATALOGUE));
  const told = new Set(sources.flatMap((file) => readFileSync(path.join(ROOT, file), 'utf8').match(/'\w+'/g) ?? []));
  assert.deepEqual(
    written.filter((code) => !told.has(`'${code}'`)),
    [],
  );
});

test('a code is told with as many arguments as its sentence has places for, or it does not compile', () => {
  assert.deepEqual(said('processHasEnded', 7), { code: 'processHasEnded', args: [7] });
  assert.deepEqual(said('refreshView'), { code: 'refreshView' });
  // @ts-expect-error one is lacking
  said('processHasEnded');
  // @ts-expect-error one too many
  said('refreshView', 7);
  // @ts-expect-error there is no such code
  said('nonsense');
  // @ts-expect-error of two codes, of which one is chosen, one has another number
  said(SENTENCES.length > 0 ? 'processHasEnded' : 'refreshView', 7);
});

test('lists, numbers and sentences are put into a sentence', () => {
  const ended = said('processHasEnded', 7);
  assert.equal(english(said('sentences', ended, said('refreshView'))), 'Process 7 has ended. Refresh the view.');
  assert.equal(english(said('bothOf', ['a', 'b'], said('theNamespace', 'net'))), 'a, b and the net namespace');
  assert.equal(english(said('bothOf', '{1}', '{0}')), '{1} and {0}', 'what is put in is not read as a place');
});

test('whatever another helper sends in its place is shown as text', () => {
  const shown = (value: unknown) => renderSaid(value, (sentence, texts) => english({ ...said('sentences', sentence, texts) }));
  assert.equal(shown('It is gone.'), 'It is gone.');
  assert.equal(shown({ code: 'noSuchCode', args: ['a', 1] }), 'noSuchCode a 1');
  for (const code of ['__proto__', 'constructor', 'toString', '', 7, null, undefined, {}]) {
    assert.equal(typeof shown({ code }), 'string');
  }
  for (const args of ['text', 7, null, {}, [null], [undefined], [{}], [[[]]], [{ code: 'nothing', args: {} }], Array(1000)]) {
    assert.equal(typeof shown({ code: 'processHasEnded', args }), 'string');
  }
  assert.equal(english({ code: 'processHasEnded' }), 'Process {0} has ended.');
  let deep: Said = said('refreshView');
  for (let level = 0; level < 1000; level += 1) deep = said('sentences', deep, '');
  assert.ok(english(deep).startsWith('…'));
});

// ---------------------------------------------------------------------------------------------------------------------
// Sentences elsewhere

/** Two words in a row, as no name, number or option is written. */
const ENGLISH = /[A-Za-z]{2,}[,;:]? [a-zA-Z{"(]|\} [a-z]{2,}|[a-z]{2} \{/;

/** Whole files and folders whose words are not for people, or stand there once already. */
const OTHERS_WORDS = new RegExp(
  [
    `^${CATALOGUE}/`,
    // Declarations of the C library, and the kernel's own words.
    '^helper/kernel/',
    '^helper/proc/',
    // What a schema accepts is said with it: it is published, the documentation is made of it, and a refusal has it as an argument.
    '^helper/protocol/schemas/',
    '^helper/sandbox/specification/spec\\.ts$',
    // Of the wire itself, for who writes a client.
    '^helper/(?:framing|main)\\.ts$',
    '^helper/stream/frame\\.ts$',
    // Names of system calls.
    '^helper/sandbox/seccomp/seccompDefault\\.ts$',
  ].join('|'),
);
/** Errors that nobody is meant to see, and the log. */
const INTERNAL = /^(?:log|logError|super|process\.stderr\.write|(?:new )?(?:Type|Range)?Error)$/;
/** Arguments of a system call as strace(1) shows them: which descriptor, what is in a structure. */
const OF_CALLS = /(?:^|\.)(?:descriptor|bytes|integer|vectors|libcFunction)$/;
/** What else is no sentence, by the file. */
const NO_SENTENCES: Readonly<Record<string, readonly RegExp[]>> = {
  // Commands for a shell, and what stands in files.
  'helper/host/cgroups/directory.ts': [/^cgroup -o /],
  'helper/programs/explain.ts': [/^sudo nsenter$/, /^<path of /],
  'helper/programs/identity.ts': [/^exec /],
  'helper/sandbox/explain/equivalents.ts': [/^sudo unshare$/, /^mount -t /],
  'helper/sandbox/explain/ociBundle.ts': [/^(?:unshare --mount|exec|mount -t|mkdir -p) /],
  'helper/sandbox/plan/nameFiles.ts': [/^::1\t/, /^nameserver /],
  'helper/host/engines/imageConfig.ts': [/^RUN /],
  // Files of cgroups, as the kernel writes and takes them.
  'helper/host/cgroups/figures.ts': [/^domain /],
  'helper/host/cgroups/putBack.ts': [/^\{0\} (?:default|rbps=max|target=max)/],
  'helper/host/cgroups/sections.ts': [/^cgroup\.freeze /],
  // Names that are kept by: keys, how a launcher's program is laid out, a field of a specification.
  'helper/host/layers/fileRequests.ts': [/ data /],
  'helper/host/watcher.ts': [/^(?:look|zombie) /],
  'helper/launcher/launch.ts': [/^signal /],
  'helper/launcher/program.ts': [/^strings? /],
  'helper/protocol/capabilities.ts': [/^[A-Z_ ]+$/],
  'helper/sandbox/specification/specPaths.ts': [/^mounts: /],
  // A system call as strace(1) shows it.
  'helper/launcher/text.ts': [/^clone3\(/, /^prctl\(/, /^\/\* in the end/, /^result of step /, /^\[\/\* /],
  'helper/sandbox/steps/networkSteps.ts': [/^\{(?:RTM_|default via )/],
  // What a thread that is given up is told by, which nobody hears.
  'helper/reading/answering.ts': [/^the thread was given up$/],
  // The description of a unit of systemd, which is made once for all.
  'helper/sandbox/limits/ownScope.ts': [/^Isoscope and its sandboxes$/],
};

function wordsOf(node: Node): string | undefined {
  if (isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (!isTemplateExpression(node)) return undefined;
  return node.templateSpans.reduce((text, { literal }, index) => `${text}{${index}}${literal.text}`, node.head.text);
}

function isForPeople(node: Node): boolean {
  for (let at: Node | undefined = node.parent; at !== undefined; at = at.parent) {
    if (isImportDeclaration(at) || isLiteralTypeNode(at)) return false;
    const called = isCallExpression(at) || isNewExpression(at) ? at.expression.getText() : undefined;
    if (called !== undefined && (INTERNAL.test(called) || OF_CALLS.test(called))) return false;
  }
  return true;
}

test('no English sentence stands elsewhere in the helper', () => {
  const config = path.join(ROOT, 'tsconfig.json');
  const api = new API({ cwd: ROOT, tsserverPath: COMPILER });
  try {
    const { program } = api.updateSnapshot({ openProjects: [config] }).getProject(config)!;
    const found: string[] = [];
    for (const file of sourceFiles('helper').filter((name) => !OTHERS_WORDS.test(name))) {
      const allowed = NO_SENTENCES[file] ?? [];
      const visit = (node: Node): void => {
        const words = wordsOf(node);
        const isSentence = words !== undefined && ENGLISH.test(words) && !allowed.some((pattern) => pattern.test(words));
        if (isSentence && isForPeople(node)) found.push(`${file}: ${words}`);
        node.forEachChild(visit);
      };
      visit(program.getSourceFile(path.join(ROOT, file))!);
    }
    assert.deepEqual(found, []);
  } finally {
    api.close();
  }
});
