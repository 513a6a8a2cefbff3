/**
 * The form's sections with what the schema says of them: the values that its choices offer, and a control for each field that none was declared for. Such
 * a field is called by its title, and stands after the field that is before it in the schema. Pure.
 */
import { hasPlace, isObject, type Json, type JsonSchema, placeAt } from './jsonSchema.ts';
import { valueAt } from './sandboxDraft.ts';
import { type Around, type Control, NOT_IN_FORM, named, SECTIONS, type Section } from './sandboxFields.ts';

export function sectionsOf(schema: JsonSchema): Section[] {
  const declared = SECTIONS.flatMap(({ key, controls }) => controls.map((control) => ({ key, control })));
  const all = completed(declared, schema);
  return SECTIONS.map((section) => ({
    ...section,
    controls: all.filter(({ key }) => key === section.key).map(({ control }) => control),
  }));
}

/** A control, and the key of the section that it stands in. */
interface Standing {
  key: string;
  control: Control;
}

function completed(declared: readonly Standing[], schema: JsonSchema): Standing[] {
  const leaves = leavesOf(schema, []).filter(({ path }) => !Object.hasOwn(NOT_IN_FORM, path.join('.')));
  const standing = declared.map(({ key, control }) => ({ key, control: withSchema(control, schema) }));
  for (const [index, leaf] of leaves.entries()) {
    if (standing.some(({ control }) => isFor(control, leaf))) continue;
    const before = leaves[index - 1];
    const at = before === undefined ? -1 : standing.findLastIndex(({ control }) => isFor(control, before));
    const { key } = standing[Math.max(at, 0)]!;
    standing.splice(at + 1, 0, { key, control: controlFor(leaf, schema) });
  }
  return standing;
}

/** The values of a choice are the schema's; a list's items have each of its fields. */
function withSchema(control: Control, schema: JsonSchema): Control {
  const here = placeAt(schema, undefined, control.path)?.schema;
  if (control.type === 'list') {
    const items = control.item.map((one) => ({ key: '', control: one }));
    return { ...control, item: completed(items, here?.items ?? {}).map((one) => one.control) };
  }
  if (control.type !== 'choice' || control.ofSchema !== true) return control;
  const values = [here, ...(here?.anyOf ?? [])].flatMap((one) => (one?.enum ?? []) as string[]);
  return { ...control, choices: { ...named(...values), ...control.choices } };
}

interface Leaf {
  path: readonly string[];
  schema: JsonSchema;
}

/** Places where a value stands that is no object with fields of its own. Of the same place of several alternatives the first. */
function leavesOf(schema: JsonSchema, path: readonly string[]): Leaf[] {
  const below = (schema.anyOf ?? [schema]).flatMap(({ properties }) => {
    if (properties === undefined) return [{ path, schema }];
    return Object.entries(properties).flatMap(([key, field]) => leavesOf(field, [...path, key]));
  });
  const known = new Set<string>();
  return below.filter((leaf) => {
    const place = leaf.path.join('.');
    return !known.has(place) && known.add(place);
  });
}

/** Whether a control is for what stands at a place: its own, what its choices come to, or all that is below it. */
function isFor(control: Control, { path }: Leaf): boolean {
  const isBelow = control.path.length <= path.length && control.path.every((key, index) => key === path[index]);
  if (!isBelow || control.path.length === path.length) return isBelow;
  if (control.type === 'json' || control.type === 'kinds') return true;
  if (control.type !== 'choice') return false;
  const rest = path.slice(control.path.length);
  return Object.values(control.choices).some((value) => isConstant(valueAt(value, rest)));
}

function isConstant(value: Json | undefined): boolean {
  return value !== undefined && !isObject(value) && !Array.isArray(value);
}

function controlFor({ path, schema }: Leaf, whole: JsonSchema): Control {
  const shared = {
    path,
    title: schema.title ?? path.at(-1)!,
    ...(schema.description === undefined ? {} : { hint: schema.description }),
    // A root that is not chosen is the host's.
    shown: ({ here }: Around) => hasPlace(whole, path[0] === 'root' ? { root: { type: 'host' }, ...here } : here, path),
  };
  const isRequired = placeAt(whole, undefined, path)?.required === true;
  const chosen = (choices: Record<string, Json>): Control =>
    isRequired || Object.hasOwn(choices, 'default')
      ? { ...shared, type: 'choice', choices }
      : { ...shared, type: 'choice', choices: { default: undefined, ...choices }, fallback: () => 'default' };
  if (schema.enum?.every((value) => typeof value === 'string')) return chosen(named(...schema.enum));
  switch (schema.type) {
    case 'boolean':
      return chosen({ true: true, false: false });
    case 'string':
      return { ...shared, type: 'line', notation: 'text' };
    case 'integer':
      return { ...shared, type: 'line', notation: 'whole' };
    case 'number':
      return { ...shared, type: 'line', notation: 'number' };
    case 'array':
      if (schema.items?.type === 'string') return { ...shared, type: 'line', notation: 'words' };
      if (schema.items?.type === 'integer') return { ...shared, type: 'line', notation: 'numbers' };
  }
  return { ...shared, type: 'json' };
}
