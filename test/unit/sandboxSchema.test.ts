/** The definition of a sandbox's specification, and what is made of it: media/sandbox.schema.json, by which an editor completes and checks `*.sandbox.json`. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import * as v from 'valibot';
import { bytesOf } from '../../helper/sandbox/specification/size.ts';
import { DEFINITIONS, sandboxSpec } from '../../helper/sandbox/specification/spec.ts';
import { sandboxFiles } from '../../scripts/sandboxFiles.mjs';
import { sandboxSchema } from '../../scripts/sandboxSchema.mjs';
import type { JsonSchema } from '../../webview/jsonSchema.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const published = JSON.parse(readFileSync(path.join(ROOT, 'media/sandbox.schema.json'), 'utf8')) as JsonSchema;

test('what is made of the definition is as the definition has it: else run scripts/sandboxSpec.mjs', () => {
  for (const [file, text] of Object.entries(sandboxFiles(DEFINITIONS)))
    assert.equal(readFileSync(path.join(ROOT, file), 'utf8'), text, file);
});

test('what the published schema cannot say is refused, and not let go', () => {
  const published = (field: v.GenericSchema) => sandboxSchema(v.strictObject({ field }));
  assert.throws(() => published(v.date()), /date is in no JSON schema/);
  assert.throws(() => published(v.pipe(v.string(), v.email())), /email is in no JSON schema/);
  assert.throws(() => published(v.pipe(v.string(), v.regex(/a/))), /nothing is said where a is not met/);
  assert.throws(() => published(v.pipe(v.string(), v.regex(/a/i, 'it must be a'))), /cannot be published with its flags/);
  assert.throws(
    () => published(v.pipe(v.string(), v.startsWith('/', 'it must'), v.regex(/a$/, 'it must'))),
    /a\$ cannot be published beside \^\//,
  );
});

test('every field that a person may write is described', () => {
  const undescribed: string[] = [];
  const look = (json: JsonSchema, where: string) => {
    for (const [key, one] of Object.entries(json.properties ?? {})) {
      if (one.description === undefined) undescribed.push(`${where}.${key}`);
      look(one, `${where}.${key}`);
    }
    for (const one of json.anyOf ?? []) look(one, where);
    if (json.items !== undefined) look(json.items, `${where}[]`);
  };
  look(published, 'spec');
  assert.deepEqual(undescribed, []);
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

test('the helper does not carry what is said of fields, which it says to nobody', () => {
  const helper = readFileSync(path.join(ROOT, 'dist/helper.js'), 'utf8');
  assert.ok(helper.includes('it must be like 10.77.1.2/24'));
  const descriptions = [...JSON.stringify(published).matchAll(/"description":("(?:[^"\\]|\\.)*")/g)].map(
    ([, text]) => JSON.parse(text!) as string,
  );
  assert.ok(descriptions.length > 100);
  assert.deepEqual(
    descriptions.filter((text) => text.length > 20 && helper.includes(text)),
    [],
  );
});
