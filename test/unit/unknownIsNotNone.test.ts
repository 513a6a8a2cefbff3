/**
 * Unknown is never shown as none. Every sentence of the extension that may say that there is none of something is taken from its sources; then the whole
 * extension runs with a helper that may read next to nothing, every row is drawn and every command run, and none of those sentences may be shown.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Method } from '../../helper/protocol/requests.ts';
import { unlessRunsTypescript } from '../fixtures/environment.ts';
import type { HostileHelper } from '../fixtures/hostileHelper.ts';
import { sourceFiles } from '../fixtures/sourceFiles.ts';
import { UNKNOWN_FACTS, UNKNOWN_LISTS } from '../fixtures/unknownAnswers.ts';
import { bench } from '../fixtures/vscodeStandIn.ts';
import { commands, drawRows, run, runCommand, until, whatItNames } from '../fixtures/wholeExtension.ts';

const { View } = await import('../../extension/base/ids.ts');

const ROOT = path.resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const NONE = /\b(no|none|nothing|nobody|empty|not any|never|without)\b/i;

/** What a person may choose or type is in these; whether something is there is not. */
const OF_CHOICES = ['panels/sandboxFormTexts.ts', 'programs/sandboxQuestions.ts', 'changes/cgroupInput.ts'];

/** Texts that speak of none of something. */
function sentences(): string[] {
  const literal = /l10n\s*\.t\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g;
  const own = sourceFiles('extension')
    .filter((file) => !OF_CHOICES.some((one) => file.endsWith(one)))
    .flatMap((file) =>
      [...read(file).matchAll(literal)].map(([, single, double, template]) => single ?? double ?? template ?? ''),
    );
  const texts = JSON.parse(read('package.nls.json')) as Record<string, string>;
  const welcomes = Object.entries(texts).flatMap(([key, text]) => (key.endsWith('.none') ? [text.split('\n')[0] ?? ''] : []));
  return [...new Set([...own, ...welcomes])].map((text) => text.replaceAll(/\\(.)/g, '$1')).filter((text) => NONE.test(text));
}

/** Those that are true whatever may be read, with the reason. */
const TRUE_ANYWAY: [RegExp, why: string][] = [
  [/unknown|in sight|can be seen/, 'it says that there may be what cannot be seen'],
  [/^There is no change of a cgroup left to undo\.$/, 'the window itself made the changes'],
  [/^It is in no sandbox\./, 'sandboxes are of the own user, who may read what is noted of them'],
  [/^Process \{0\} is in no container\./, 'it is said of a process that stands in the list, with what that told'],
  [/^It has mounts of its own and is at their root/, 'the kernel tells at which root it is'],
  [/which is never opened/, 'it is about what Isoscope does'],
  [/^Nothing was (started|written)/, 'it is about what Isoscope did'],
];

/** What a question asks for is no statement. */
const QUESTIONS = new Set(['placeholder', 'prompt', 'question', 'button', 'validation']);

function claims(): string[] {
  return sentences().filter((text) => !TRUE_ANYWAY.some(([one]) => one.test(text)));
}

/** The sentence with whatever values in it. */
function pattern(text: string): RegExp {
  const escaped = text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/\\\{\d+\\\}/g, '.*');
  return new RegExp(`^${escaped}$`, 's');
}

/** What was shown, and says that there is none; or that there are 0. */
function shownClaims(): string[] {
  const all = claims().map((text) => pattern(text));
  return bench.shown
    .filter(({ where }) => !QUESTIONS.has(where))
    .flatMap(({ where, text }, at) => {
      const parts = text.split(/ · |\n/);
      const isClaim = [text, ...parts].some((part) => all.some((claim) => claim.test(part)) || /^0 [a-z]/.test(part));
      return isClaim ? [`${where}: ${text.slice(0, 200)} (after: ${bench.shown[at - 1]?.text.slice(0, 60)})`] : [];
    });
}

test('the sentences that may say none are found', () => {
  const found = claims();
  assert.ok(found.length > 40, `${found.length}`);
  for (const text of [
    'none',
    'No overlay mount',
    'no process',
    'No container runs on this host.',
    'Nothing runs in a sandbox.',
  ])
    assert.ok(found.includes(text), text);
  for (const [pattern] of TRUE_ANYWAY)
    assert.ok(
      sentences().some((text) => pattern.test(text)),
      String(pattern),
    );
});

test('every fact and list that the protocol has as unknown is unknown in the answers here', () => {
  const sources = sourceFiles('helper/protocol').map(read).join('\n');
  const types = sources.replaceAll(/\/\*\*[\s\S]*?\*\//g, '');
  const named = [...types.matchAll(/\b(\w+)\??: (?:Figure<|[^;{}]*(?:\{[^{}]*\}[^;{}]*)?\bUnknown\b)/g)].map(
    ([, name = '']) => name,
  );
  const unknown = new Set<string>();
  const visit = (value: unknown, key: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('unknown' in value) unknown.add(key);
    for (const [name, one] of Object.entries(value)) visit(one, Array.isArray(value) ? key : name);
  };
  for (const answers of [UNKNOWN_FACTS, UNKNOWN_LISTS]) visit(answers, '');
  assert.ok(named.length > 60);
  assert.deepEqual(
    [...new Set(named)].filter((name) => !unknown.has(name)),
    [],
  );
});

const LISTS: Method[] = [
  'processes/list',
  'containers/list',
  'namespaces/list',
  'cgroups/list',
  'layers/list',
  'sandboxes/list',
];
const STATES: [title: string, helper: HostileHelper][] = [
  ['when facts are unknown', { text: 'plain', unknown: 'facts' }],
  ['when lists are not whole', { text: 'plain', unknown: 'lists' }],
  ['when everything is refused', { text: 'plain', refuse: 'permission' }],
  ...LISTS.map((only): [string, HostileHelper] => [
    `when ${only} is refused`,
    { text: 'plain', unknown: 'facts', refuse: 'permission', only },
  ]),
];

for (const [title, helper] of STATES) {
  test(`nothing is said to be none ${title}`, { timeout: 120_000, skip: unlessRunsTypescript }, async () => {
    using _extension = run(helper);
    await until('the helper', () => bench.context.get('isoscope.state') === 'ready');
    await until('the host', async () => {
      await Promise.all([...bench.views.values()].map((view) => view.getChildren()));
      const states = Object.values(View).map((id) => bench.context.get(id.replace('.', '.list.')));
      return states.every((state) => state !== undefined && state !== 'reading');
    });
    const rows = await drawRows();
    const firsts = [...new Map(rows.map((row) => [whatItNames(row), row])).values()];
    for (const id of commands)
      for (const given of [undefined, ...firsts]) await runCommand(id, given === undefined ? [] : [given]);
    await drawRows();
    for (const id of Object.values(View)) assert.notEqual(bench.context.get(id.replace('.', '.list.')), 'none', id);
    assert.deepEqual([...new Set(shownClaims())], []);
  });
}
