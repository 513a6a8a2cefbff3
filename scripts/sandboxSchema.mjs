/**
 * The definition of a sandbox's specification (helper/sandbox/specification/spec.ts) as a JSON schema in VS Code's dialect. Valibot's own converter has no place for
 * the words of a pattern that is not met, asks for a format where a pattern is wanted, and lets go what JSON Schema cannot say; here what is not known
 * is an error.
 */

/** What only the helper checks; of those of one text, `nearPattern` says what an editor can. */
const ONLY_CHECKED = new Set(['check', 'excludes', 'ip', 'ipv4']);

/** In what `schemaOf` gives: the definitions that it is of, which are the one that was asked for and those that this one's pipe begins with. */
export const DEFINED_BY = Symbol('defined by');

/** The schema that an editor completes and checks a specification by. */
export function sandboxSchema(definition) {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Sandbox', ...schemaOf(definition) };
}

/** What is said of it first, then what it may be; its keys are in the order in which a person would write them. */
export function schemaOf(definition) {
  const { definitions, actions } = partsOf(definition);
  const { title, description, ...rest } = actions.reduce(withAction, typeOf(definitions.at(-1)));
  return {
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...rest,
    [DEFINED_BY]: definitions,
  };
}

/** A pipe begins with a definition, which may have one, too. */
function partsOf(definition) {
  if (definition.type === 'exact_optional') return partsOf(definition.wrapped);
  const [first, ...actions] = definition.pipe ?? [];
  if (first === undefined) return { definitions: [definition], actions };
  const before = partsOf(first);
  return { definitions: [definition, ...before.definitions], actions: [...before.actions, ...actions] };
}

function typeOf({ type, ...of }) {
  switch (type) {
    case 'string':
    case 'boolean':
    case 'number':
      return { type };
    case 'literal':
      return { const: of.literal };
    case 'picklist':
      return { enum: [...of.options] };
    case 'union':
    case 'variant':
      return { anyOf: of.options.map(schemaOf) };
    case 'array':
      return { type, items: schemaOf(of.item) };
    case 'record':
      return { type: 'object', additionalProperties: schemaOf(of.value) };
    case 'strict_object':
      return objectOf(Object.entries(of.entries));
    default:
      throw new Error(`${type} is in no JSON schema yet`);
  }
}

function objectOf(entries) {
  const required = entries.filter(([, { type }]) => type !== 'exact_optional').map(([name]) => name);
  return {
    type: 'object',
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(entries.map(([name, entry]) => [name, schemaOf(entry)])),
  };
}

function withAction(schema, action) {
  const { type, requirement, message } = action;
  switch (type) {
    case 'title':
    case 'description':
      return { ...schema, [type]: action[type] };
    case 'integer':
    case 'safe_integer':
      return { ...schema, type: 'integer' };
    case 'min_value':
      return { ...schema, minimum: requirement };
    case 'max_value':
      return { ...schema, maximum: requirement };
    case 'min_length':
      return { ...schema, [schema.type === 'array' ? 'minItems' : 'minLength']: requirement };
    case 'max_length':
      return { ...schema, [schema.type === 'array' ? 'maxItems' : 'maxLength']: requirement };
    case 'regex':
      return withPattern(schema, patternOf(requirement), message);
    case 'starts_with':
      return withPattern(schema, `^${requirement.replace(/[^\w/]/g, '\\$&')}`, message);
    case 'metadata':
      return withMetadata(schema, action.metadata);
    default:
      if (ONLY_CHECKED.has(type)) return schema;
      throw new Error(`${type} is in no JSON schema yet`);
  }
}

/** What `described` says, or `nearPattern`. */
function withMetadata(schema, { pattern, words, ...said }) {
  return pattern === undefined ? { ...schema, ...said } : withPattern(schema, patternOf(pattern), words);
}

function patternOf({ source, flags }) {
  if (flags !== '') throw new Error(`/${source}/${flags} cannot be published with its flags`);
  return source;
}

/** Valibot's own message is a function, or none: an editor says what to write instead. */
function withPattern(schema, pattern, words) {
  if (typeof words !== 'string') throw new Error(`nothing is said where ${pattern} is not met`);
  if (schema.pattern !== undefined) throw new Error(`${pattern} cannot be published beside ${schema.pattern}`);
  return { ...schema, pattern, patternErrorMessage: `${words.charAt(0).toUpperCase()}${words.slice(1)}.` };
}
