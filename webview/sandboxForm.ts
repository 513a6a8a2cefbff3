/** What the form does to a specification: which controls are shown, what a choice comes to, what is wrong, what a closed section holds. Pure. */
import { accepts, isObject, type Json, type JsonObject, type JsonSchema, placeAt } from './jsonSchema.ts';
import { chosenOption, optionsOf, optionValue } from './mountOptions.ts';
import { isSame, type Path, valueAt, withValue } from './sandboxDraft.ts';
import {
  type Around,
  type Choice,
  type Control,
  isOwn,
  KINDS,
  type Kind,
  type Line,
  type List,
  SECTIONS,
  type Section,
} from './sandboxFields.ts';
import { isExpressible, NOTATIONS, type Notation } from './sandboxNotations.ts';

/** Of one form; it outlives that the page is hidden. */
export interface FormState {
  /** Which control has a text that says nothing can be found in it: the text stands in the value's place. */
  draft: JsonObject;
  /** What was filled in for choices that are not chosen now, by control and choice. */
  kept: Record<string, Json>;
  privileged: boolean;
}

/** A control where it is: one of a list's items has the item's place before its own. */
export interface Placed {
  control: Control;
  path: Path;
  /** Unique in the form. */
  id: string;
  /** The same for every item of a list: what it is called is found by this. */
  label: string;
  around: Around;
  /** The controls that are shown beside it. */
  beside: readonly Control[];
}

export function placed(controls: readonly Control[], state: FormState, base: Path = []): Placed[] {
  const here = valueAt(state.draft, base);
  const around: Around = { spec: state.draft, here: isObject(here) ? here : {}, privileged: state.privileged };
  const beside = controls.filter(({ shown }) => shown === undefined || shown(around));
  return beside.map((control) => {
    const path = [...base, ...control.path];
    const part = control.part === undefined ? [] : [control.part];
    const label = [...path.filter((key) => typeof key === 'string'), ...part].join('.');
    return { control, path, id: [...path, ...part].join('.'), label, around, beside };
  });
}

export function itemsOf(state: FormState, { path }: Placed): JsonObject[] {
  const list = valueAt(state.draft, path);
  return Array.isArray(list) ? list.map((item) => (isObject(item) ? item : {})) : [];
}

/** Whether a section has something to choose: what a file says is shown also where it can have no effect. */
export function isSectionShown({ needs, controls }: Section, state: FormState): boolean {
  if (needs === undefined || isOwn(needs, { spec: state.draft, privileged: state.privileged })) return true;
  return controls.some(({ path }) => valueAt(state.draft, path) !== undefined);
}

/** Every control that is shown, those of items included. */
function everyControl(state: FormState, controls: readonly Control[], base: Path = []): Placed[] {
  return placed(controls, state, base).flatMap((one) => {
    const { control } = one;
    if (control.type !== 'list') return [one];
    return [one, ...itemsOf(state, one).flatMap((_, index) => everyControl(state, control.item, [...one.path, index]))];
  });
}

// ---------------------------------------------------------------------------------------------------------------------
// Changes

/** `root` is a choice that has a default, and what is chosen below it belongs to that. */
export function withField(draft: JsonObject, path: Path, value: Json | undefined): JsonObject {
  const isBelowRoot = path[0] === 'root' && path.length > 1 && draft.root === undefined && value !== undefined;
  return withValue(isBelowRoot ? { ...draft, root: { type: 'host' } } : draft, path, value);
}

/** The choice that a value is; undefined for one that is none of them. */
export function chosenOf(control: Choice, value: Json | undefined, around: Around): string | undefined {
  if (value === undefined) return control.fallback?.(around);
  const names = Object.keys(control.choices);
  return names.find((name) => isSame(control.choices[name], value)) ?? control.which?.(value);
}

/** What was filled in for a choice comes back with it. */
export function choose(state: FormState, { control, path, id, around }: Placed & { control: Choice }, name: string): FormState {
  const before = valueAt(state.draft, path);
  const chosen = chosenOf(control, before, around);
  if (chosen === name) return state;
  const kept = before === undefined || chosen === undefined ? state.kept : { ...state.kept, [`${id}:${chosen}`]: before };
  const blank = name === control.fallback?.(around) ? undefined : control.choices[name];
  const draft = withField(state.draft, path, kept[`${id}:${name}`] ?? blank);
  // Of a network of its own and the host's only one can be asked for.
  const isHostNetwork = id === 'network' && name === 'host';
  return { ...state, kept, draft: isHostNetwork ? withValue(draft, ['namespaces', 'net'], undefined) : draft };
}

/** What has no meaning without a new namespace of a kind. */
const NEED: Partial<Record<Kind, string[]>> = {
  mnt: ['root', 'changeRoot', 'oldRoot', 'mounts', 'proc', 'dev', 'systemPaths', 'maskedPaths', 'readonlyPaths', 'hosts'],
  net: ['network'],
  uts: ['hostname'],
  user: ['idMappings'],
  time: ['timeOffsets'],
};

/** A new namespace of a kind, or the host's; what needs the new one goes and comes back with it. */
export function withOwn(state: FormState, kind: Kind, own: boolean): FormState {
  const needing = NEED[kind] ?? [];
  const draft = withValue(state.draft, ['namespaces', kind], own ? 'new' : 'host');
  if (own) return restored({ ...state, draft: withoutHostNetwork(draft, kind) }, needing);
  const kept = Object.fromEntries(
    needing.flatMap((field) => (draft[field] === undefined ? [] : [[`own.${field}`, draft[field]]])),
  );
  const rest = Object.fromEntries(Object.entries(draft).filter(([field]) => !needing.includes(field)));
  return { ...state, draft: rest, kept: { ...state.kept, ...kept } };
}

function withoutHostNetwork(draft: JsonObject, kind: Kind): JsonObject {
  return kind === 'net' && valueAt(draft, ['network', 'type']) === 'host' ? withValue(draft, ['network'], undefined) : draft;
}

function restored(state: FormState, fields: readonly string[]): FormState {
  const back = fields.filter((field) => state.draft[field] === undefined && state.kept[`own.${field}`] !== undefined);
  const values = Object.fromEntries(back.map((field) => [field, state.kept[`own.${field}`]!]));
  return { ...state, draft: { ...state.draft, ...values } };
}

/** Kinds that are another's: a sandbox's, a process's. */
export function joinedKinds(draft: JsonObject): Kind[] {
  return KINDS.filter((kind) => ![undefined, 'new', 'host'].includes(valueAt(draft, ['namespaces', kind]) as undefined));
}

// ---------------------------------------------------------------------------------------------------------------------
// Mistakes

/** What can be said of the value of a control, by the names of texts, the best first; with what stands in the text. */
export interface Mistake {
  id: string;
  texts: string[];
  values: number[];
  /** What the schema says of it, where that is all. */
  words?: string;
}

/** The controls whose text says nothing that a specification could. Whether the rest can be made the helper tells. */
export function mistakesOf(state: FormState, sections: readonly Section[], schema: JsonSchema): Mistake[] {
  return sections
    .filter((section) => isSectionShown(section, state))
    .flatMap(({ controls }) => everyControl(state, controls).flatMap((one) => mistakesIn(one, state, schema)));
}

/** The control in which a field of the specification is seen, or what is nearest to it; undefined when none is shown. */
export function controlOf(field: Path, state: FormState, sections: readonly Section[]): string | undefined {
  const all = sections
    .filter((section) => isSectionShown(section, state))
    .flatMap(({ controls }) => everyControl(state, controls));
  const isPart = (part: Path, whole: Path) => part.length <= whole.length && part.every((key, index) => key === whole[index]);
  const [above] = all.filter(({ path }) => isPart(path, field)).sort((one, other) => other.path.length - one.path.length);
  const below = all.find(({ path }) => isPart(field, path));
  return (above === undefined || (below !== undefined && above.path.length < field.length) ? (below ?? above) : above)?.id;
}

function mistakesIn(one: Placed, { draft }: FormState, schema: JsonSchema): Mistake[] {
  const { control, path, id } = one;
  const value = valueAt(draft, path);
  switch (control.type) {
    case 'line':
      return lineMistakes({ ...one, control }, draft, schema);
    case 'choice':
      return value !== undefined && chosenOf(control, value, one.around) === undefined && typeof value === 'string'
        ? [{ id, texts: ['choice'], values: [] }]
        : [];
    case 'json':
      return typeof value === 'string' && !isText(schema, draft, path) ? [{ id, texts: ['json'], values: [] }] : [];
    case 'kinds':
      return joinedKinds(draft).flatMap((kind) => joinMistake(draft, kind, schema));
    case 'optionLine': {
      const text = optionValue(optionsOf(value), control.prefix);
      return text === '' || control.pattern.test(text) ? [] : [{ id, texts: [control.mistake], values: [] }];
    }
    default:
      return [];
  }
}

function lineMistakes(one: Placed & { control: Line }, draft: JsonObject, schema: JsonSchema): Mistake[] {
  const { control, path, id } = one;
  const value = valueAt(draft, path);
  const place = placeAt(schema, draft, path);
  const isRight =
    value === undefined ? !isLacking(one, place?.required === true) : place === undefined || accepts(place.schema, value);
  if (isRight) return [];
  const { minimum, maximum } = place?.schema ?? {};
  const values = minimum === undefined || maximum === undefined ? [] : [minimum, maximum];
  if (control.title !== undefined) return [schemaMistake(id, control.notation, values, place?.schema)];
  return [{ id, texts: [control.mistake ?? control.notation], values }];
}

/** Of a control that was made of the schema. */
function schemaMistake(id: string, notation: string, values: number[], schema: JsonSchema | undefined): Mistake {
  const words = schema?.patternErrorMessage ?? schema?.items?.patternErrorMessage;
  const isBounded = (notation !== 'whole' && notation !== 'number') || values.length > 0;
  return { id, texts: [isBounded ? notation : 'text'], values, ...(words === undefined ? {} : { words }) };
}

/** Whether the text that stands in the place of JSON is one that may. */
function isText(schema: JsonSchema, draft: JsonObject, path: Path): boolean {
  const place = placeAt(schema, draft, path);
  return place !== undefined && accepts(place.schema, valueAt(draft, path)!);
}

/** A field that the schema requires of an object counts only where the object is there. */
function isLacking({ control, path, around }: Placed & { control: Line }, bySchema: boolean): boolean {
  return control.required === true || (bySchema && valueAt(around.spec, path.slice(0, -1)) !== undefined);
}

function joinMistake(draft: JsonObject, kind: Kind, schema: JsonSchema): Mistake[] {
  if (!isObject(valueAt(draft, ['namespaces', kind]))) return [{ id: `namespaces.${kind}.of`, texts: ['json'], values: [] }];
  const sandbox = ['namespaces', kind, 'sandbox'];
  const name = valueAt(draft, sandbox);
  const place = placeAt(schema, draft, sandbox);
  const isRight = name === undefined || place === undefined || accepts(place.schema, name);
  return isRight ? [] : [{ id: sandbox.join('.'), texts: ['sandbox'], values: [] }];
}

/** Whether a control can show the value and give it back; else it is shown, and changed, as JSON. */
export function canShow({ control, around, path }: Placed, value: Json | undefined): boolean {
  if (value === undefined) return true;
  const beside = valueAt(around.spec, path.slice(0, -1));
  switch (control.type) {
    case 'line':
      return isExpressible(control.notation, value, beside);
    case 'choice':
      return typeof value === 'string' || chosenOf(control, value, around) !== undefined;
    case 'tick':
      return typeof value === 'boolean';
    case 'list':
      return Array.isArray(value) && value.every(isObject);
    case 'kinds':
      return isObject(value);
    case 'json':
      return true;
    default:
      return Array.isArray(value) && value.every((one) => typeof one === 'string');
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Texts of controls

/** What stands in a line of text. */
export function textOf({ control, path }: Placed, draft: JsonObject): string {
  const value = valueAt(draft, path);
  if (value === undefined || control.type !== 'line') return '';
  const notation: Notation = NOTATIONS[control.notation];
  return notation.show(value, valueAt(draft, path.slice(0, -1)));
}

export function valueOfText({ control, path }: Placed, draft: JsonObject, text: string): Json | undefined {
  if (control.type !== 'line') return undefined;
  const notation: Notation = NOTATIONS[control.notation];
  return notation.read(text, valueAt(draft, path.slice(0, -1)));
}

/** The words of `options` that one of an item's other controls is for. */
export function isCoveredOption(controls: readonly Control[], option: string): boolean {
  return controls.some((control) => {
    if (control.type === 'optionTick') return control.option === option;
    if (control.type === 'optionChoice') return control.options.includes(option);
    return control.type === 'optionLine' && option.startsWith(control.prefix);
  });
}

/** A JSON text; one that is none stays as it was typed. */
export function jsonOf(text: string): Json | undefined {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** What an item of a list is, in a few words. */
export function itemSummary({ summary }: List, item: JsonObject): string {
  return summary
    .map((key) => item[key])
    .filter((value) => value !== undefined && value !== '')
    .map((value) => (Array.isArray(value) ? value.join(' ') : String(value)))
    .join(' · ');
}

/** Part of what a closed section says that it holds: a text's name with what stands in it, or words as they are. */
export type Word = string | { text: string; values: (string | number)[] };

const LIMITS: [text: string, path: Path, show: Notation['show']][] = [
  ['memory', ['resources', 'memory', 'limit'], NOTATIONS.size.show],
  ['cpus', ['resources', 'cpu', 'quota'], NOTATIONS.cpus.show],
  ['processes', ['resources', 'pids', 'limit'], NOTATIONS.whole.show],
];

const SUMMARIES: Record<string, (state: FormState) => Word[]> = {
  what: ({ draft }) => [typed(draft, ['name']), typed(draft, ['process', 'args'])],
  root: ({ draft }) => {
    const [root] = SECTIONS.find(({ key }) => key === 'root')!.controls as [Choice];
    const value = draft.root ?? { type: 'host' };
    const name = root.which?.(value);
    const what = ['path', 'programs', 'size'].map((key) => typed(draft, ['root', key]));
    const image = ['reference', 'path'].map((key) => typed(draft, ['root', 'image', key]));
    return [name === undefined ? '' : { text: `choice.root.${name}`, values: [] }, ...what, ...image];
  },
  mounts: ({ draft }) => [String(count(draft, ['mounts']))],
  namespaces: (state) => [KINDS.filter((kind) => isOwn(kind, { spec: state.draft, privileged: state.privileged })).join(' ')],
  users: ({ draft }) => [
    draft.process === undefined || valueAt(draft, ['process', 'user']) === undefined
      ? ''
      : { text: 'summary.user', values: [typed(draft, ['process', 'user', 'uid'])] },
    draft.idMappings === undefined
      ? ''
      : { text: `choice.idMappings.${isObject(draft.idMappings) ? 'ranges' : String(draft.idMappings)}`, values: [] },
  ],
  network: (state) => {
    const own = isOwn('net', { spec: state.draft, privileged: state.privileged });
    const type = valueAt(state.draft, ['network', 'type']) ?? (own ? 'loopback' : 'host');
    const ports = count(state.draft, ['network', 'ports']);
    const hosts = count(state.draft, ['hosts']);
    return [
      { text: `choice.network.${String(type)}`, values: [] },
      valueAt(state.draft, ['network', 'ipv6']) === true ? 'IPv6' : '',
      valueAt(state.draft, ['network', 'nat']) === true ? 'NAT' : '',
      ports === 0 ? '' : { text: 'summary.ports', values: [ports] },
      hosts === 0 ? '' : { text: 'summary.hosts', values: [hosts] },
    ];
  },
  limits: ({ draft }) => {
    const lines = LIMITS.map(([text, path, show]): Word => {
      const value = valueAt(draft, path);
      return value === undefined ? '' : { text: `summary.${text}`, values: [show(value, valueAt(draft, path.slice(0, -1)))] };
    });
    const rlimits = count(draft, ['process', 'rlimits']);
    return [...lines, rlimits === 0 ? '' : { text: 'summary.rlimits', values: [rlimits] }];
  },
  security: ({ draft }) => {
    const capabilities = valueAt(draft, ['process', 'capabilities']);
    const listed = Array.isArray(capabilities) ? capabilities.length : 0;
    const seccomp = draft.seccomp ?? 'default';
    return [
      {
        text: isObject(capabilities) ? 'summary.sets' : listed === 0 ? 'summary.noCapabilities' : 'summary.capabilities',
        values: [listed],
      },
      {
        text: seccomp === 'unconfined' || seccomp === 'default' ? `choice.seccomp.${seccomp}` : 'choice.seccomp.profile',
        values: [],
      },
    ];
  },
};

function typed(draft: JsonObject, path: Path): string {
  const value = valueAt(draft, path);
  if (value === undefined || isObject(value)) return '';
  return NOTATIONS.words.show(value);
}

function count(draft: JsonObject, path: Path): number {
  const list = valueAt(draft, path);
  return Array.isArray(list) ? list.length : 0;
}

export function summaryOf({ key }: Section, state: FormState): Word[] {
  return (SUMMARIES[key]?.(state) ?? []).filter((word) => word !== '');
}

/** The words of a choice's value in `options` that counts now. */
export function chosenOptionOf({ control, path }: Placed, draft: JsonObject): string {
  return control.type === 'optionChoice' ? chosenOption(optionsOf(valueAt(draft, path)), control.options) : '';
}
