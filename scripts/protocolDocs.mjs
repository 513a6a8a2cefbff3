#!/usr/bin/env node
/**
 * Writes helper/protocol/PROTOCOL.md, for who scripts the helper, of the list of requests: what is said of each in the sources, and what its schema accepts.
 * `node scripts/protocolDocs.mjs`; with `--check` it only fails when the file is not so already.
 */
import fs from 'node:fs';
import path from 'node:path';
import { API } from 'typescript/unstable/sync';
import { importSource } from './importSource.mjs';
import { ROOT } from './prerequisites.mjs';

const FOLDER = 'helper/protocol';
const OUTPUT = path.join(ROOT, FOLDER, 'PROTOCOL.md');
/** What has a page of its own. */
const ELSEWHERE = { SandboxSpec: '../sandbox/specification/SPECIFICATION.md' };
/** Of what a type is written with: no part of it is left out (`TypeFormatFlags.NoTruncation`). */
const WHOLE = 1;
/** Of every text that is measured in bytes, which is said once. */
const NO_NUL = 'it must not contain a NUL character';

const { REQUESTS } = await importSource(`${FOLDER}/requests.ts`);
const { NOTIFICATIONS } = await importSource(`${FOLDER}/notifications.ts`);
const { ERROR_CODES } = await importSource(`${FOLDER}/errors.ts`);
const { PROTOCOL_VERSION } = await importSource(`${FOLDER}/host.ts`);
const { MAX_MESSAGE_BYTES } = await importSource(`${FOLDER}/transport.ts`);

const config = path.join(ROOT, 'tsconfig.json');
const api = new API({ cwd: ROOT });
const { checker, program } = api.updateSnapshot({ openProjects: [config] }).getProject(config);

const saidOf = (symbol) =>
  symbol
    .getDocumentationComment(checker)
    .trim()
    .replace(/\s*\n\s*/g, ' ');
/** What the protocol's files export, by its name, and of each in which file it is: where something is said of it, and not where it is only passed on. */
const exported = new Map();
for (const name of fs.readdirSync(path.join(ROOT, FOLDER)).filter((name) => name.endsWith('.ts'))) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(path.join(ROOT, FOLDER, name)));
  for (const [exportedAs, symbol] of module.getExports()) {
    if (saidOf(symbol) !== '' || !exported.has(exportedAs)) exported.set(exportedAs, { symbol, file: name });
  }
}
/** Objects with a name, which are told of once: by it, with their schema. */
const named = new Map();

const textOf = (type) => checker.typeToString(type, undefined, WHOLE);
const typeOf = (symbol) => checker.getNonNullableType(checker.getTypeOfSymbol(symbol));
const code = (text) => `\`${text}\``;
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`)
    .join('');

/** Of a method: the constant that is it, with its types. */
function constantOf(method) {
  for (const { symbol, file } of exported.values()) {
    const type = checker.getTypeOfSymbol(symbol);
    if (type === undefined || !/^(Request|Notification)</.test(textOf(type))) continue;
    const [own, params, result] = checker.getTypeArguments(type);
    if (own.value === method) return { said: saidOf(symbol), file, params, result };
  }
  throw new Error(`${method} is no constant of the protocol`);
}

function requestSection(method) {
  const { said, file, params, result } = constantOf(method);
  if (said === '') throw new Error(`nothing is said of ${method}`);
  const schema = REQUESTS[method].params;
  const choices = schema.options ?? [schema];
  const types = choices.length === 1 ? [params] : params.getTypes();
  const tables = choices.map((choice, index) => fieldTable(choice, types[index])).filter((text) => text !== '');
  const taken = tables.length === 0 ? 'Takes nothing.\n' : tables.join('\nOr:\n\n');
  return `### \`${method}\`\n\n${said}\n\n${taken}\nAnswers ${answerOf(result, file)}.\n`;
}

function answerOf(type, file) {
  const text = textOf(type);
  if (text === 'Record<string, never>') return 'that it was done: `{}`';
  return exported.has(text) ? `[\`${text}\`](${exported.get(text).file})` : `${code(text)} ([${file}](${file}))`;
}

function fieldTable(schema, type) {
  const rows = fieldsOf(schema, type, '');
  return rows.length === 0 ? '' : table(['parameter', 'may be', ''], rows);
}

/** Those of an object, and of objects in it that have no name. */
function fieldsOf({ entries }, type, base) {
  const symbols = new Map(checker.getPropertiesOfType(type).map((symbol) => [symbol.name, symbol]));
  return Object.entries(entries).flatMap(([key, field]) => {
    const symbol = symbols.get(key);
    const fieldType = typeOf(symbol);
    const isRequired = field.type === 'exact_optional' ? '' : ', required';
    const row = [`\`${base}${key}\`${isRequired}`, wordsOf(field, fieldType), saidOf(symbol)];
    const schema = field.wrapped ?? field;
    const [item, itemType] =
      schema.item === undefined ? [schema, fieldType] : [schema.item, checker.getTypeArguments(fieldType)[0]];
    if (item.entries === undefined || isNamed(itemType)) return [row];
    return [row, ...fieldsOf(item, itemType, `${base}${key}${schema.item === undefined ? '' : '[]'}.`)];
  });
}

const isNamed = (type) => type !== undefined && exported.has(textOf(type));

const linkTo = (name) => `[${name}](#${name.toLowerCase()})`;

/** What a value may be, in words. Without a type nothing in it has a name. */
function wordsOf(schema, type) {
  if (schema.type === 'exact_optional') return wordsOf(schema.wrapped, type);
  if (schema.type === 'nullable') return `${wordsOf(schema.wrapped, type)}, or \`null\``;
  if (isNamed(type) && (schema.entries ?? schema.type === 'variant')) {
    const name = textOf(type);
    if (name in ELSEWHERE) return `[${name}](${ELSEWHERE[name]})`;
    named.set(name, { schema, type });
    return linkTo(name);
  }
  const [name] = [...named].find(([, of]) => of.schema === schema) ?? [];
  return name === undefined ? withActions(schema, bareWords(schema, type)) : linkTo(name);
}

function bareWords(schema, type) {
  switch (schema.type) {
    case 'literal':
      return code(JSON.stringify(schema.literal));
    case 'picklist':
      return schema.options.map((option) => code(JSON.stringify(option))).join(', ');
    case 'union':
      return schema.options.map((option) => wordsOf(option)).join(', or ');
    case 'array':
      return `list, each: ${wordsOf(schema.item, checker.getTypeArguments(type ?? { flags: 0 })[0])}`;
    case 'record':
      return `names, each with a value: ${wordsOf(schema.value)}`;
    case 'boolean':
      return '`true` or `false`';
    case 'string':
      return 'text';
    case 'number':
      return actionsOf(schema).some(({ type: one }) => /integer/.test(one)) ? 'whole number' : 'number';
    case 'strict_object':
    case 'loose_object':
      return 'object';
    default:
      throw new Error(`${schema.type} has no words yet`);
  }
}

/** A pipe may begin with another. */
function actionsOf({ pipe = [] }) {
  const [first, ...actions] = pipe;
  return first === undefined ? [] : [...actionsOf(first), ...actions];
}

/** The bounds, after what it is: `whole number from 1 to 10,000`; a list says its own before what each in it is. */
function withActions(schema, words) {
  const actions = actionsOf(schema);
  const of = (type) => actions.find((action) => action.type === type)?.requirement;
  const range = between(of('min_value'), of('max_value'));
  const length = between(of('min_length'), of('max_length'), schema.type === 'string' ? ' characters' : '');
  const told = actions.map(toldOf).filter((words) => words !== '');
  const [musts, others] = [true, false].map((isOfIt) => told.filter((words) => words.startsWith('must ') === isOfIt));
  const which = musts.length === 0 ? '' : `, which ${musts.join(' and ')}`;
  const bounds = `${range}${length}${which}${others.map((words) => `; ${words}`).join('')}`;
  return schema.type === 'array' ? words.replace('list', `list${bounds}`) : `${words}${bounds}`;
}

/** What is told where it is not so: `must be base64`. */
function toldOf({ type, message, requirement }) {
  if (type === 'starts_with') return `must begin with ${code(requirement)}`;
  if (!['check', 'regex', 'non_empty'].includes(type) || typeof message !== 'string' || message === NO_NUL) return '';
  return message.replace(/^it must/, 'must').replace(/\d{5,}/g, (digits) => Number(digits).toLocaleString('en'));
}

function between(least, most, unit = '') {
  const [from, to] = [least, most].map((number) => (number === undefined ? '' : `${number.toLocaleString('en')}${unit}`));
  if (unit !== '' && least === 1 && most === undefined) return ', not empty';
  if (most === Number.MAX_SAFE_INTEGER || to === '') return from === '' ? '' : ` from ${from} on`;
  return from === '' ? ` up to ${to}` : ` from ${from.replace(unit, '')} to ${to}`;
}

/** An object, or one of several that are told apart by one of their fields. */
function typeSection(name, { schema, type }) {
  const said = saidOf(exported.get(name).symbol);
  const text = schema.type === 'variant' ? variantTable(schema) : table(['field', 'may be', ''], fieldsOf(schema, type, ''));
  return `### ${name}\n${said === '' ? '' : `\n${said}\n`}\n${text}`;
}

function variantTable({ key, options }) {
  const rows = options.map(({ entries: { [key]: tag, ...fields } }) => [
    wordsOf(tag),
    Object.entries(fields)
      .map(
        ([name, field]) => `\`${name}\`${field.type === 'exact_optional' ? ', which may be left out' : ''}: ${wordsOf(field)}`,
      )
      .join('<br>'),
  ]);
  return table([code(key), 'with'], rows);
}

function errorTables() {
  const codes = checker.getPropertiesOfType(checker.getTypeOfSymbol(exported.get('ERROR_CODES').symbol));
  const data = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(exported.get('ErrorData').symbol));
  return [
    table(
      ['code', '`reason`', ''],
      codes.map((symbol) => [String(ERROR_CODES[symbol.name]), code(symbol.name), saidOf(symbol)]),
    ),
    table(
      ['`data`', ''],
      data.map((symbol) => [code(symbol.name), saidOf(symbol)]),
    ),
  ].join('\n');
}

function notificationSection(method) {
  const { said, file, params } = constantOf(method);
  return `### \`${method}\`\n\n${said}\n\nBrings ${answerOf(params, file)}.\n`;
}

const HEAD = `<!-- Made by scripts/protocolDocs.mjs; not to be changed by hand. -->

# The protocol of the helper

The helper speaks JSON-RPC 2.0 over its standard input and output, each message after a \`Content-Length\` header; version ${PROTOCOL_VERSION}. A message has at most
${MAX_MESSAGE_BYTES.toLocaleString('en')} bytes. It goes on as long as its input is open.

\`\`\`sh
ask() { printf 'Content-Length: %d\\r\\n\\r\\n%s' "\${#1}" "$1"; }
{ ask '{"jsonrpc":"2.0","id":1,"method":"containers/list","params":{}}'; sleep 2; } | sudo node dist/helper.js
\`\`\`

Fields that are not listed are refused; so is a NUL character in a text that is measured in bytes. What is sent in answers is declared in the files that are linked. A request is cancelled by \`$/cancelRequest\` with its \`id\`.
`;

function page() {
  const methods = grouped(Object.keys(REQUESTS));
  const areas = [...methods].map(([file, ofArea]) => {
    const title = path.basename(file, '.ts');
    return `## ${title.charAt(0).toUpperCase()}${title.slice(1)}\n\n${ofArea.map(requestSection).join('\n')}`;
  });
  const types = [];
  // What is in one may have a name, too.
  for (const [name, of] of named) types.push(typeSection(name, of));
  return [
    HEAD,
    ...areas,
    `## Notifications\n\n${NOTIFICATIONS.map(({ method }) => notificationSection(method)).join('\n')}`,
    `## Types of parameters\n\n${types.join('\n')}`,
    `## Errors\n\n${errorTables()}`,
  ].join('\n');
}

/** By the file that each is in. */
function grouped(methods) {
  const groups = new Map();
  for (const method of methods) {
    const { file } = constantOf(method);
    groups.set(file, [...(groups.get(file) ?? []), method]);
  }
  return groups;
}

const text = page();
api.close();
if (!process.argv.includes('--check')) fs.writeFileSync(OUTPUT, text);
else if (!fs.existsSync(OUTPUT) || fs.readFileSync(OUTPUT, 'utf8') !== text) {
  console.error(`${path.relative(ROOT, OUTPUT)} is not as the sources have it: run node scripts/protocolDocs.mjs`);
  process.exitCode = 1;
}
