/** A simple field that is new in the definition of a sandbox's specification is in all that is made of it, and in the form, without a word more. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as v from 'valibot';
import { DEFINITIONS } from '../../helper/sandbox/specification/spec.ts';
import { sandboxFiles } from '../../scripts/sandboxFiles.mjs';
import type { Json, JsonObject, JsonSchema } from '../../webview/jsonSchema.ts';
import { valueAt } from '../../webview/sandboxDraft.ts';
import { canShow, type FormState, mistakesOf, type Placed, placed, valueOfText, withField } from '../../webview/sandboxForm.ts';
import { sectionsOf } from '../../webview/schemaFields.ts';

const optional = <const TSchema extends v.GenericSchema>(schema: TSchema, title: string, description: string) =>
  v.exactOptional(v.pipe(schema, v.title(title), v.description(description)));
const luck = optional(v.pipe(v.number(), v.integer(), v.minValue(-20), v.maxValue(19)), 'Luck', 'How much it has.');
const colour = optional(v.picklist(['red', 'green']), 'Colour', 'Of its row.');
const quiet = optional(v.boolean(), 'Quiet', 'Nothing is said.');
const tag = v.pipe(v.string(), v.regex(/^[a-z]+$/, 'it must be of small letters'));
const tags = optional(v.pipe(v.array(tag), v.maxLength(2)), 'Tags', 'For people.');
const share = optional(v.number(), 'Share', 'Of what there is.');
const rest = optional(v.record(v.string(), v.string()), 'The rest', 'Whatever else.');

const { PortForward, SandboxNetwork, SandboxProcess, SandboxSpec } = DEFINITIONS;
const [unlinked, linked] = SandboxNetwork.options;
const forward = v.strictObject({ ...PortForward.entries, tag: optional(tag, 'Tag', 'Of the port.') });
const process = v.strictObject({ ...SandboxProcess.entries, luck });
const network = v.variant('type', [
  unlinked,
  v.strictObject({ ...linked.entries, ports: v.exactOptional(v.array(forward)), mtu: optional(v.number(), 'MTU', 'Bytes.') }),
]);
const spec = v.strictObject({
  ...(SandboxSpec as unknown as { entries: v.ObjectEntries }).entries,
  process: v.exactOptional(process),
  network: v.exactOptional(network),
  ...{ colour, quiet, tags, share, rest },
});
const files: Record<string, string> = sandboxFiles({
  ...DEFINITIONS,
  SandboxSpec: spec,
  SandboxProcess: process,
  SandboxNetwork: network,
  PortForward: forward,
});
const schema = JSON.parse(files['media/sandbox.schema.json']!) as JsonSchema;
const SECTIONS = sectionsOf(schema);
const stateOf = (draft: JsonObject): FormState => ({ draft, kept: {}, privileged: true });
const shownIn = (draft: JsonObject) =>
  SECTIONS.flatMap(({ key, controls }) => placed(controls, stateOf(draft)).map((one) => ({ key, one })));
const find = (draft: JsonObject, id: string): Placed => shownIn(draft).find(({ one }) => one.id === id)!.one;

describe('a field that is new in the definition', () => {
  test('is accepted by the helper, within its bounds', () => {
    const accepted = { colour: 'red', quiet: true, tags: ['a'], process: { luck: -5 }, network: { type: 'veth', mtu: 9000 } };
    assert.ok(v.safeParse(spec, accepted).success);
    for (const wrong of [{ process: { luck: 20 } }, { colour: 'blue' }, { tags: ['A'] }, { network: { type: 'none', mtu: 1 } }])
      assert.ok(!v.safeParse(spec, wrong).success, JSON.stringify(wrong));
  });

  test('is in the types of the protocol, with what is said of it', () => {
    const types = files['helper/protocol/sandboxSpec.ts']!;
    const process = types.split('export ').find((one) => one.startsWith('interface SandboxProcess'));
    assert.match(process!, /\n {2}\/\*\* How much it has\. \*\/\n {2}luck\?: number;\n/);
    assert.match(types, /\n {2}colour\?: 'red' \| 'green';\n/);
    assert.match(types, /\n {2}tags\?: string\[\];\n/);
    assert.match(types, /\n {2}rest\?: Record<string, string>;\n/);
  });

  test('is in the schema that editors complete and check by', () => {
    assert.deepEqual(schema.properties?.process?.properties?.luck, {
      title: 'Luck',
      description: 'How much it has.',
      type: 'integer',
      minimum: -20,
      maximum: 19,
    });
    assert.deepEqual(schema.properties?.tags?.items, {
      type: 'string',
      pattern: '^[a-z]+$',
      patternErrorMessage: 'It must be of small letters.',
    });
  });

  test('is in the reference', () => {
    const reference = files['helper/sandbox/specification/SPECIFICATION.md']!.split('\n');
    assert.ok(reference.includes('| `luck` | whole number from -20 to 19 | How much it has. |'));
    assert.ok(reference.includes('| `colour` | `"red"`, `"green"` | Of its row. |'));
    assert.ok(reference.includes('| `mtu` | number | Bytes. |'));
  });
});

describe('in the form a field that is new in the definition', () => {
  test('stands after the one before it, with its title and what is said of it', () => {
    const ids = shownIn({ network: { type: 'veth' } }).map(({ key, one }) => `${key}: ${one.id}`);
    const after = (id: string) => ids[ids.indexOf(id) + 1];
    assert.equal(after('what: process.timeout'), 'what: process.luck');
    assert.deepEqual(
      ids.slice(ids.indexOf('what: persistent') + 1).filter((id) => id.startsWith('what')),
      ['colour', 'quiet', 'tags', 'share', 'rest'].map((id) => `what: ${id}`),
    );
    assert.equal(after('network: network.resolverOptions'), 'network: network.mtu');
    const { control } = find({}, 'process.luck');
    assert.deepEqual([control.title, control.hint], ['Luck', 'How much it has.']);
  });

  test('is written as what it is, and given back', () => {
    const written: [id: string, text: string, value: Json][] = [
      ['process.luck', '-5', -5],
      ['tags', 'a b', ['a', 'b']],
      ['share', '0.5', 0.5],
    ];
    for (const [id, text, value] of written) {
      const one = find({}, id);
      assert.deepEqual(valueOfText(one, {}, text), value);
      const draft = withField({}, one.path, value);
      assert.ok(canShow(one, value));
      assert.deepEqual([mistakesOf(stateOf(draft), SECTIONS, schema), valueAt(draft, one.path)], [[], value]);
    }
    const choices = ['colour', 'quiet'].map((id) => find({}, id).control);
    assert.deepEqual(
      choices.map((control) => control.type === 'choice' && control.choices),
      [
        { default: undefined, red: 'red', green: 'green' },
        { default: undefined, true: true, false: false },
      ],
    );
    assert.equal(find({}, 'rest').control.type, 'json');
  });

  test('says what is wrong in the words of the definition, or of its bounds', () => {
    const draft = { process: { luck: 20 }, tags: ['A'], share: 'half', rest: '{' };
    assert.deepEqual(mistakesOf(stateOf(draft), SECTIONS, schema), [
      { id: 'process.luck', texts: ['whole'], values: [-20, 19] },
      { id: 'tags', texts: ['words'], values: [], words: 'It must be of small letters.' },
      { id: 'share', texts: ['text'], values: [] },
      { id: 'rest', texts: ['json'], values: [] },
    ]);
  });

  test('is not shown where its object is of another kind, and is in each item of a list', () => {
    assert.ok(!shownIn({ network: { type: 'host' } }).some(({ one }) => one.id === 'network.mtu'));
    const ports = find({ network: { type: 'veth' } }, 'network.ports').control;
    assert.ok(ports.type === 'list');
    const last = ports.item.at(-1)!;
    assert.deepEqual([last.type, last.path, last.title], ['line', ['tag'], 'Tag']);
  });
});
