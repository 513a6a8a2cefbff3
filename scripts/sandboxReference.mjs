/** The definition of a sandbox's specification as a page for people: a section of each definition, with a table of its fields. */
import { DEFINED_BY, schemaOf } from './sandboxSchema.mjs';

const HEAD = `<!-- Made by scripts/sandboxSpec.mjs of helper/sandbox/specification/spec.ts; not to be changed by hand. -->

# The specification of a sandbox

A file \`*.sandbox.json\` holds one, a \`SandboxSpec\`, and so do the requests of the protocol. Each field stands by its path; \`[]\` is each of a list.
`;

/** A section of each definition, by its name. */
export function sandboxReference(definitions) {
  const names = new Map(Object.entries(definitions).map(([name, definition]) => [definition, name]));
  const sections = Object.entries(definitions).map(([name, definition]) => section(name, schemaOf(definition), names));
  return [HEAD, ...sections].join('\n');
}

function section(name, schema, names) {
  const choices = schema.anyOf ?? [schema];
  const objects = choices.filter(({ properties }) => properties !== undefined);
  const others = choices.filter(({ properties }) => properties === undefined);
  const values = others.map((one) => unnamedValue(one, names));
  if (objects.length > 1) values.push('one of these objects');
  else if (objects.length > 0 && values.length > 0) values.push('an object');
  const words = values.length === 0 ? '' : `\n${sentence(values.join(', or '))}\n`;
  const description = schema.description === undefined ? '' : `\n${schema.description}\n`;
  return `## ${name}\n${description}${words}${objects.map((one) => table(one, names)).join('')}`;
}

function table(schema, names) {
  const rows = fieldsOf(schema, names, '').map((cells) => `| ${cells.map(cell).join(' | ')} |\n`);
  return `\n| field | may be | |\n| --- | --- | --- |\n${rows.join('')}`;
}

const cell = (text) => text.replaceAll('|', '\\|');
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** Those of an object, and of objects in it that have no name. */
function fieldsOf({ properties, required = [] }, names, base) {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const isRequired = required.includes(name) ? ', required' : '';
    const row = [`\`${base}${name}\`${isRequired}`, wordsOf(schema, names), schema.description ?? ''];
    const below = schema.items ?? schema;
    if (nameOf(below, names) !== undefined || below.properties === undefined) return [row];
    return [row, ...fieldsOf(below, names, `${base}${name}${schema.items === undefined ? '' : '[]'}.`)];
  });
}

function nameOf(schema, names) {
  return schema[DEFINED_BY].map((one) => names.get(one)).find((name) => name !== undefined);
}

/** What a value may be, in words. */
function wordsOf(schema, names) {
  const name = nameOf(schema, names);
  return name === undefined ? unnamedValue(schema, names) : `[${name}](#${name.toLowerCase()})`;
}

function unnamedValue(schema, names) {
  if (schema.const !== undefined) return `\`"${schema.const}"\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`"${value}"\``).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map((one) => wordsOf(one, names)).join(', or ');
  switch (schema.type) {
    case 'array':
      return `list${between(schema.minItems, schema.maxItems)}, each: ${wordsOf(schema.items, names)}`;
    case 'object':
      return schema.properties === undefined
        ? `names, each with a value: ${wordsOf(schema.additionalProperties, names)}`
        : 'object';
    case 'boolean':
      return '`true` or `false`';
    case 'string':
      return textOf(schema);
    default:
      return `${schema.type === 'integer' ? 'whole number' : 'number'}${between(schema.minimum, schema.maximum)}`;
  }
}

function textOf({ minLength, maxLength, patternErrorMessage }) {
  const words = patternErrorMessage?.replace(/^It must /, ', which must ').replace(/\.$/, '') ?? '';
  const length = minLength === 1 && maxLength === undefined ? ', not empty' : between(minLength, maxLength, ' characters');
  return `text${length}${words}`;
}

function between(least, most, unit = '') {
  if (least === undefined) return most === undefined ? '' : ` up to ${most}${unit}`;
  return most === undefined ? ` from ${least}${unit} on` : ` from ${least} to ${most}${unit}`;
}
