/** The sandbox form against the schema of what it fills in, and that it loses nothing of a specification. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import * as v from 'valibot';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { sandboxSpec } from '../../helper/sandbox/specification/spec.ts';
import { isObject, type Json, type JsonObject, type JsonSchema, placeAt } from '../../webview/jsonSchema.ts';
import { isSame, valueAt, withItem, withSwapped, withValue } from '../../webview/sandboxDraft.ts';
import { type Control, NOT_IN_FORM } from '../../webview/sandboxFields.ts';
import {
  canShow,
  choose,
  controlOf,
  type FormState,
  isSectionShown,
  itemsOf,
  jsonOf,
  mistakesOf,
  type Placed,
  placed,
  summaryOf,
  textOf,
  valueOfText,
  withField,
  withOwn,
} from '../../webview/sandboxForm.ts';
import { sectionsOf } from '../../webview/schemaFields.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const schema = JSON.parse(readFileSync(path.join(ROOT, 'media/sandbox.schema.json'), 'utf8')) as JsonSchema;
const SECTIONS = sectionsOf(schema);
/** The form's texts are asked of VS Code, which is not here: their names are read from the source. */
const TEXTS = new Set(
  [...readFileSync(path.join(ROOT, 'extension/panels/sandboxFormTexts.ts'), 'utf8').matchAll(/^ {4}'?([\w.]+)'?: /gm)].map(
    ([, name]) => name!,
  ),
);

function stateOf(spec: SandboxSpec): FormState {
  return { draft: spec as JsonObject, kept: {}, privileged: true };
}

/** Every control that is shown for a specification, wherever it is. */
function shownIn(state: FormState): Placed[] {
  const below = (controls: readonly Control[], base: (string | number)[]): Placed[] =>
    placed(controls, state, base).flatMap((one) => {
      const { control } = one;
      if (control.type !== 'list') return [one];
      return [one, ...itemsOf(state, one).flatMap((_, index) => below(control.item, [...one.path, index]))];
    });
  return SECTIONS.filter((section) => isSectionShown(section, state)).flatMap(({ controls }) => below(controls, []));
}

function find(state: FormState, id: string): Placed {
  const found = shownIn(state).find((one) => one.id === id);
  assert.ok(found, `no control ${id}`);
  return found;
}

// ---------------------------------------------------------------------------------------------------------------------
// Schema and form

/** Places where a value stands that is no object with fields of its own, `[]` for an item of a list of objects. */
function leavesOf(json: JsonSchema, at: string): string[] {
  const choices = json.anyOf ?? [json];
  const below = choices.flatMap((one) => {
    if (one.properties !== undefined) {
      return Object.entries(one.properties).flatMap(([key, field]) => leavesOf(field, at === '' ? key : `${at}.${key}`));
    }
    return one.items?.properties === undefined ? [at] : leavesOf(one.items, `${at}[]`);
  });
  return [...new Set(below)];
}

function constantsOf(value: Json | undefined, at: string): string[] {
  if (!isObject(value)) return [at];
  return [at, ...Object.entries(value).flatMap(([key, one]) => (Array.isArray(one) ? [] : constantsOf(one, `${at}.${key}`)))];
}

/** The places that a control is for; one with `*` at its end is for everything below. */
function placesOf(control: Control, base: string): string[] {
  const at = `${base}${control.path.join('.')}`;
  switch (control.type) {
    case 'list':
      return control.item.flatMap((item) => placesOf(item, `${at}[].`));
    case 'choice':
      return Object.values(control.choices).flatMap((value) => constantsOf(value, at));
    case 'json':
    case 'kinds':
      return [at, `${at}*`];
    default:
      return [at];
  }
}

/** Every control, those of items included, with the place that it is for: `[]` for an item of a list. */
function everyControl(controls: readonly Control[], base = ''): { control: Control; at: string }[] {
  return controls.flatMap((control) => {
    const at = `${base}${control.path.join('.')}`;
    return [{ control, at }, ...(control.type === 'list' ? everyControl(control.item, `${at}[].`) : [])];
  });
}

/** The values that the schema names for a place; undefined where it names none. */
function valuesOf(at: string): unknown[] | undefined {
  const path = at.replace('[]', '.0').split('.');
  return placeAt(
    schema,
    undefined,
    path.map((key) => (key === '0' ? 0 : key)),
  )?.schema.enum;
}

/** The names of the texts that controls need, those of items included. */
function* textsFor(controls: readonly Control[], base: readonly (string | number)[] = []): Generator<string> {
  for (const control of controls) {
    const names = [...base, ...control.path, ...(control.part === undefined ? [] : [control.part])];
    const label = names.join('.');
    // What was made of the schema is called by its title.
    if (control.type !== 'kinds' && control.title === undefined) yield label;
    if (control.hint !== undefined && control.title === undefined) yield control.hint;
    if (control.type === 'line') yield `mistake.${control.mistake ?? control.notation}`;
    if (control.type === 'optionLine') yield `mistake.${control.mistake}`;
    if (control.type !== 'list') continue;
    yield `${label}.add`;
    yield `${label}.item`;
    yield* textsFor(control.item, names);
  }
}

describe('the form and the schema', () => {
  const places = SECTIONS.flatMap(({ controls }) => controls.flatMap((control) => placesOf(control, '')));
  const isFor = (place: string, leaf: string) => place === leaf || (place.endsWith('*') && leaf.startsWith(place.slice(0, -1)));

  test('each field of the schema has a control, or is named with the reason why not', () => {
    const lacking = leavesOf(schema, '').filter((leaf) => !places.some((place) => isFor(place, leaf)));
    assert.deepEqual(lacking, Object.keys(NOT_IN_FORM));
  });

  test('each control is for a field of the schema, and offers each of its values', () => {
    const leaves = leavesOf(schema, '');
    for (const { control, at } of SECTIONS.flatMap(({ controls }) => everyControl(controls))) {
      assert.ok(
        leaves.some((leaf) => leaf === at || leaf.startsWith(`${at}.`) || leaf.startsWith(`${at}[]`)),
        at,
      );
      const values = valuesOf(at);
      if (control.type !== 'choice' || values === undefined) continue;
      const offered = Object.values(control.choices).filter((value) => value !== undefined);
      assert.deepEqual(offered.toSorted(), values.toSorted(), at);
    }
  });

  test('each control has a name, each list its words, and each mistake says what to do', () => {
    const wanted = SECTIONS.flatMap(({ key, controls }) => [`section.${key}`, ...textsFor(controls)]);
    const lacking = wanted.filter((name) => !TEXTS.has(name));
    assert.deepEqual(lacking, []);
  });
});

// ---------------------------------------------------------------------------------------------------------------------
// What is there stays

const NET = { kind: 'net', dev: 4, ino: 4_026_531_840 } as const;
const FULL: SandboxSpec = {
  $schema: 'https://example.org/sandbox.schema.json',
  name: 'full',
  root: { type: 'directory', path: 'rootfs', access: 'overlay', upper: '/srv/changes', idmap: true },
  changeRoot: 'pivot_root',
  oldRoot: '/old',
  namespaces: {
    user: 'new',
    mnt: 'new',
    pid: { sandbox: 'other' },
    ipc: { process: { pid: 7, startTime: 9 } },
    cgroup: { namespace: { ...NET, kind: 'cgroup' } },
    uts: 'new',
    time: 'new',
  },
  idMappings: {
    uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
    gidMappings: [
      { containerID: 0, hostID: 100_000, size: 10 },
      { containerID: 10, hostID: 200_000, size: 1 },
    ],
  },
  timeOffsets: { monotonic: -5, boottime: 86_400 },
  hostname: 'inside',
  proc: 'own',
  dev: 'host',
  mounts: [
    { type: 'bind', source: '/srv/data', destination: '/data', options: ['ro', 'nosuid', 'noatime', 'rslave', 'idmap'] },
    { type: 'tmpfs', destination: '/scratch', options: ['size=50%', 'mode=1777', 'nr_inodes=9'] },
    { type: 'overlay', destination: '/o', options: ['lowerdir=/a:/b', 'upperdir=/u', 'workdir=/w', 'metacopy=on'] },
    { type: 'proc', destination: '/p', options: ['hidepid=2'] },
  ],
  systemPaths: 'unmasked',
  maskedPaths: [],
  readonlyPaths: ['/proc/sys', '/with blank'],
  network: {
    type: 'veth',
    address: '10.77.1.2/24',
    gateway: '10.77.1.1',
    ipv6: true,
    address6: 'fd00:77::2/64',
    gateway6: 'fd00:77::1',
    name: 'eth0',
    nat: true,
    ports: [{ protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 5353, containerPort: 53 }],
    nameservers: ['10.77.1.1'],
    searchDomains: ['example.org'],
    resolverOptions: ['ndots:2'],
  },
  hosts: [{ address: 'fd00::1', names: ['db', 'db.example'] }],
  resources: {
    cpu: { quota: 33_333, period: 50_000, shares: 512, cpus: '0-1', mems: '0' },
    memory: { limit: '64M', swap: 4096 },
    pids: { limit: 64 },
    blockIO: [{ device: '8:0', readBps: '10M', writeIOPS: 100 }],
  },
  seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }] },
  process: {
    args: ['sh', '-c', 'echo "a b" \'c\'', ''],
    env: { A: 'b c=d', EMPTY: '', QUOTED: '"\\' },
    cwd: '/tmp',
    terminal: false,
    user: { uid: 1000, gid: 100, additionalGids: [27, 100], umask: 0o27 },
    capabilities: { bounding: ['CAP_KILL', 'CAP_CHOWN'], ambient: [] },
    noNewPrivileges: false,
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 'unlimited' }],
    oomScoreAdj: -1,
    init: false,
    timeout: 0.5,
  },
  persistent: true,
};
/** What a line of text cannot hold, and other kinds of roots and the like. */
const OTHERS: Record<string, SandboxSpec> = {
  'lines within words': { process: { args: ['sh', '-c', 'a\nb'], env: { TEXT: 'one\ntwo' }, cwd: '/a\nb' } },
  'blanks at the ends of a name': { root: { type: 'directory', path: ' a ' } },
  'an image of an engine': { root: { type: 'image', image: { format: 'docker', reference: 'debian:12' }, upper: 'u' } },
  'an image in a file': { root: { type: 'image', image: { format: 'dockerArchive', path: 'a.tar', reference: 'a:1' } } },
  'programs that are copied': { root: { type: 'programs', programs: ['bash', 'a b'], files: 'copy', size: 65_536 } },
  'an empty root': { root: { type: 'tmpfs', size: '1G', mode: 0o1777 }, seccomp: 'unconfined', process: { capabilities: [] } },
  'what has no effect': {
    namespaces: { mnt: 'host', uts: 'host', net: 'host' },
    hostname: 'a',
    mounts: [],
    network: { type: 'host' },
  },
  'a quota that is no neat part of a period': { resources: { cpu: { quota: 12_345, period: 99_999 } } },
};

function checkGivenBack(one: Placed, draft: JsonObject): void {
  const value = valueAt(draft, one.path);
  if (value === undefined) return;
  if (one.control.type !== 'line') assert.ok(canShow(one, value), one.id);
  // What a line cannot give back is shown as JSON, which can hold anything.
  else if (!canShow(one, value)) assert.ok(isSame(jsonOf(typeof value === 'string' ? value : JSON.stringify(value)), value));
  // Where no words are the default, an empty list says nothing more.
  else if (isSame(value, [])) assert.equal(textOf(one, draft), '');
  else assert.deepEqual(valueOfText(one, draft, textOf(one, draft)), value, one.id);
}

describe('what the form holds', () => {
  for (const [what, spec] of Object.entries({ 'everything that there is': FULL, ...OTHERS })) {
    const state = stateOf(spec);

    test(`is a specification, and nothing of it is called a mistake: ${what}`, () => {
      assert.ok(v.safeParse(sandboxSpec, spec).success);
      assert.deepEqual(mistakesOf(state, SECTIONS, schema), []);
    });

    test(`is given back by each control as it is: ${what}`, () => {
      for (const one of shownIn(state)) checkGivenBack(one, state.draft);
    });

    test(`stays where a control is not for it: ${what}`, () => {
      for (const one of shownIn(state)) {
        if (one.control.type !== 'line') continue;
        const changed = withField(state.draft, one.path, valueOfText(one, state.draft, '7'));
        assert.notDeepEqual(changed, state.draft, one.id);
        // With what is at its place taken out of both, they are the same but for the objects on the way, and the root's default.
        const before = withField(state.draft, one.path, 'x');
        assert.deepEqual(withValue(before, one.path, 'y'), withValue(changed, one.path, 'y'), one.id);
        assert.deepEqual(state.draft, spec);
      }
    });

    test(`stays in every other field when one is emptied: ${what}`, () => {
      const leaves = (value: Json, at: string): string[] =>
        isObject(value)
          ? Object.entries(value).flatMap(([key, one]) => leaves(one, `${at}/${key}`))
          : Array.isArray(value) && value.some(isObject)
            ? value.flatMap((one, index) => leaves(one, `${at}/${index}`))
            : [`${at}=${JSON.stringify(value)}`];
      const all = leaves(state.draft, '');
      for (const one of shownIn(state)) {
        const value = valueAt(state.draft, one.path);
        if (one.control.type !== 'line' || value === undefined) continue;
        const gone = leaves(value, `/${one.path.join('/')}`);
        assert.deepEqual(
          leaves(withField(state.draft, one.path, undefined), ''),
          all.filter((leaf) => !gone.includes(leaf)),
          one.id,
        );
      }
    });
  }

  test('a size stands in a line of text, whether it is a number, its digits, or has a unit', () => {
    for (const limit of [65_536, '65536', '64K']) {
      const state = stateOf({ resources: { memory: { limit } } });
      const one = find(state, 'resources.memory.limit');
      assert.ok(canShow(one, limit), String(limit));
      assert.equal(textOf(one, state.draft), String(limit));
    }
    const state = stateOf({});
    assert.equal(valueOfText(find(state, 'resources.memory.limit'), state.draft, '65536'), 65_536);
  });

  test('what no schema knows stays', () => {
    const draft = {
      later: [1, { a: null }],
      process: { nice: 5, args: ['sh'] },
      mounts: [{ type: 'nfs', destination: '/a', extra: true }],
    };
    const state = { ...stateOf({}), draft };
    const named = withField(draft, ['name'], 'a');
    assert.deepEqual(withField(withField(named, ['mounts', 0, 'destination'], '/b'), ['process', 'args'], undefined), {
      later: draft.later,
      process: { nice: 5 },
      mounts: [{ type: 'nfs', destination: '/b', extra: true }],
      name: 'a',
    });
    assert.ok(canShow(find(state, 'mounts.0.type'), 'nfs'));
  });

  test('what no choice stands for is no loss of a choice: it is shown as JSON', () => {
    const state = { ...stateOf({}), draft: { seccomp: 7, mounts: 'many', namespaces: {}, network: { type: 'wifi' } } };
    assert.ok(!canShow(find(state, 'mounts'), 'many'));
    assert.ok(!canShow(find(state, 'network'), 3));
  });
});

describe('changes', () => {
  test('a choice that is left comes back with what was filled in for it', () => {
    const state = stateOf({ root: { type: 'programs', programs: ['bash', 'ls'] } });
    const as = (from: FormState, name: string) => {
      const root = find(from, 'root');
      assert.ok(root.control.type === 'choice');
      return choose(from, { ...root, control: root.control }, name);
    };
    const host = as(state, 'host');
    assert.deepEqual(host.draft, {});
    const docker = as(host, 'docker');
    assert.deepEqual(docker.draft, { root: { type: 'image', image: { format: 'docker' } } });
    assert.deepEqual(as(docker, 'programs').draft, state.draft);
  });

  test('without a namespace of a kind, what needs one goes, and comes back with it', () => {
    const without = withOwn(stateOf(FULL), 'mnt', false);
    for (const field of ['root', 'mounts', 'hosts', 'oldRoot']) assert.equal(without.draft[field], undefined, field);
    assert.deepEqual(without.draft.network, FULL.network);
    assert.deepEqual(withOwn(without, 'mnt', true).draft, FULL);
  });

  test('an item that is new has each of its controls, and tells what it lacks', () => {
    const lacks: Record<string, string[]> = {
      mounts: ['mounts.0.source', 'mounts.0.destination'],
      'network.ports': ['network.ports.0.hostPort', 'network.ports.0.containerPort'],
      hosts: ['hosts.0.address', 'hosts.0.names'],
      'resources.blockIO': ['resources.blockIO.0.device'],
      'process.rlimits': ['process.rlimits.0.soft', 'process.rlimits.0.hard'],
    };
    for (const [id, wanted] of Object.entries(lacks)) {
      const state = stateOf({ network: { type: 'veth' } });
      const { control, path: at } = find(state, id);
      assert.ok(control.type === 'list');
      const next = { ...state, draft: withItem(state.draft, at, control.blank) };
      for (const one of shownIn(next)) assert.ok(canShow(one, valueAt(next.draft, one.path)), one.id);
      assert.deepEqual(
        mistakesOf(next, SECTIONS, schema).map((mistake) => mistake.id),
        wanted,
      );
    }
  });

  test('mounts change places, and the last one that is taken out takes the list with it', () => {
    const state = stateOf(FULL);
    const swapped = withSwapped(state.draft, ['mounts'], 1);
    assert.deepEqual(swapped.mounts, [FULL.mounts![0], FULL.mounts![2], FULL.mounts![1], FULL.mounts![3]]);
    assert.deepEqual(withValue({ mounts: [{ type: 'proc' }], name: 'a' }, ['mounts', 0], undefined), { name: 'a' });
  });

  test('a closed section says what it holds', () => {
    const words = (key: string) => summaryOf(SECTIONS.find((section) => section.key === key)!, stateOf(FULL));
    assert.deepEqual(words('mounts'), ['4']);
    assert.deepEqual(words('network'), [
      { text: 'choice.network.veth', values: [] },
      'IPv6',
      'NAT',
      { text: 'summary.ports', values: [1] },
      { text: 'summary.hosts', values: [1] },
    ]);
  });
});

describe('mistakes', () => {
  const told = (draft: JsonObject) => mistakesOf({ ...stateOf({}), draft }, SECTIONS, schema).map(({ id }) => id);

  test('what is typed wrongly is told by its control', () => {
    assert.deepEqual(
      told({
        name: '-x',
        root: { type: 'tmpfs', size: '12Q' },
        oldRoot: 'old',
        mounts: [
          { type: 'bind', destination: '' },
          { type: 'tmpfs', destination: '/a', options: ['size=much'] },
        ],
        network: { type: 'veth', ports: [{ hostPort: 70_000, containerPort: 80 }] },
        resources: { memory: { limit: 'much' }, cpu: { quota: 'two' } },
        seccomp: '{',
        process: { env: 'A', timeout: 0, user: { gid: 1 }, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 'few', hard: 1 }] },
      }),
      [
        'name',
        'process.env',
        'process.timeout',
        'root.size',
        'oldRoot',
        'mounts.0.source',
        'mounts.0.destination',
        'mounts.1.options.size',
        'process.user.uid',
        'network.ports.0.hostPort',
        'resources.memory.limit',
        'resources.cpu.quota',
        'process.rlimits.0.soft',
        'seccomp.profile',
      ],
    );
  });

  test('what is joined is a sandbox by a name that it can have, or JSON', () => {
    assert.deepEqual(told({ namespaces: { net: { sandbox: '' }, ipc: '{"process"', pid: { process: {} }, uts: 'new' } }), [
      'namespaces.net.sandbox',
      'namespaces.ipc.of',
    ]);
  });

  test('a root lacks what it cannot be without', () => {
    assert.deepEqual(told({ root: { type: 'image', image: { format: 'docker' } } }), ['root.image.reference']);
    assert.deepEqual(told({ root: { type: 'programs' } }), ['root.programs']);
    assert.deepEqual(told({ root: { type: 'directory', path: 'relative' } }), []);
  });
});

test('what the helper refuses is shown at the control of its field, or at what is nearest to it', () => {
  const spec: SandboxSpec = {
    root: { type: 'directory', path: '/srv' },
    mounts: [{ destination: '/mnt', type: 'bind', source: '/etc', options: ['ro'] }],
    process: { user: { uid: 0 } },
  };
  const state = stateOf(spec);
  const ids = new Set(shownIn(state).map(({ id }) => id));
  const fields: [field: (string | number)[], control: string][] = [
    [['root', 'path'], 'root.path'],
    [['root'], 'root'],
    [['mounts'], 'mounts'],
    [['mounts', 0], 'mounts.0.type'],
    [['mounts', 0, 'source'], 'mounts.0.source'],
    [['process', 'user', 'uid'], 'process.user.uid'],
  ];
  for (const [field, control] of fields) assert.equal(controlOf(field, state, SECTIONS), control, field.join('.'));
  for (const field of [
    ['mounts', 0, 'options', 0],
    ['namespaces', 'user'],
    ['process', 'capabilities', 3],
    ['resources', 'memory', 'swap'],
  ])
    assert.ok(ids.has(controlOf(field, state, SECTIONS) ?? ''), field.join('.'));
  assert.equal(controlOf(['no', 'such'], state, SECTIONS), undefined);
});
