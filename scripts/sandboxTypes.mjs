/** The definition of a sandbox's specification as TypeScript, formatted as the rest of the repository is. */
import { DEFINED_BY, schemaOf } from './sandboxSchema.mjs';

const LINE_WIDTH = 128;
const HEAD = `/**
 * What a sandbox is made of. Everything that is left out is the safe choice. Made by scripts/sandboxSpec.mjs of helper/sandbox/specification/spec.ts; not to be
 * changed by hand.
 */
`;

/** A type of each definition, by its name. */
export function sandboxTypes(definitions) {
  const names = new Map(Object.entries(definitions).map(([name, definition]) => [definition, name]));
  const declarations = Object.entries(definitions).map(([name, definition]) => declaration(name, schemaOf(definition), names));
  return [HEAD, ...declarations].join('\n');
}

function declaration(name, schema, names) {
  const doc = docOf(schema, '');
  if (schema.properties !== undefined) return `${doc}export interface ${name} ${objectType(schema, names, '')}\n`;
  const head = `export type ${name} =`;
  return `${doc}${head}${indented(unnamedType(schema, names, ''), head, '')};\n`;
}

/** A description, as a comment of one line or more. */
function docOf({ description }, indent) {
  if (description === undefined) return '';
  const line = `${indent}/** ${description} */\n`;
  if (line.length <= LINE_WIDTH + 1) return line;
  const lines = [''];
  for (const word of description.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (`${indent} *${longer}`.length <= LINE_WIDTH) lines.splice(-1, 1, longer);
    else lines.push(` ${word}`);
  }
  return `${indent}/**\n${lines.map((text) => `${indent} *${text}\n`).join('')}${indent} */\n`;
}

function typeOf(schema, names, indent) {
  const definition = schema[DEFINED_BY].find((one) => names.has(one));
  return definition === undefined ? unnamedType(schema, names, indent) : [names.get(definition)];
}

/** Its alternatives. */
function unnamedType(schema, names, indent) {
  if (schema.const !== undefined) return [`'${schema.const}'`];
  if (schema.enum !== undefined) return schema.enum.map((value) => `'${value}'`);
  // Below the bar of an alternative.
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.flatMap((one) => typeOf(one, names, `${indent}    `)))];
  switch (schema.type) {
    case 'array': {
      const items = typeOf(schema.items, names, indent);
      return [`${items.length === 1 ? items[0] : `(${items.join(' | ')})`}[]`];
    }
    case 'object':
      return schema.properties === undefined
        ? [`Record<string, ${typeOf(schema.additionalProperties, names, indent).join(' | ')}>`]
        : [objectType(schema, names, indent)];
    case 'integer':
      return ['number'];
    default:
      return [schema.type];
  }
}

function objectType({ properties, required = [] }, names, indent) {
  const inner = `${indent}  `;
  const fields = Object.entries(properties).map(([name, schema]) => {
    const head = `${inner}${name}${required.includes(name) ? '' : '?'}:`;
    return `${docOf(schema, inner)}${head}${indented(typeOf(schema, names, inner), head, inner)};\n`;
  });
  return `{\n${fields.join('')}${indent}}`;
}

/** Alternatives after their name: in its line, else each in a line of its own. */
function indented(alternatives, head, indent) {
  const line = ` ${alternatives.join(' | ')}`;
  const isShort = !line.includes('\n') && `${head}${line};`.length <= LINE_WIDTH;
  if (alternatives.length === 1 || isShort) return line;
  return alternatives.map((one) => `\n${indent}  | ${one}`).join('');
}
