/** media/sandbox.schema.json, by which an editor completes and checks `*.sandbox.json`, against the schema of the helper. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import * as v from 'valibot';
import { bytesOf } from '../../helper/sandbox/size.ts';
import { sandboxSpec } from '../../helper/sandbox/spec.ts';
import type { JsonSchema } from '../../webview/jsonSchema.ts';

/** The parts of a valibot schema that this looks at. */
interface Schema {
  type: string;
  entries?: Record<string, Schema>;
  options?: (Schema | string)[];
  literal?: unknown;
  item?: Schema;
  value?: Schema;
  wrapped?: Schema;
  pipe?: { type: string; requirement?: unknown }[];
}

const ROOT = path.resolve(import.meta.dirname, '../..');
const published = JSON.parse(readFileSync(path.join(ROOT, 'media/sandbox.schema.json'), 'utf8')) as JsonSchema;

/** Every difference between the two, with where it is. */
function differences(schema: Schema, json: JsonSchema, where: string): string[] {
  const found: string[] = [];
  const same = (what: string, ours: unknown, theirs: unknown) => {
    if (JSON.stringify(ours) !== JSON.stringify(theirs))
      found.push(`${where}: ${what} ${JSON.stringify(ours)}, ${JSON.stringify(theirs)}`);
  };
  const requirement = (type: string) => schema.pipe?.find((action) => action.type === type)?.requirement;
  switch (schema.type) {
    case 'strict_object': {
      const entries = Object.entries(schema.entries ?? {});
      same(
        'properties',
        entries.map(([key]) => key),
        Object.keys(json.properties ?? {}),
      );
      const required = entries.filter(([, entry]) => entry.type !== 'exact_optional').map(([key]) => key);
      same('required', required, json.required ?? []);
      same('others', false, json.additionalProperties);
      for (const [key, entry] of entries) {
        const below = json.properties?.[key];
        if (below !== undefined) found.push(...differences(entry.wrapped ?? entry, below, `${where}.${key}`));
      }
      break;
    }
    case 'variant':
    case 'union': {
      same('choices', schema.options?.length, json.anyOf?.length);
      schema.options?.forEach((option, index) => {
        found.push(...differences(option as Schema, json.anyOf?.[index] ?? {}, `${where}|${index}`));
      });
      break;
    }
    case 'picklist':
      same('values', schema.options, json.enum);
      break;
    case 'literal':
      same('value', schema.literal, json.const);
      break;
    case 'array':
      same('least', requirement('min_length'), json.minItems);
      same('most', requirement('max_length'), json.maxItems);
      found.push(...differences(schema.item!, json.items ?? {}, `${where}[]`));
      break;
    case 'record':
      found.push(...differences(schema.value!, json.additionalProperties || {}, `${where}.*`));
      break;
    case 'number':
      same('least', requirement('min_value'), json.minimum);
      same('most', requirement('max_value'), json.maximum);
      break;
    default:
      same('type', schema.type, json.type);
  }
  return found;
}

test('the published schema has the fields, choices and bounds of the helper’s', () => {
  assert.deepEqual(differences(sandboxSpec as unknown as Schema, published, 'spec'), []);
});

test('a field that is missing in it, or a value, is noticed', () => {
  const broken = structuredClone(published);
  delete broken.properties?.hostname;
  broken.properties!.changeRoot!.enum = ['pivot_root'];
  assert.equal(differences(sandboxSpec as unknown as Schema, broken, 'spec').length, 2);
});

test('every field that a person may write is described', () => {
  const undescribed = Object.entries(published.properties ?? {}).filter(
    ([key, { description }]) => key !== '$schema' && description === undefined,
  );
  assert.deepEqual(undescribed, []);
});

test('where a pattern is not met, an editor says what to write', () => {
  const wordless: string[] = [];
  const look = (json: JsonSchema, where: string) => {
    if (json.pattern !== undefined && json.patternErrorMessage === undefined) wordless.push(where);
    for (const [key, one] of Object.entries(json.properties ?? {})) look(one, `${where}.${key}`);
    for (const one of json.anyOf ?? []) look(one, `${where}|`);
    if (json.items !== undefined) look(json.items, `${where}[]`);
  };
  look(published, 'spec');
  assert.deepEqual(wordless, []);
});

test('patterns of the published schema accept what the helper accepts', () => {
  const veth = published.properties?.network?.anyOf?.[1]?.properties;
  const samples: [field: JsonSchema | undefined, good: string[], bad: string[]][] = [
    [published.properties?.name, ['a', 'A.b-c_9'], ['', '.a', 'a b', 'a/b', '../x']],
    [published.properties?.hostname, ['a.example'], ['', '-x', 'a b']],
    [
      veth?.address6,
      ['fd00:77::2/64', 'FD00::1.2.3.4/127', '2001:db8::1/1'],
      ['fd00::2', 'fe80::2/64', 'ff02::2/64', 'fd00::2/128', 'fd00::2%a/64'],
    ],
    [veth?.gateway6, ['fd00:77::1', '1:2:3:4:5:6:7:8'], ['fd00::1/64', '10.77.1.1', 'FEBF::1', '']],
    [veth?.ports?.items?.properties?.hostAddress, ['127.0.0.1', '::', '::1'], ['', '1.2.3', 'fe80::1%eth0']],
  ];
  for (const [field, good, bad] of samples) {
    const pattern = new RegExp(field?.pattern ?? 'none');
    for (const text of good) assert.match(text, pattern);
    for (const text of bad) assert.doesNotMatch(text, pattern);
  }
});

test('a specification that is not one is refused, with where', () => {
  const wrong: [unknown, string][] = [
    [{ root: { type: 'nowhere' } }, 'root.type'],
    [{ nonsense: 1 }, 'nonsense'],
    [{ mounts: [{ destination: 'relative', type: 'tmpfs' }] }, 'mounts.0.destination'],
    [{ process: { args: [] } }, 'process.args'],
    [{ process: { args: ['a\0b'] } }, 'process.args.0'],
    [{ process: { env: { 'A=B': 'c' } } }, 'process.env'],
    [{ name: '../x' }, 'name'],
    [{ network: { type: 'veth', address: '10.0.0.300/24' } }, 'network.address'],
    [{ network: { type: 'veth', address6: 'fe80::2/64' } }, 'network.address6'],
    [{ network: { type: 'veth', gateway6: 'fd00::1%eth0' } }, 'network.gateway6'],
    [
      { network: { type: 'veth', ports: [{ hostAddress: 'fe80::1%eth0', hostPort: 1, containerPort: 1 }] } },
      'network.ports.0.hostAddress',
    ],
  ];
  for (const [spec, where] of wrong) {
    const result = v.safeParse(sandboxSpec, spec);
    assert.ok(!result.success, JSON.stringify(spec));
    assert.equal(v.getDotPath(result.issues[0]), where);
  }
  assert.ok(v.safeParse(sandboxSpec, { network: { type: 'veth', address: '10.77.1.2/24' } }).success);
});

test('sizes are as mount(8) writes them', () => {
  assert.deepEqual(['1', '64K', '512m', '1G', 7].map(bytesOf), [1, 65_536, 536_870_912, 1_073_741_824, 7]);
});
